// Stands for `@azure/functions-core` where a real file is asked for: the worker's own object, kept on a symbol.
'use strict';

module.exports = globalThis[Symbol.for('durable_host.functions_core')];
