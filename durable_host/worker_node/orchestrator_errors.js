// What is reported of an orchestrator's error: text, stack, place and likely cause.
'use strict';

const { describe, isError, toError } = require('./errors');

const NO_GENERATOR = 'this.generator.next is not a function';
const USE_GENERATOR =
  "The orchestrator is not a generator function: write 'function*' and 'yield' instead of 'async' and 'await'.";

/** The `error` of the answer. The package leaves it out for errors without a text, and the instance would hang. */
function errorText(error) {
  if (isError(error)) {
    return String(error.message) || error.name || 'Error';
  }
  const message = error !== null && typeof error === 'object' ? error.message : undefined;
  return (typeof message === 'string' && message) || toError(error).message || 'Error';
}

/** `{stack, raised}` of an answer. `position`: where the code waited last. Errors of tasks have no frame of the app. */
function failureOf(error, position) {
  const raised = { ...describe(error), message: errorText(error), names_type: false };
  const waited = /^(.*):(\d+) in /.exec(position ?? '');
  if (raised.file === undefined && waited !== null) {
    Object.assign(raised, { file: waited[1], line: Number(waited[2]) });
  }
  if (raised.message === NO_GENERATOR) {
    raised.hint = USE_GENERATOR;
  }
  return { stack: raised.stack, raised };
}

module.exports = { errorText, failureOf };
