const { app } = require('@azure/functions');
const { context, trace } = require('@opentelemetry/api');
const df = require('durable-functions');
const { Hono } = require('hono');
const { azureHonoHandler } = require('@marplex/hono-azurefunc-adapter');

// The trace that the host has handed over is the active one inside of a function.
app.get('traced', {
    handler: async (request, invocation) => {
        await new Promise((resolve) => setImmediate(resolve));
        const span = trace.getTracer('app').startSpan('inner', {}, context.active());
        span.end();
        return { jsonBody: { inner: span.spanContext().traceId, given: invocation.traceContext.traceParent } };
    },
});

df.app.orchestration('Traced', function* (orchestration) {
    return yield orchestration.df.callActivity('TraceId');
});
df.app.activity('TraceId', {
    handler: (_, invocation) => {
        const span = trace.getTracer('app').startSpan('inner', {}, context.active());
        return { inner: span.spanContext().traceId, given: invocation.traceContext.traceParent };
    },
});

const hono = new Hono().basePath('/api/web');
hono.get('/hello/:name', (c) => c.json({ hello: c.req.param('name'), q: c.req.query('q') ?? null }));
hono.post('/echo', async (c) => c.text((await c.req.text()).toUpperCase(), 201, { 'x-hono': 'yes' }));
app.http('web', {
    methods: ['GET', 'POST', 'PUT', 'DELETE'],
    authLevel: 'anonymous',
    route: 'web/{*rest}',
    handler: azureHonoHandler(hono.fetch),
});
