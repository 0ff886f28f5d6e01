import { app } from '@azure/functions';
import * as df from 'durable-functions';
import './steps';

df.app.orchestration('Bundled', function* (context) {
    const loud = yield context.df.callActivity('Shout', context.df.getInput());
    const event = context.df.waitForExternalEvent('More');
    const more = yield event;
    return [loud, more];
});

df.app.orchestration('Broken', function* (context) {
    return yield context.df.callActivity('Break', 'it');
});

app.http('start', {
    route: 'start/{name}',
    methods: ['POST'],
    extraInputs: [df.input.durableClient()],
    handler: async (request, context) => {
        const client = df.getClient(context);
        const id = await client.startNew(request.params.name, { input: await request.text() });
        return client.createCheckStatusResponse(request, id);
    },
});
