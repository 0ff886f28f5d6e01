const { app, input, output } = require('@azure/functions');

const connection = 'AzureWebJobsStorage';
const seen = output.storageQueue({ queueName: 'node-seen', connection });
const copy = output.storageBlob({ path: 'node-out/{name}.copy', connection });
const beside = input.storageBlob({ path: 'node-beside/{name}', connection });
const besideText = input.generic({ type: 'blob', path: 'node-beside/{name}', connection, dataType: 'string' });

app.storageBlob('onBlob', {
    path: 'node-blobs/{name}',
    connection,
    extraInputs: [beside],
    return: copy,
    extraOutputs: [seen],
    handler: (blob, context) => {
        const other = context.extraInputs.get(beside);
        context.extraOutputs.set(seen, {
            buffer: Buffer.isBuffer(blob),
            size: blob.length,
            name: context.triggerMetadata.name,
            uri: new URL(context.triggerMetadata.uri).pathname,
            beside: other === undefined ? 'missing' : other.toString(),
        });
        return blob;
    },
});

app.generic('onText', {
    trigger: { type: 'blobTrigger', path: 'node-texts/{name}', connection, dataType: 'string' },
    return: seen,
    handler: (text) => ({ type: typeof text, text }),
});

app.http('readBlob', {
    route: 'blob/{name}',
    extraInputs: [beside, besideText],
    handler: (request, context) => {
        const [bytes, text] = [context.extraInputs.get(beside), context.extraInputs.get(besideText)];
        return { jsonBody: { bytes: bytes ? [...bytes] : typeof bytes, text: text ?? typeof text } };
    },
});

const written = output.storageBlob({ path: 'node-out/{name}', connection });
app.http('writeBlob', {
    route: 'write/{name}/{kind}',
    return: output.http({}),
    extraOutputs: [written],
    handler: (request, context) => {
        const content = { text: 'ü', buffer: Buffer.from([0, 255]), object: { a: 1 } };
        context.extraOutputs.set(written, content[request.params.kind]);
        return { body: 'written' };
    },
});
