// Collects the errors that the operations of an entity batch threw.
//
// If an operation throws an Error, `durable-functions` returns its JSON, which is `{}`, and drops the rest. It
// serializes the error while the operation's context is current, so errors are recorded when they are serialized.
'use strict';

const { describe } = require('./errors');
const scope = require('./scope');
const { watchDf } = require('./watched_context');

const MOST_REPORTED = 20;
const FAILED = '"isError":true';
let isWatching = false;

class FailedOperations {
  constructor() {
    this._names = [];
    this._thrown = new Map();
  }

  /** Watch the context of the batch: the package sets `df` on it for each operation. */
  watch(context) {
    watchErrors();
    watchDf(context, (df) => this._names.push(df?.operationName));
  }

  /** An error that was serialized during the operation. */
  note(error) {
    this._thrown.set(this._names.length - 1, error);
  }

  /** Fields of the `result` frame: the number of failures in the answer, and descriptions of the first ones. */
  fields(answer) {
    if (typeof answer !== 'string' || !answer.includes(FAILED)) {
      return {};
    }
    const failed = [];
    JSON.parse(answer).results.forEach((result, index) => {
      if (result.isError) {
        const operation = this._names[index] ?? null;
        failed.push({ ...this._described(index, result.result), operation, names_type: false });
      }
    });
    return { fo: failed.slice(0, MOST_REPORTED), fc: failed.length };
  }

  _described(index, text) {
    if (this._thrown.has(index)) {
      return describe(this._thrown.get(index));
    }
    let thrown = text;
    try {
      thrown = JSON.parse(text);
    } catch {
      // It is not JSON.
    }
    return describe(thrown);
  }
}

/** Record each error that is serialized. Errors have no `toJSON`; one that the app defines is kept. */
function watchErrors() {
  if (isWatching || 'toJSON' in Error.prototype) {
    return;
  }
  isWatching = true;
  Object.defineProperty(Error.prototype, 'toJSON', {
    configurable: true,
    writable: true,
    value() {
      scope.current()?.failedOperations?.note(this);
      return { ...this };
    },
  });
}

module.exports = { FailedOperations };
