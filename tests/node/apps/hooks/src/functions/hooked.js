const { app } = require('@azure/functions');

app.get('changed', { handler: () => ({ body: 'from the handler' }) });
app.get('reports', { handler: () => ({ body: 'replaced' }) });
app.get('readonly', { handler: () => ({ body: 'replaced' }) });
app.get('refused', { handler: () => ({ body: 'never' }) });
app.get('handled', {
    handler: () => {
        throw new Error('the handler failed');
    },
});
app.get('logs', {
    handler: (request, context) => {
        context.log('the secret word');
        context.log('promote me');
        return {};
    },
});
