const { app } = require('@azure/functions');
const df = require('durable-functions');

let polls = 0;

app.http('slow', {
  route: 'slow',
  methods: ['GET', 'POST'],
  handler: async (request) => {
    if (request.method === 'POST') {
      return { status: 202, headers: { Location: request.url, 'Retry-After': '1' } };
    }
    polls += 1;
    if (polls < 2) {
      return { status: 202, headers: { Location: request.url, 'Retry-After': '1' } };
    }
    return { jsonBody: { polls, header: request.headers.get('x-own'), key: request.headers.get('x-functions-key') } };
  },
});

df.app.orchestration('polls', function* (context) {
  const { url, enablePolling } = context.df.getInput();
  const response = yield context.df.callHttp({
    method: 'POST',
    url,
    body: { a: 1 },
    headers: { 'x-own': 'yes', 'x-functions-key': 'secret' },
    enablePolling,
  });
  const after = yield context.df.callActivity('repeat', 'after');
  return [response.statusCode, response.content ? JSON.parse(response.content) : null, after];
});
