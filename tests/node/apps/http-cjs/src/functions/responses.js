const { app, HttpResponse, output } = require('@azure/functions');

const answers = {
    text: () => ({ body: 'text' }),
    status: () => ({ status: 201, headers: { 'X-Test': 'yes', 'Content-Type': 'text/csv' }, body: 'a,b' }),
    buffer: () => ({ body: Buffer.from([1, 2, 3]) }),
    params: () => ({ body: new URLSearchParams({ a: '1' }) }),
    object: () => ({ jsonBody: { a: [1, null, 'x'] } }),
    nothing: () => undefined,
    null: () => null,
    empty: () => ({}),
    teapot: () => ({ status: 418 }),
    class: () => new HttpResponse({ status: 202, body: 'class' }),
    stream: () => ({ body: ReadableStream.from([Buffer.from('one '), Buffer.from('two')]) }),
    string: () => 'a text',
    number: () => 5,
    odd: () => ({ status: 99 }),
    throws: () => {
        throw new TypeError('bad thing');
    },
    cookies: () => ({
        cookies: [
            { name: 'c1', value: 'v 1', path: '/p', domain: 'localhost', secure: true, httpOnly: true, maxAge: 60 },
            { name: 'c2', value: 'v2', sameSite: 'Lax', expires: new Date(Date.UTC(2030, 0, 1)) },
        ],
        body: 'x',
    }),
};

app.http('answer', {
    route: 'answer/{kind}',
    methods: ['GET'],
    handler: async (request, context) => {
        context.log(`answering ${request.params.kind}`);
        return answers[request.params.kind]();
    },
});

const queue = output.storageQueue({ queueName: 'http-cjs-out', connection: 'AzureWebJobsStorage' });

app.post('enqueue', {
    extraOutputs: [queue],
    handler: async (request, context) => {
        context.extraOutputs.set(queue, [await request.text(), { two: 2 }]);
        return { status: 202 };
    },
});
