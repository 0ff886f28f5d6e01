import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { fail, loadGreeting, type Greeting } from '../shared/greeting.js';

// Top-level await: registration waits for it.
const greeting: Greeting = await loadGreeting();

export async function hello(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> {
    const name: string = request.query.get('name') ?? 'world';
    context.log(`greeting ${name}`);
    return { jsonBody: { text: `${greeting.text}, ${name}!`, url: import.meta.url.endsWith('hello.js') } };
}

app.http('hello', { methods: ['GET'], handler: hello });

app.get('fails', {
    handler: async (request: HttpRequest): Promise<HttpResponseInit> => fail(request.query.get('name') ?? 'nobody'),
});
