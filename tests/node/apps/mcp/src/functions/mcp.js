const { app, arg, input, output } = require('@azure/functions');

const path = 'node-snippets/{mcptoolargs.snippetname}.json';
const connection = 'AzureWebJobsStorage';
const stored = input.storageBlob({ connection, path });
const written = output.storageBlob({ connection, path });
const NAME = { propertyName: 'snippetname', propertyType: 'string', description: 'Its name', isRequired: true };
const TEXT = { propertyName: 'snippet', propertyType: 'string', description: 'Its text', isRequired: true };

app.mcpTool('saveSnippet', {
    toolName: 'save_snippet',
    description: 'Saves a snippet',
    toolProperties: [NAME, TEXT],
    extraOutputs: [written],
    handler: async (_call, context) => {
        const { snippetname, snippet } = context.triggerMetadata.mcptoolargs;
        context.extraOutputs.set(written, snippet);
        return `Saved ${snippetname}`;
    },
});

app.mcpTool('getSnippet', {
    toolName: 'get_snippet',
    description: 'Reads a snippet',
    toolProperties: [NAME],
    extraInputs: [stored],
    handler: async (_call, context) => {
        const content = context.extraInputs.get(stored);
        return content === undefined ? 'There is none.' : content.toString();
    },
});

app.mcpTool('sum', {
    toolName: 'sum',
    description: 'Adds',
    toolProperties: { a: arg.number().describe('One'), b: arg.number().describe('Two').optional() },
    handler: (call) => String(call.arguments.a + (call.arguments.b ?? 0)),
});

app.mcpTool('fails', {
    toolName: 'fails',
    description: 'Fails',
    toolProperties: [],
    handler: () => {
        throw new Error('no luck');
    },
});

app.mcpResource('notes', {
    uri: 'file://notes/{id}',
    resourceName: 'notes',
    description: 'A note',
    mimeType: 'text/plain',
    handler: (call) => `note ${call.arguments.id}`,
});

app.mcpPrompt('talk', {
    promptName: 'talk',
    description: 'Talks',
    promptArguments: [{ name: 'topic', description: 'About what', required: true }],
    handler: (call) => `Talk about ${call.arguments.topic}`,
});
