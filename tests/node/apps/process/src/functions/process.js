const { app } = require('@azure/functions');
const { spawnSync } = require('child_process');
const { setTimeout: sleep } = require('timers/promises');
const { Worker } = require('worker_threads');

app.get('pid', { handler: () => ({ body: String(process.pid) }) });

app.get('prints', {
    handler: async (request) => {
        const word = request.query.get('word');
        console.log(`${word} before`);
        await sleep(20);
        console.error(`${word} after`);
        process.stdout.write(`${word} part`);
        process.stdout.write('s\n');
        return {};
    },
});

app.get('thread', {
    handler: () =>
        new Promise((resolve) => {
            const worker = new Worker("console.log('from a thread')", { eval: true });
            worker.on('exit', () => resolve({}));
        }),
});

app.get('child', {
    handler: () => {
        const child = spawnSync(process.execPath, ['-e', "console.log('from a child'); console.error('and its errors')"], {
            stdio: 'inherit',
        });
        return { body: String(child.status) };
    },
});

app.get('exits', {
    handler: () => {
        for (let number = 0; number < 500; number += 1) {
            console.log(`line ${number}`);
        }
        process.exit(7);
    },
});

app.get('rejects', {
    handler: async () => {
        Promise.reject(new Error('nobody handles this'));
        await sleep(5000);
        return {};
    },
});

app.get('throwsLater', {
    handler: async () => {
        setTimeout(() => {
            throw new Error('thrown from a timer');
        }, 1);
        await sleep(5000);
        return {};
    },
});

app.get('tooLong', {
    handler: async () => {
        await sleep(60000);
        return {};
    },
});

app.get('blocks', {
    handler: () => {
        for (;;) {
            // forever
        }
    },
});

app.get('logsLate', {
    handler: (request, context) => {
        setTimeout(() => context.log('a line after the end'), 20);
        return {};
    },
});

app.get('heap', {
    handler: () => {
        const kept = [];
        for (;;) {
            kept.push(new Array(1e6).fill(kept.length));
        }
    },
});
