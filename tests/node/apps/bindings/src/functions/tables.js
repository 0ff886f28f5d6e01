const { app, input, output } = require('@azure/functions');

const connection = 'AzureWebJobsStorage';
const rows = output.table({ tableName: 'NodeRows', connection });
const row = input.table({ tableName: 'NodeRows', partitionKey: '{pk}', rowKey: '{rk}', connection });
const partition = input.table({ tableName: 'NodeRows', partitionKey: '{pk}', connection });

app.http('addRows', {
    route: 'rows/{pk}',
    methods: ['POST'],
    extraOutputs: [rows],
    handler: async (request, context) => {
        const given = await request.json();
        context.extraOutputs.set(rows, given);
        return { status: 201 };
    },
});

app.http('row', {
    route: 'rows/{pk}/{rk}',
    methods: ['GET'],
    extraInputs: [row],
    handler: (request, context) => ({ jsonBody: { row: context.extraInputs.get(row) ?? null } }),
});

app.http('rows', {
    route: 'rows/{pk}',
    methods: ['GET'],
    extraInputs: [partition],
    handler: (request, context) => ({ jsonBody: context.extraInputs.get(partition) }),
});
