import { app } from '@azure/functions';

app.get('fromMjs', { handler: () => ({ body: typeof require }) });
