import * as df from 'durable-functions';

df.app.activity('Shout', { handler: (text: string): string => text.toUpperCase() });

df.app.activity('Break', {
    handler: (text: string): string => {
        throw new Error(`cannot break ${text}`);
    },
});

df.app.entity('Count', (context) => {
    context.df.setState(Number(context.df.getState(() => 0)) + Number(context.df.getInput()));
});
