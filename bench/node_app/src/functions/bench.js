// The app under measurement for Node.js: the same functions as bench/app, as far as both are compared.
'use strict';

const fs = require('fs');
const { app } = require('@azure/functions');
const df = require('durable-functions');

df.app.orchestration('sequence', function* (context) {
  let value = 0;
  for (let step = 0; step < context.df.getInput().count; step += 1) {
    value = yield context.df.callActivity('echo', value);
  }
  return value;
});

df.app.orchestration('wait_for_go', function* (context) {
  yield context.df.waitForExternalEvent('Go');
  if (!context.df.isReplaying) {
    const nanoseconds = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
    fs.appendFileSync(process.env.BENCH_LOG, `${context.df.instanceId} ${nanoseconds}\n`);
  }
  return 'went on';
});

df.app.activity('echo', { handler: (value) => value });

app.get('hello', { handler: () => ({ body: 'Hello' }) });
