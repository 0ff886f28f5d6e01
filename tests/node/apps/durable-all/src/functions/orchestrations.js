const df = require('durable-functions');

const seconds = (context, count) => new Date(context.df.currentUtcDateTime.getTime() + count * 1000);

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
  if (what === 'undefined') {
    throw undefined;
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
df.app.orchestration('asyncGenerator', async function* (context) {
  yield context.df.callActivity('echo', 1);
});
df.app.orchestration('bigint', function* () {
  return 10n;
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


df.app.orchestration('fanOut', function* (context) {
  const tasks = [];
  for (let number = 0; number < context.df.getInput(); number++) {
    tasks.push(context.df.callActivity('echo', number));
  }
  const results = yield context.df.Task.all(tasks);
  return results.reduce((sum, one) => sum + one, 0);
});

df.app.orchestration('waits', function* (context) {
  context.df.setCustomStatus('waiting');
  const data = yield context.df.waitForExternalEvent('Go');
  return [data, context.df.version];
});

df.app.orchestration('fixedChild', function* (context) {
  const options = new df.RetryOptions(100, 2);
  const child = `${context.df.instanceId}-child`;
  return [
    yield context.df.callSubOrchestrator('child', 1, child),
    yield context.df.callSubOrchestratorWithRetry('child', options, 2, `${child}2`),
    context.df.newGuid(context.df.instanceId).length,
    context.df.isReplaying,
  ];
});

df.app.activity('flaky', {
  handler: (file) => {
    if (!require('fs').existsSync(file)) {
      throw new Error('not yet');
    }
    return 'there';
  },
});
df.app.orchestration('rewound', function* (context) {
  return yield context.df.callActivity('flaky', context.df.getInput());
});

df.app.orchestration('kinds', function* (context) {
  return [
    yield context.df.callActivity('bytes'),
    yield context.df.callActivity('nothing'),
    yield context.df.callActivity('echo', 1.5),
    (yield context.df.callActivity('echo', 'x'.repeat(100_000))).length,
  ];
});

const shout = df.app.activity('shout', { handler: (text) => text.toUpperCase() });
const shouting = df.app.orchestration('shouting', function* (context) {
  return yield shout(context.df.getInput());
});
df.app.orchestration('registered', function* () {
  const retried = yield shout('a').withRetry(new df.RetryOptions(100, 2));
  return [retried, yield shouting('b'), yield shouting('c').withRetry(new df.RetryOptions(100, 2))];
});
