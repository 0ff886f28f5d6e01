const { app, output } = require('@azure/functions');

const seen = output.storageQueue({ queueName: 'node-seen', connection: 'AzureWebJobsStorage' });

app.timer('tick', {
    schedule: '0 0 0 1 1 *',
    runOnStartup: false,
    return: seen,
    handler: (timer, context) => ({
        keys: Object.keys(timer).sort(),
        adjust: timer.schedule.adjustForDST,
        due: timer.isPastDue,
        metadata: context.triggerMetadata === undefined,
    }),
});

let attempts = 0;
app.storageQueue('retried', {
    queueName: 'node-retried',
    connection: 'AzureWebJobsStorage',
    retry: { strategy: 'fixedDelay', maxRetryCount: 2, delayInterval: { milliseconds: 50 } },
    return: seen,
    handler: (item, context) => {
        attempts += 1;
        if (attempts < 3) {
            throw new Error(`attempt ${attempts}`);
        }
        const { retryCount, maxRetryCount, exception } = context.retryContext;
        return { attempts, retryCount, maxRetryCount, message: exception?.message };
    },
});
