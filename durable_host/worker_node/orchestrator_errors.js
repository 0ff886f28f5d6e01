// Describes an orchestrator's error: text, stack, place and likely cause.
'use strict';

const { describe, isError, toError } = require('./errors');

/** Part of a message, and the likely cause. */
const LIKELY_CAUSES = [
  [
    'this.generator.next is not a function',
    "The orchestrator is not a generator function: write 'function*' and 'yield' instead of 'async' and 'await'.",
  ],
  [
    'isDate) is not a function',
    'This version of durable-functions does not run on Node.js 23 and later: update it, or use Node.js 22.',
  ],
];
const ASYNC_GENERATOR = "The orchestrator is an async generator: remove 'async', and write 'yield' instead of 'await'.";

/** The `error` of the answer. The package omits it for errors without a text, so the instance would hang. */
function errorText(error) {
  if (isError(error)) {
    return String(error.message) || error.name || 'Error';
  }
  const message = error !== null && typeof error === 'object' ? error.message : undefined;
  return (typeof message === 'string' && message) || toError(error).message || 'Error';
}

/**
 * `{stack, raised}` of an answer. `position` is where the code last waited, because errors of tasks have no app frame.
 * `isAsync`: the code is an async generator.
 */
function failureOf(error, position, isAsync) {
  const raised = { ...describe(error), message: errorText(error), names_type: false };
  const waited = /^(.*):(\d+) in /.exec(position ?? '');
  if (raised.file === undefined && waited !== null) {
    Object.assign(raised, { file: waited[1], line: Number(waited[2]) });
  }
  const hint = isAsync ? ASYNC_GENERATOR : LIKELY_CAUSES.find(([part]) => raised.message.includes(part))?.[1];
  if (hint !== undefined) {
    raised.hint = hint;
  }
  return { stack: raised.stack, raised };
}

module.exports = { errorText, failureOf };
