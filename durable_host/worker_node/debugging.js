// Opens the debugger of Node.js at the host's request. Node.js itself prints the address.
'use strict';

const inspector = require('inspector');

const PORT_FREE_WITHIN_MILLISECONDS = 30_000;
const PORT_CHECK_MILLISECONDS = 250;

/** Listen on `host` and `port`. With `wait`, return after a debugger has attached. False if the port is in use. */
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

/** Listen after the previous process has released the debugger's port. Logs a warning if it is not released. */
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

/** Stop listening, after the host has inspected the process. */
function closeDebugPort() {
  inspector.close();
}

module.exports = { closeDebugPort, openDebugPort, openWhenFree };
