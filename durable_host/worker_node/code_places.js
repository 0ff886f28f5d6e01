// Where user code creates its tasks: `file:line in function`, as the host shows it.
'use strict';

const { placeOf } = require('./errors');

const MOST_FRAMES = 12;
const NAME = /^\s+at (?:async )?(.*?) \(/;
const known = new Map();

/** Capture the stack of the caller of `below`, for `textOfPlace`. It is formatted only when it is read. */
function stackAbove(below) {
  const holder = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = MOST_FRAMES;
  Error.captureStackTrace(holder, below);
  Error.stackTraceLimit = limit;
  return holder;
}

/**
 * The innermost frame of the app in a stack as a string, or undefined if there is none. Equal places share one string.
 * `functionName` is used for a function without a name.
 */
function textOfPlace(holder, functionName) {
  const place = placeOf(holder);
  if (place === undefined) {
    return undefined;
  }
  const line = holder.stack.split('\n').find((one) => one.includes(`:${place.line}:`));
  const name = NAME.exec(line ?? '')?.[1] ?? functionName;
  const text = `${place.file}:${place.line} in ${name === '<anonymous>' ? functionName : name}`;
  if (!known.has(text)) {
    known.set(text, text);
  }
  return known.get(text);
}

module.exports = { stackAbove, textOfPlace };
