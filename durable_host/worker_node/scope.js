// Tracks the current invocation across awaits, timers and streams.
'use strict';

const { AsyncLocalStorage } = require('async_hooks');

const storage = new AsyncLocalStorage();

/** Run `work` as part of the invocation `owner`: `{i, f, context, hookData}`. */
function run(owner, work) {
  return storage.run(owner, work);
}

/** The current invocation, or undefined if there is none. */
function current() {
  return storage.getStore();
}

/** The fields that identify an invocation in a frame. */
function fields(owner = current()) {
  return owner === undefined ? {} : { i: owner.i, f: owner.f };
}

module.exports = { run, current, fields };
