const df = require('durable-functions');

const seconds = (context, count) => new Date(context.df.currentUtcDateTime.getTime() + count * 1000);
const DAY = 86400;

df.app.activity('notify', { handler: (input) => `notified ${input.to ?? input}` });
df.app.activity('done', { handler: (input) => input });
df.app.activity('escalate', { handler: (input) => { throw new Error(`no boss: ${input}`); } });
df.app.activity('echo', { handler: (input) => input });
df.app.activity('bytes', { handler: () => Buffer.from('ab') });
df.app.activity('nothing', { handler: () => {} });
df.app.activity('throwText', { handler: () => { throw 'just text'; } });

df.app.orchestration('approval', function* (context) {
  yield context.df.callActivity('notify', context.df.getInput());
  const timer = context.df.createTimer(seconds(context, 60));
  const approval = context.df.waitForExternalEvent('Approval');
  const winner = yield context.df.Task.any([approval, timer]);
  if (winner === approval) {
    timer.cancel();
    yield context.df.callActivity('done', approval.result);
    return { ok: approval.result };
  }
  yield context.df.callActivity('escalate', 'late');
});

df.app.orchestration('inputs', function* (context) {
  const results = [];
  for (const value of ['text', '5', 5, 0, true, false, null, undefined, { a: [1, 'é'] }, [], '']) {
    results.push(yield context.df.callActivity('echo', value));
  }
  return results;
});

df.app.orchestration('children', function* (context) {
  const results = [];
  for (const value of ['text', 5, { n: 1 }, undefined, null, false]) {
    results.push(yield context.df.callSubOrchestrator('child', value));
  }
  return results;
});
df.app.orchestration('child', function* (context) {
  const input = context.df.getInput();
  return { input: input === undefined ? 'undefined' : input, parent: context.df.parentInstanceId };
});

df.app.orchestration('again', function* (context) {
  const input = context.df.getInput();
  if (input.n < 3) {
    context.df.continueAsNew({ n: input.n + 1 });
    return;
  }
  return input;
});
df.app.orchestration('againText', function* (context) {
  const input = context.df.getInput();
  if (input === 'first') {
    context.df.continueAsNew('second');
    return;
  }
  return input;
});

df.app.orchestration('anyThenAll', function* (context) {
  const tasks = ['a', 'b', 'c'].map((name) => context.df.callActivity('echo', name));
  const first = yield context.df.Task.any(tasks);
  const all = yield context.df.Task.all(tasks);
  return [first.result, all];
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
    yield context.df.callActivity('echo', round);
  }
  return found;
});

df.app.orchestration('longTimer', function* (context) {
  yield context.df.createTimer(seconds(context, context.df.getInput() * DAY));
  return (yield context.df.callActivity('echo', 'after'));
});
df.app.orchestration('canceledLongTimer', function* (context) {
  const timer = context.df.createTimer(seconds(context, 10 * DAY));
  const event = context.df.waitForExternalEvent('E');
  yield context.df.Task.any([timer, event]);
  timer.cancel();
  yield context.df.createTimer(seconds(context, 4 * DAY));
  return (yield context.df.callActivity('echo', 'after'));
});

df.app.orchestration('http', function* (context) {
  const request = { method: 'POST', url: 'http://x/start', body: { a: 1 }, headers: { 'x-functions-key': 'k', b: 'c' } };
  const response = yield context.df.callHttp(request);
  return [response.statusCode, response.content, yield context.df.callActivity('echo', 'after')];
});

df.app.orchestration('retried', function* (context) {
  const options = new df.RetryOptions(1000, 3);
  Object.assign(options, context.df.getInput() ?? {});
  try {
    return (yield context.df.callActivityWithRetry('escalate', options, 'x'));
  } catch (error) {
    return [error.message.split('\n')[0], yield context.df.callActivity('echo', 'after')];
  }
});

df.app.orchestration('fails', function* (context) {
  const what = context.df.getInput();
  yield context.df.callActivity('echo', 1);
  if (what === 'error') {
    throw new TypeError('user bug');
  }
  if (what === 'text') {
    throw 'text';
  }
  if (what === 'empty') {
    throw new RangeError('');
  }
  if (what === 'number') {
    yield 5;
  }
  if (what === 'object') {
    throw { code: 5 };
  }
  yield context.df.callActivity('throwText');
});
df.app.orchestration('notAGenerator', async () => 5);
df.app.orchestration('bigint', function* () {
  return 10n;
});

df.app.orchestration('earlyEvents', function* (context) {
  yield context.df.callActivity('echo', 0);
  const first = yield context.df.waitForExternalEvent('E');
  const second = yield context.df.waitForExternalEvent('E');
  return [first, second];
});

df.app.orchestration('status', function* (context) {
  context.df.setCustomStatus({ step: 1 });
  yield context.df.callActivity('echo', 0);
  context.df.setCustomStatus('two');
  context.log('in two');
  return context.df.instanceId;
});

df.app.orchestration('lateAll', function* (context) {
  const task = context.df.callActivity('echo', 1);
  yield task;
  yield context.df.Task.all([task]);
});

df.app.entity('Counter', (context) => {
  switch (context.df.operationName) {
    case 'add':
      context.df.setState(context.df.getState(() => 0) + context.df.getInput());
      break;
    case 'get':
      context.df.return(context.df.getState(() => 0));
      break;
    case 'twice':
      context.df.return(1);
      context.df.return(2);
      break;
    case 'fail':
      throw new Error('lost');
    case 'failText':
      throw 'bad text';
    case 'delete':
      context.df.destructOnExit();
      break;
    case 'tell':
      context.df.signalEntity(new df.EntityId('Counter', 'other'), 'add', context.df.getInput());
      break;
  }
});
df.app.orchestration('entities', function* (context) {
  const id = new df.EntityId('Counter', 'K1');
  context.df.signalEntity(id, 'add', 3);
  const value = yield context.df.callEntity(id, 'get');
  const nothing = yield context.df.callEntity(id, 'add', 4);
  const failures = [];
  for (const operation of ['fail', 'failText']) {
    try {
      yield context.df.callEntity(id, operation);
    } catch (error) {
      failures.push(error.message);
    }
  }
  return [value, nothing === undefined, yield context.df.callEntity(id, 'get'), failures];
});
