const { app } = require('@azure/functions');

app.http('fromIndex', { route: '/lead/{name}', handler: (request) => ({ body: request.params.name }) });
