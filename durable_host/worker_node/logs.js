// Sends log records of user code and of the worker to the host.
'use strict';

const { withoutWorkerFrames } = require('./errors');
const scope = require('./scope');

const LEVELS = { trace: 5, debug: 10, information: 20, warning: 30, error: 40, critical: 50, none: 100 };

class Logs {
  constructor(channel) {
    this._channel = channel;
    this.minimumLevel = 0;
    /** Inspects or changes a record before it is sent. Set by the hooks of the app. */
    this.beforeSending = undefined;
  }

  /** Send a record of category `user` or `system`. `owner` is its invocation, by default the running one. */
  write(level, category, message, owner = scope.current()) {
    let record = { level, category, message: String(message) };
    if (this.beforeSending !== undefined) {
      record = this.beforeSending(record, owner);
    }
    const number = LEVELS[record.level] ?? LEVELS.information;
    if (number < this.minimumLevel || number === LEVELS.none) {
      return;
    }
    if (record.category === 'user') {
      const named = owner === undefined ? 'Host.Function.Console' : `Function.${owner.f}.User`;
      const text = withoutWorkerFrames(record.message);
      this._channel.send({ k: 'log', l: number, c: named, t: text, ...scope.fields(owner) });
    } else {
      this._channel.send({ k: 'worker', l: number, t: record.message, ...scope.fields(owner) });
    }
  }

  /** Send a record of the worker itself. */
  report(level, message, owner) {
    this.write(level, 'system', message, owner);
  }
}

module.exports = { Logs };
