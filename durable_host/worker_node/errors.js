// Describes an error of user code: its message, and a stack that shows the user's frames.
'use strict';

const path = require('path');
const { fileURLToPath } = require('url');
const { types } = require('util');

const WORKER_FOLDER = __dirname + path.sep;
const FRAME = /^\s+at /;
const PLACE = /(?:\(|at (?:async )?)((?:file:\/\/)?[^()\s][^()]*?):(\d+)(?::(\d+))?\)?$/;
const LIBRARIES = /[\\/]node_modules[\\/]/;
const SDK_FILE = /[\\/]node_modules[\\/](?:@azure[\\/]functions|durable-functions)[\\/]/;
const LONGEST_CHAIN = 10;

/** Create an error of the worker that is not about user code. The library checks for the mark. */
function systemError(message, Kind = Error) {
  return Object.assign(new Kind(message), { isAzureFunctionsSystemError: true });
}

function isError(value) {
  return types.isNativeError(value) || value instanceof Error;
}

/** Turn any thrown value into an Error. Values that are not Errors have no stack. */
function toError(thrown) {
  if (isError(thrown)) {
    return thrown;
  }
  let message = 'Unknown error';
  if (typeof thrown === 'string') {
    message = thrown;
  } else if (typeof thrown === 'object' && thrown !== null) {
    try {
      message = JSON.stringify(thrown);
    } catch {
      message = String(thrown);
    }
  }
  const error = new Error(message);
  error.stack = '';
  return error;
}

/** Fields of a `failed` frame: type, message (without the type), stack; file and line of the user's code if known. */
function describe(thrown) {
  const error = toError(thrown);
  const place = placeOf(error);
  return {
    type: typeof error.name === 'string' && error.name ? error.name : 'Error',
    message: withoutWorkerFiles(textOf(error.message)),
    stack: stackOf(error),
    users: place !== undefined,
    ...(place === undefined ? {} : { file: place.file, line: place.line }),
  };
}

function textOf(message) {
  try {
    return String(message ?? '');
  } catch {
    return '';
  }
}

/** The stack with its causes, without frames of worker and library at the end. */
function stackOf(error, depth = 0) {
  const own = typeof error.stack === 'string' ? cutEnd(error.stack) : '';
  if (own === '' || depth > LONGEST_CHAIN) {
    return own;
  }
  const parts = [own];
  if (error.cause !== undefined && error.cause !== null) {
    parts.push(`[cause]: ${isError(error.cause) ? stackOf(error.cause, depth + 1) : inspected(error.cause)}`);
  }
  if (Array.isArray(error.errors)) {
    for (const one of error.errors.slice(0, LONGEST_CHAIN)) {
      parts.push(`[error]: ${isError(one) ? stackOf(one, depth + 1) : inspected(one)}`);
    }
  }
  return parts.join('\n').replace(/\n(?=\[(?:cause|error)\]: )/g, '\n  ');
}

function inspected(value) {
  return require('util').inspect(value);
}

/** Remove the worker's files from the require stack of a missing module. */
function withoutWorkerFiles(text) {
  return text.includes(`\n- ${WORKER_FOLDER}`)
    ? text
        .split('\n')
        .filter((line) => !line.startsWith(`- ${WORKER_FOLDER}`))
        .join('\n')
    : text;
}

/** Whether a printed line is a frame of the worker. */
function isWorkerFrame(line) {
  return line.includes(WORKER_FOLDER) && fileOf(line)?.file.startsWith(WORKER_FOLDER);
}

/** Remove frames of the worker from a text that contains a stack. */
function withoutWorkerFrames(text) {
  return text.includes(WORKER_FOLDER)
    ? text
        .split('\n')
        .filter((line) => !isWorkerFrame(line))
        .join('\n')
    : text;
}

/** Remove frames of the worker, and frames of the library at the end. */
function cutEnd(stack) {
  const lines = withoutWorkerFrames(withoutWorkerFiles(stack)).split('\n');
  while (lines.length > 1 && FRAME.test(lines[lines.length - 1]) && isInternal(lines[lines.length - 1])) {
    lines.pop();
  }
  return lines.join('\n');
}

function isInternal(line) {
  const file = fileOf(line)?.file;
  return file === undefined
    ? /\bnode:|\(<anonymous>\)$|\(native\)$/.test(line)
    : file.startsWith('node:') || SDK_FILE.test(file);
}

/** `{file, line}` in a line of a stack. */
function fileOf(line) {
  const found = FRAME.test(line) ? PLACE.exec(line) : null;
  if (found === null) {
    return undefined;
  }
  let file = found[1];
  if (file.startsWith('file://')) {
    try {
      file = fileURLToPath(file);
    } catch {
      return undefined;
    }
  }
  return { file, line: Number(found[2]) };
}

function isUsers(file) {
  return path.isAbsolute(file) && !file.startsWith(WORKER_FOLDER) && !LIBRARIES.test(file);
}

/** `{file, line}` of the user's innermost frame. */
function placeOf(error) {
  for (const line of String(error.stack ?? '').split('\n')) {
    const place = fileOf(line);
    if (place !== undefined && isUsers(place.file)) {
      return place;
    }
  }
  return undefined;
}

/** `{file, line}` of a syntax error, whose stack starts with them. */
function placeOfSyntaxError(error) {
  const first = String(error.stack ?? '').split('\n', 1)[0];
  const found = /^((?:file:\/\/)?.+?):(\d+)$/.exec(first);
  if (found === null) {
    return undefined;
  }
  const file = found[1].startsWith('file://') ? fileURLToPath(found[1]) : found[1];
  return path.isAbsolute(file) ? { file, line: Number(found[2]) } : undefined;
}

/** Where the user's code called the worker: the first frame of the app. */
function callerInApp() {
  const holder = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  Error.captureStackTrace(holder, callerInApp);
  Error.stackTraceLimit = limit;
  return placeOf(holder);
}

module.exports = {
  callerInApp,
  describe,
  isError,
  isUsers,
  isWorkerFrame,
  placeOf,
  placeOfSyntaxError,
  stackOf,
  systemError,
  toError,
  withoutWorkerFrames,
};
