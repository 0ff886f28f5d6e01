// The debugger of Node.js: opened when the host asks for it. Node.js itself prints where it listens.
'use strict';

const inspector = require('inspector');

const PORT_FREE_WITHIN_MILLISECONDS = 30_000;
const PORT_CHECK_MILLISECONDS = 250;

/** Listen on `host` and `port`; with `wait` return when a debugger has attached. False when the port is taken. */
function openDebugPort({ host, port, wait }) {
  if (inspector.url() === undefined) {
    inspector.open(port, host);
  }
  if (inspector.url() === undefined) {
    return false;
  }
  if (wait) {
    inspector.waitForDebugger();
  }
  return true;
}

/** Listen once the debugger of the process before this one has let the port go; report when it never does. */
function openWhenFree(address, logs) {
  const deadline = Date.now() + PORT_FREE_WITHIN_MILLISECONDS;
  const attempt = () => {
    if (openDebugPort({ ...address, wait: false })) {
      return;
    }
    if (Date.now() < deadline) {
      setTimeout(attempt, PORT_CHECK_MILLISECONDS).unref();
    } else {
      logs.report('warning', `The debugger cannot listen: ${address.host}:${address.port} is in use`);
    }
  };
  attempt();
}

/** Stop listening: after a look from outside. */
function closeDebugPort() {
  inspector.close();
}

module.exports = { closeDebugPort, openDebugPort, openWhenFree };
