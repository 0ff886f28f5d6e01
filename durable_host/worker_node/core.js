// The object that `require('@azure/functions-core')` returns to the library, and what is registered through it.
'use strict';

const path = require('path');

const { callerInApp, systemError } = require('./errors');
const { HOOK_NAMES } = require('./hooks');

const VERSION = '3.12.0';
const HOST_VERSION = '4.1052.200';

class Disposable {
  constructor(callOnDispose) {
    this._callOnDispose = callOnDispose;
  }

  static from(...disposables) {
    return new Disposable(() =>
      disposables.forEach((one) => one && typeof one.dispose === 'function' && one.dispose())
    );
  }

  dispose() {
    const call = this._callOnDispose;
    this._callOnDispose = undefined;
    return typeof call === 'function' ? call() : undefined;
  }
}

/** Collects the functions and hooks of the app. After `lock`, no function can be registered. */
class Registry {
  constructor(logs, hooks) {
    this._logs = logs;
    this._hooks = hooks;
    this._isLocked = false;
    /** By id: `{name, metadata, callback, directory, scriptFile, place}`. */
    this.functions = new Map();
    this.model = undefined;
    /** The entry point that is being loaded. */
    this.entryPoint = undefined;
  }

  lock() {
    this._isLocked = true;
  }

  register(metadata, callback) {
    if (this._isLocked) {
      throw systemError('A function can only be registered during app startup.');
    }
    const id = metadata.functionId || metadata.name;
    if (this.functions.has(id)) {
      throw systemError(`A function with id "${id}" has already been registered.`);
    }
    const file = this.entryPoint;
    this.functions.set(id, {
      id,
      name: metadata.name,
      metadata: { ...metadata, functionId: id },
      callback,
      directory: file === undefined ? '' : path.dirname(file),
      scriptFile: file === undefined ? 'unknown' : path.basename(file),
      place: callerInApp(),
    });
    return new Disposable(() => {
      if (this._isLocked) {
        throw systemError('A function can only be disposed during app startup.');
      }
      this.functions.delete(id);
    });
  }

  registerHook(name, callback) {
    if (!HOOK_NAMES.includes(name)) {
      throw systemError(`Unrecognized hook "${name}"`, RangeError);
    }
    return new Disposable(this._hooks.add(name, callback));
  }

  setModel(model) {
    this._logs.report('information', `Setting Node.js programming model to "${model.name}" version "${model.version}"`);
    this.model = model;
  }

  /** The object for the library. */
  core() {
    const registry = this;
    return {
      version: VERSION,
      get hostVersion() {
        return HOST_VERSION;
      },
      registerFunction: (metadata, callback) => registry.register(metadata, callback),
      setProgrammingModel: (model) => registry.setModel(model),
      getProgrammingModel: () => registry.model,
      registerHook: (name, callback) => registry.registerHook(name, callback),
      log: (level, category, message) => registry._logs.write(level, category, message),
      Disposable,
    };
  }
}

module.exports = { Registry };
