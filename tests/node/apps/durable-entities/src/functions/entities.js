const df = require('durable-functions');

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

df.app.entity('Account', async (context) => {
  if (context.df.operationName === 'deposit') {
    await new Promise((resolve) => setTimeout(resolve, 1));
    context.df.setState(context.df.getState(() => 0) + context.df.getInput());
  }
  context.df.return(context.df.getState(() => 0));
});

df.app.orchestration('keepsLock', function* (context) {
  yield context.df.lock(new df.EntityId('Account', context.df.getInput()));
  if (context.df.getInput() === 'raises') {
    throw new Error('with the lock');
  }
});

df.app.orchestration('transfer', function* (context) {
  const { from, to, amount } = context.df.getInput();
  const [source, target] = [from, to].map((key) => new df.EntityId('Account', key));
  const lock = yield context.df.lock(source, target);
  try {
    const balance = yield context.df.callEntity(source, 'get');
    if (balance < amount) {
      return { moved: 0, locked: context.df.isLocked().isLocked };
    }
    yield context.df.callEntity(source, 'deposit', -amount);
    yield context.df.callEntity(target, 'deposit', amount);
    return { moved: amount, locked: context.df.isLocked().isLocked };
  } finally {
    lock.release();
  }
});
