const df = require('durable-functions');

const DAY = 86400;
const seconds = (context, count) => new Date(context.df.currentUtcDateTime.getTime() + count * 1000);

df.app.activity('repeat', { handler: (input) => input });

df.app.orchestration('longTimer', function* (context) {
  yield context.df.createTimer(seconds(context, context.df.getInput() * DAY));
  return (yield context.df.callActivity('repeat', 'after'));
});

df.app.orchestration('canceledLongTimer', function* (context) {
  const timer = context.df.createTimer(seconds(context, 10 * DAY));
  const event = context.df.waitForExternalEvent('E');
  yield context.df.Task.any([timer, event]);
  timer.cancel();
  yield context.df.createTimer(seconds(context, 4 * DAY));
  return (yield context.df.callActivity('repeat', 'after'));
});

df.app.orchestration('http', function* (context) {
  const request = { method: 'POST', url: 'http://x/start', body: { a: 1 }, headers: { 'x-functions-key': 'k', b: 'c' } };
  const response = yield context.df.callHttp(request);
  return [response.statusCode, response.content, yield context.df.callActivity('repeat', 'after')];
});

df.app.orchestration('earlyEvents', function* (context) {
  yield context.df.callActivity('repeat', 0);
  const first = yield context.df.waitForExternalEvent('E');
  const second = yield context.df.waitForExternalEvent('E');
  return [first, second];
});

df.app.orchestration('staleWait', function* (context) {
  const approval = context.df.waitForExternalEvent('Approval');
  yield context.df.Task.any([approval, context.df.callActivity('repeat', 0)]);
  yield context.df.Task.any([approval, context.df.callActivity('repeat', 1)]);
  yield context.df.callActivity('repeat', 2);
  return [approval.result, yield context.df.waitForExternalEvent('Approval')];
});

df.app.orchestration('race', function* (context) {
  const approval = context.df.waitForExternalEvent('Approval');
  const found = [];
  for (let round = 0; round < 3; round++) {
    const timer = context.df.createTimer(seconds(context, 10));
    const winner = yield context.df.Task.any([approval, timer]);
    if (winner === approval) {
      timer.cancel();
      found.push(approval.result);
      break;
    }
    found.push('timer');
    yield context.df.callActivity('repeat', round);
  }
  return found;
});
