const { app } = require('@azure/functions');
const df = require('durable-functions');

df.app.orchestration('waits', function* (context) {
  context.df.setCustomStatus({ step: 'waiting' });
  return yield context.df.waitForExternalEvent('My Event');
});
df.app.orchestration('returns', function* (context) {
  return context.df.getInput();
});
df.app.orchestration('fails', function* (context) {
  yield context.df.callActivity('fail');
});
df.app.activity('fail', {
  handler: () => {
    throw new Error('always');
  },
});
df.app.entity('Counter', (context) => {
  if (context.df.operationName === 'add') {
    context.df.setState((context.df.getState() ?? 0) + (context.df.getInput() ?? 1));
  }
});

/** Calls one method of the client: `{method, parameters}`. Times are `{time}`, entity IDs `{entity: [name, key]}`. */
app.http('client', {
  route: 'client',
  methods: ['POST'],
  extraInputs: [df.input.durableClient()],
  handler: async (request, context) => {
    const { method, parameters } = await request.json();
    const client = df.getClient(context);
    try {
      return { jsonBody: { result: (await client[method](...parameters.map(revived))) ?? null } };
    } catch (error) {
      return { jsonBody: { error: error.message } };
    }
  },
});

app.http('check', {
  route: 'check/{id}',
  extraInputs: [df.input.durableClient()],
  handler: async (request, context) => df.getClient(context).createCheckStatusResponse(request, request.params.id),
});

app.http('wait', {
  route: 'wait/{id}',
  extraInputs: [df.input.durableClient()],
  handler: async (request, context) =>
    df.getClient(context).waitForCompletionOrCreateCheckStatusResponse(request, request.params.id, {
      timeoutInMilliseconds: Number(request.query.get('limit') ?? 20000),
      retryIntervalInMilliseconds: 100,
    }),
});

function revived(value) {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    if (value.time !== undefined) {
      return new Date(value.time);
    }
    if (value.entity !== undefined) {
      return new df.EntityId(...value.entity);
    }
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, revivedTime(one)]));
  }
  return value;
}

function revivedTime(value) {
  return value !== null && typeof value === 'object' && value.time !== undefined ? new Date(value.time) : value;
}
