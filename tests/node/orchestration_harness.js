// Durable functions of a Node.js app without a host: JSON lines in, JSON lines out.
//
// node orchestration_harness.js <worker folder> <app folder>: loads the app as the worker does, then answers
// `{op: 'orchestrate', function, request}`, `{op: 'forget', key}` and `{op: 'call', function, trigger}`.
'use strict';

const path = require('path');
const readline = require('readline');

const [, , workerFolder, appFolder] = process.argv;
const { App } = require(path.join(workerFolder, 'app.js'));
const { describe } = require(path.join(workerFolder, 'errors.js'));
const { Invocation } = require(path.join(workerFolder, 'invocation.js'));
const { OrchestrationSessions } = require(path.join(workerFolder, 'orchestrations.js'));

const logged = [];
const logs = {
  write: (level, category, message, owner) => logged.push([level, message, owner?.i]),
  report() {},
};
const app = new App(appFolder, logs);
const sessions = new OrchestrationSessions(app);
let calls = 0;

async function call(name, trigger) {
  const { bindings } = app.registry.functions.get(name).metadata;
  const response = await new Invocation(app, {
    invocationId: `call${++calls}`,
    functionId: name,
    inputData: [{ name: Object.keys(bindings)[0], data: { string: trigger } }],
    triggerMetadata: {},
    traceContext: { traceParent: '', traceState: '', attributes: {} },
  }).run();
  return response.returnValue ?? {};
}

async function answer(message) {
  switch (message.op) {
    case 'load':
      return app.load({});
    case 'orchestrate':
      return sessions.handle(message.request, message.function, `turn${++calls}`);
    case 'forget':
      return sessions.forget(message.key);
    case 'call':
      return call(message.function, message.trigger);
    case 'logged':
      return logged.splice(0);
    default:
      throw new Error(`unknown request ${message.op}`);
  }
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  let reply;
  try {
    reply = { answer: await answer(JSON.parse(line)) };
  } catch (error) {
    reply = { failed: describe(error) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
});
