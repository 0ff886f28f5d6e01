const { app } = require('@azure/functions');

app.http('echo', {
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    authLevel: 'anonymous',
    handler: async (request, context) => {
        const { pathname, search } = new URL(request.url);
        return {
            headers: { 'x-method': request.method },
            jsonBody: {
                method: request.method,
                path: pathname + search,
                query: [...request.query],
                header: request.headers.get('X-Custom'),
                params: request.params,
                body: await request.text(),
                metadata: context.triggerMetadata === undefined,
            },
        };
    },
});

app.http('item', {
    route: 'items/{id:int}/{part?}',
    handler: async (request) => ({ jsonBody: request.params }),
});

app.post('json', { handler: async (request) => ({ jsonBody: { got: await request.json() } }) });

app.post('bytes', {
    handler: async (request) => {
        const content = Buffer.from(await request.arrayBuffer());
        return { jsonBody: [...content] };
    },
});

app.post('form', {
    handler: async (request) => {
        const form = await request.formData();
        const file = form.get('file');
        return { jsonBody: { text: form.get('text'), name: file.name, content: await file.text() } };
    },
});

app.put('streamed', {
    handler: async (request) => {
        let size = 0;
        for await (const chunk of request.body) {
            size += chunk.length;
        }
        return { body: String(size) };
    },
});

app.get('user', {
    handler: async (request) => ({ jsonBody: { name: request.user?.username, id: request.user?.id } }),
});
