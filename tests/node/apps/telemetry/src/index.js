const { trace } = require('@opentelemetry/api');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { AzureFunctionsInstrumentation } = require('@azure/functions-opentelemetry-instrumentation');
const appInsights = require('applicationinsights');

const provider = new NodeTracerProvider();
provider.register();
registerInstrumentations({ instrumentations: [new AzureFunctionsInstrumentation()] });

if (process.env.APPLICATIONINSIGHTS_CONNECTION_STRING) {
    appInsights.setup().setAutoCollectConsole(false).setAutoCollectHeartbeat(false).start();
}

trace.getTracer('index').startSpan('loaded').end();
