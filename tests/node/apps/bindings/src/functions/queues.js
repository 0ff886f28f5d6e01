const { app, output } = require('@azure/functions');

const connection = 'AzureWebJobsStorage';
const seen = output.storageQueue({ queueName: 'node-seen', connection });

// Describes each message as the handler sees it, on another queue.
app.storageQueue('describe', {
    queueName: 'node-in',
    connection,
    return: seen,
    handler: (item, context) => {
        const { id, dequeueCount, insertionTime } = context.triggerMetadata;
        return {
            type: Buffer.isBuffer(item) ? 'buffer' : typeof item,
            item,
            id: typeof id === 'string' && id.length > 0,
            dequeueCount,
            inserted: !Number.isNaN(Date.parse(insertionTime)),
            metadata: Object.keys(context.triggerMetadata).includes('queueTrigger'),
        };
    },
});

app.generic('binary', {
    trigger: { type: 'queueTrigger', queueName: 'node-binary', connection, dataType: 'binary' },
    return: seen,
    handler: (item) => ({ type: Buffer.isBuffer(item) ? 'buffer' : typeof item, bytes: [...item] }),
});

app.storageQueue('poisoned', {
    queueName: 'node-bad',
    connection,
    handler: () => {
        throw new Error('never good');
    },
});

// Text and numbers as messages, a Buffer, a list, nothing.
const values = {
    text: 'a text',
    number: 42,
    fraction: 1.5,
    yes: true,
    buffer: Buffer.from('bytes'),
    list: ['x', { y: 1 }, 3],
    object: { a: { b: [] } },
    nothing: undefined,
    none: null,
};
app.http('send', {
    route: 'send/{kind}',
    extraOutputs: [seen],
    handler: (request, context) => {
        context.extraOutputs.set(seen, values[request.params.kind]);
        return { body: 'sent' };
    },
});
app.http('sendNothing', { route: 'sendNothing', extraOutputs: [seen], handler: () => ({ body: 'unset' }) });
app.http('bigint', {
    route: 'bigint',
    extraOutputs: [seen],
    handler: (request, context) => {
        context.extraOutputs.set(seen, { n: 10n });
        return { body: 'sent' };
    },
});
