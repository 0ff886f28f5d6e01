// What user code prints becomes console records. Descriptors 1 and 2, where child processes and native code write, go
// to the host as they are.
'use strict';

const scope = require('./scope');

const LONGEST_LINE = 64 * 1024;

/** Cuts written text into lines. */
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

/** Capture `process.stdout` and `process.stderr`. `seen(text)` gets each line; returns what sends unfinished ones. */
function capture(channel, seen) {
  const streams = ['stdout', 'stderr'].map((name) => {
    const lines = new Lines((text) => {
      seen(text);
      channel.send({ k: 'console', s: name, t: text, ...scope.fields() });
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
