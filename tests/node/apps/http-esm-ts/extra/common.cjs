const { app } = require('@azure/functions');

app.get('fromCjs', { handler: () => ({ body: typeof require }) });
