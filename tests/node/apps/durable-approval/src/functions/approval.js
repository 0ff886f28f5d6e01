const { app } = require('@azure/functions');
const df = require('durable-functions');

const SECOND = 1000;

df.app.orchestration('approval', function* (context) {
  const { to, seconds } = context.df.getInput();
  yield context.df.callActivity('notify', to);
  const timer = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + seconds * SECOND));
  const approval = context.df.waitForExternalEvent('Approval');
  context.df.setCustomStatus('waiting');
  const winner = yield context.df.Task.any([approval, timer]);
  if (winner === timer) {
    return { outcome: yield context.df.callActivity('escalate', to) };
  }
  timer.cancel();
  return { outcome: yield context.df.callActivity('approve', approval.result) };
});

df.app.activity('notify', { handler: (to) => `notified ${to}` });
df.app.activity('approve', { handler: (data) => ({ approved: data }) });
df.app.activity('escalate', { handler: (to) => `escalated from ${to}` });

app.http('start', {
  route: 'approvals',
  methods: ['POST'],
  extraInputs: [df.input.durableClient()],
  handler: async (request, context) => {
    const client = df.getClient(context);
    const id = await client.startNew('approval', { input: await request.json() });
    return client.createCheckStatusResponse(request, id);
  },
});

app.storageQueue('approvalQueue', {
  queueName: '%ApprovalQueue%',
  connection: 'AzureWebJobsStorage',
  extraInputs: [df.input.durableClient()],
  handler: async (item, context) => {
    await df.getClient(context).raiseEvent(item.id, 'Approval', item.data);
  },
});

app.http('hello', { route: 'hello', handler: () => ({ body: 'hello' }) });

app.http('pid', { route: 'pid', handler: () => ({ jsonBody: process.pid }) });
