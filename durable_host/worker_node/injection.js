// Provides `@azure/functions-core`, which is not a package, for the three ways to load it.
'use strict';

const Module = require('module');
const path = require('path');
const { pathToFileURL } = require('url');

const CORE = '@azure/functions-core';
const FILE = path.join(__dirname, 'functions_core.js');

/** Make `require` and `import` of the core return `core`. */
function provideCore(core) {
  globalThis[Symbol.for('durable_host.functions_core')] = core;

  const require_ = Module.prototype.require;
  Module.prototype.require = function (name, ...rest) {
    if (name === CORE) {
      return core;
    }
    return require_.call(this, name, ...rest);
  };

  const resolve = Module._resolveFilename;
  Module._resolveFilename = function (name, ...rest) {
    if (name === CORE) {
      return FILE;
    }
    return resolve.call(this, name, ...rest);
  };

  if (typeof Module.registerHooks === 'function') {
    Module.registerHooks({
      resolve(name, context, next) {
        if (name === CORE) {
          return { url: pathToFileURL(FILE).href, format: 'commonjs', shortCircuit: true };
        }
        return next(name, context);
      },
    });
  }
}

module.exports = { provideCore };
