// Interprets the random programs of `tests/engine/engine_programs.py`.
const df = require('durable-functions');

const calls = new Map();

df.app.activity('work', {
  handler: (node) => {
    calls.set(node.key, (calls.get(node.key) ?? 0) + 1);
    if (calls.get(node.key) <= node.fails) {
      throw new Error(`attempt ${calls.get(node.key)}`);
    }
    return node.id * 10;
  },
});

df.app.orchestration('interpreter', function* (context) {
  const { key, program } = context.df.getInput();
  const results = [];
  for (const statement of program) {
    const expression = statement.yield;
    const task = build(context.df, expression, key);
    try {
      yield task;
    } catch (error) {
      if (!statement.caught) {
        throw error;
      }
    }
    results.push(described(task, expression));
    if (expression.kind === 'any') {
      cancelLosers(task, expression);
    }
  }
  return results;
});

function build(context, node, key) {
  switch (node.kind) {
    case 'activity':
      return context.callActivity('work', { ...node, key: `${key}/${node.id}` });
    case 'retry':
      return context.callActivityWithRetry('work', new df.RetryOptions(node.interval, node.attempts), {
        ...node,
        key: `${key}/${node.id}`,
      });
    case 'timer':
      return context.createTimer(new Date(context.currentUtcDateTime.getTime() + node.seconds * 1000));
    case 'event':
      return context.waitForExternalEvent(`e${node.id}`);
    case 'child':
      return node.retried
        ? context.callSubOrchestratorWithRetry('interpreter', new df.RetryOptions(700, 2), { key, program: node.program })
        : context.callSubOrchestrator('interpreter', { key, program: node.program });
    case 'all':
      return context.Task.all(node.children.map((child) => build(context, child, key)));
    default:
      return context.Task.any(node.children.map((child) => build(context, child, key)));
  }
}

function described(task, node) {
  if (task.isFaulted) {
    return 'error';
  }
  if (node.kind === 'any') {
    const winner = task.children.indexOf(task.result);
    return [winner, described(task.result, node.children[winner])];
  }
  if (node.kind === 'all') {
    return task.children.map((child, index) => described(child, node.children[index]));
  }
  return task.result ?? null;
}

function cancelLosers(task, node) {
  task.children.forEach((child, index) => {
    if (node.children[index].kind === 'timer' && !child.isCompleted) {
      child.cancel();
    }
  });
}
