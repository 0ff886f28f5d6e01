// Log records of user code and of the worker on their way to the host.
'use strict';

const scope = require('./scope');

const LEVELS = { trace: 5, debug: 10, information: 20, warning: 30, error: 40, critical: 50, none: 100 };

class Logs {
  constructor(channel) {
    this._channel = channel;
    this.minimumLevel = 0;
    /** Changes a record, or looks at it, before it is sent: set by the hooks of the app. */
    this.beforeSending = undefined;
  }

  /** A record of category `user` or `system`; `owner` is the invocation it belongs to, else the running one. */
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
      this._channel.send({ k: 'log', l: number, c: named, t: record.message, ...scope.fields(owner) });
    } else {
      this._channel.send({ k: 'worker', l: number, t: record.message, ...scope.fields(owner) });
    }
  }

  /** A record of the worker itself. */
  report(level, message, owner) {
    this.write(level, 'system', message, owner);
  }
}

module.exports = { Logs };
