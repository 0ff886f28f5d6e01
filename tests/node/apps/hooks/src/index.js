const { app } = require('@azure/functions');
const fs = require('fs');
const path = require('path');

let started = 'no';

app.hook.appStart(async (context) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    started = 'yes';
    console.log('app start hook ran');
});

app.hook.preInvocation((context) => {
    context.hookData.order = ['first'];
    if (context.invocationContext.functionName === 'refused') {
        throw new Error('refused by a hook');
    }
});

app.hook.preInvocation(async (context) => {
    context.hookData.order.push('second');
    if (context.invocationContext.functionName === 'changed') {
        const handler = context.functionHandler;
        context.functionHandler = async (request, invocation) => {
            const response = await handler(request, invocation);
            return { ...response, headers: { 'x-wrapped': 'yes' } };
        };
        context.inputs = [context.inputs[0], context.invocationContext];
    }
    if (context.invocationContext.functionName === 'readonly') {
        try {
            context.invocationContext = {};
        } catch (error) {
            context.hookData.order.push(error.message);
        }
    }
});

app.hook.postInvocation((context) => {
    const name = context.invocationContext.functionName;
    if (name === 'changed') {
        context.result = { ...context.result, status: 203 };
    }
    if (name === 'handled') {
        context.error = undefined;
        context.result = { body: 'handled by a hook' };
    }
    if (name === 'reports') {
        context.result = { jsonBody: { order: context.hookData.order, app: started } };
    }
    if (name === 'readonly') {
        context.result = { jsonBody: context.hookData.order };
    }
});

app.hook.log((context) => {
    if (context.category === 'user') {
        context.message = context.message.replace('secret', '***');
        if (context.message.startsWith('promote')) {
            context.level = 'error';
        }
    }
});

app.hook.appTerminate(() => {
    fs.writeFileSync(path.join(__dirname, 'terminated.txt'), 'yes');
});
