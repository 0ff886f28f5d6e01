// Turns what user code prints into console records. Descriptors 1 and 2, to which child processes and native code
// write, are passed to the host unchanged.
'use strict';

const { isWorkerFrame } = require('./errors');
const scope = require('./scope');

const LONGEST_LINE = 64 * 1024;

/** Splits written text into lines. */
class Lines {
  constructor(emit) {
    this._emit = emit;
    this._rest = '';
  }

  write(text) {
    const lines = (this._rest + text).split('\n');
    this._rest = lines.pop();
    lines.forEach((line) => this._emit(line.endsWith('\r') ? line.slice(0, -1) : line));
    while (this._rest.length > LONGEST_LINE) {
      this._emit(this._rest.slice(0, LONGEST_LINE));
      this._rest = this._rest.slice(LONGEST_LINE);
    }
  }

  finish() {
    if (this._rest !== '') {
      this._emit(this._rest);
      this._rest = '';
    }
  }
}

/** Capture `process.stdout` and `process.stderr`. Calls `seen(text)` for each line. Returns a function that flushes. */
function capture(channel, seen) {
  const streams = ['stdout', 'stderr'].map((name) => {
    const lines = new Lines((text) => {
      seen(text);
      if (!isWorkerFrame(text)) {
        channel.send({ k: 'console', s: name, t: text, ...scope.fields() });
      }
    });
    process[name].write = (chunk, encoding, done) => {
      const callback = typeof encoding === 'function' ? encoding : done;
      const given = typeof encoding === 'string' ? encoding : 'utf8';
      lines.write(typeof chunk === 'string' ? Buffer.from(chunk, given).toString() : Buffer.from(chunk).toString());
      if (callback) {
        process.nextTick(callback);
      }
      return true;
    };
    return lines;
  });
  return () => streams.forEach((lines) => lines.finish());
}

module.exports = { capture };
