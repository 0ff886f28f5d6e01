// The worker process from its first frame to its exit.
'use strict';

const { App } = require('./app');
const { CallDispatcher } = require('./dispatcher');
const { PipeChannel } = require('./channel');
const { Logs } = require('./logs');
const { capture } = require('./console');
const { stackOf, toError } = require('./errors');

const GRACE_WITHOUT_HOST = 2;
const APP_TERMINATE_SECONDS = 2;
const CRASHED = 1;
const TEST_MODE = '"@azure/functions" package is in test mode';
const LEARN_MORE = 'https://go.microsoft.com/fwlink/?linkid=2097909 ';

function run() {
  new AppWorker(new PipeChannel()).serve();
}

class AppWorker {
  constructor(channel) {
    this._channel = channel;
    this._logs = new Logs(channel);
    this._isTestMode = false;
    this._finishConsole = capture(channel, (line) => {
      this._isTestMode ||= line.includes(TEST_MODE);
    });
    this._app = undefined;
    this._dispatcher = undefined;
    this._early = [];
    this._isStopping = false;
  }

  serve() {
    process.on('uncaughtException', (thrown) => this._crash(thrown));
    process.on('exit', () => this._finishConsole());
    for (const signal of ['SIGINT', 'SIGTERM']) {
      process.on(signal, ignore); // The host handles it and stops the worker through the pipe.
    }
    this._channel.listen(
      ({ header, blob }) => this._received(header, blob),
      () => this._stop(GRACE_WITHOUT_HOST, endGroup)
    );
  }

  _received(header, blob) {
    if (header.k === 'start') {
      this._load(header).catch((error) => this._crash(error));
    } else if (header.k === 'stop') {
      this._stop(Number(header.grace));
    } else if (header.k === 'debug') {
      require('./debugging').openWhenFree(header, this._logs);
    } else if (header.k === 'undebug') {
      require('./debugging').closeDebugPort();
    } else if (this._dispatcher === undefined) {
      this._early.push([header, blob]);
    } else {
      this._dispatcher.handle(header, blob);
    }
  }

  async _load(start) {
    process.chdir(start.root);
    this._logs.minimumLevel = start.level ?? 0;
    this._app = new App(start.root, this._logs, () => this._isTestMode);
    const indexed = await this._app.load(start);
    this._dispatcher = new CallDispatcher(this._app, this._channel);
    this._channel.send(indexed);
    this._early.splice(0).forEach(([header, blob]) => this._dispatcher.handle(header, blob));
  }

  /** Let calls finish, then end the process even if user code does not. */
  async _stop(grace, end = () => process.exit(0)) {
    if (this._isStopping) {
      return;
    }
    this._isStopping = true;
    const latest = setTimeout(end, (grace + APP_TERMINATE_SECONDS + 0.5) * 1000);
    latest.unref();
    await this._dispatcher?.waitIdle(grace);
    await this._app?.end(APP_TERMINATE_SECONDS);
    end();
  }

  _crash(thrown) {
    const error = toError(thrown);
    const text = stackOf(error) || error.message;
    this._logs.report('error', `Worker uncaught exception (learn more: ${LEARN_MORE}): ${text}`);
    this._finishConsole();
    process.exit(CRASHED);
  }
}

function ignore() {}

/** End the process and the processes that user code started in its group. */
function endGroup() {
  process.exitCode = 0;
  process.on('exit', () => {
    try {
      process.kill(-process.pid, 'SIGKILL');
    } catch {
      // The process is not a group leader.
    }
  });
  process.exit(0);
}

module.exports = { run };
