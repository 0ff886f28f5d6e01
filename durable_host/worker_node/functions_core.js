// The module `@azure/functions-core` where a real file is needed. Exports the worker's object, stored under a symbol.
'use strict';

module.exports = globalThis[Symbol.for('durable_host.functions_core')];
