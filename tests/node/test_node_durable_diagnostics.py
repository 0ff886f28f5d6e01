"""What the log of a real host says about durable Node.js code that goes wrong."""

import os
import signal
from typing import Any

import pytest
from durable_world import finished, raise_event, wait_custom_status
from host_process import HostProcess
from node_durable_hosts import start_node_instance

pytestmark = pytest.mark.process

FILE = "src/functions/app.js"
WAITING = """
const df = require('durable-functions');
df.app.activity('first', { handler: () => 1 });
df.app.activity('second', { handler: () => 2 });
df.app.orchestration('main', function* (context) {
  const id = yield context.df.callActivity('first');
  context.df.setCustomStatus('waiting');
  return [id, yield context.df.waitForExternalEvent('Go')];
});
"""
CRASHING = """
const df = require('durable-functions');
df.app.activity('crash', { handler: () => process.exit(3) });
df.app.orchestration('main', function* (context) {
  return yield context.df.callActivity('crash');
});
df.app.orchestration('blocks', function* (context) {
  yield context.df.callActivity('none');
});
"""


def test_changed_code_is_named_with_its_line(start_node_host: Any) -> None:
    host: HostProcess = start_node_host({FILE: WAITING})
    instance_id = start_node_instance(host, "main")
    wait_custom_status(host, instance_id, "waiting")
    assert host.stop() == 0
    (host.root / FILE).write_text(WAITING.replace("callActivity('first')", "callActivity('second')"), "utf-8")
    host.start()
    raise_event(host, instance_id, "Go", 1)
    status = finished(host, instance_id, "Failed")
    assert "Non-Deterministic workflow detected" in status["output"]
    host.wait_for("DH6101")
    line = next(number for number, text in enumerate(WAITING.splitlines(), 1) if "callActivity('first')" in text)
    host.wait_for(rf"{FILE}:{line} in main")


def test_reload_in_the_middle_continues_with_the_new_code(start_node_host: Any) -> None:
    host: HostProcess = start_node_host({FILE: WAITING})
    instance_id = start_node_instance(host, "main")
    wait_custom_status(host, instance_id, "waiting")
    (host.root / FILE).write_text(WAITING.replace("return [id,", "return ['new',"), "utf-8")
    host.wait_for("reloaded|Reloaded")
    raise_event(host, instance_id, "Go", 1)
    assert finished(host, instance_id)["output"] == ["new", 1]


def test_activity_that_ends_its_worker_fails_after_three_tries(start_node_host: Any) -> None:
    host: HostProcess = start_node_host({FILE: CRASHING})
    status = finished(host, start_node_instance(host, "main"), "Failed", 60)
    assert "crash" in status["output"]
    assert "three times" in status["output"] or "3 times" in status["output"]
    missing = finished(host, start_node_instance(host, "blocks"), "Failed")
    assert "The function 'none' doesn't exist" in missing["output"]


def test_a_worker_that_dies_between_episodes_loses_nothing(start_node_host: Any) -> None:
    pid = "require('@azure/functions').app.http('pid', { handler: () => ({ jsonBody: process.pid }) });"
    host: HostProcess = start_node_host({FILE: WAITING, "src/functions/pid.js": pid})
    instance_id = start_node_instance(host, "main")
    wait_custom_status(host, instance_id, "waiting")
    os.kill(host.get("/api/pid").json(), signal.SIGKILL)
    raise_event(host, instance_id, "Go", {"a": 1})
    assert finished(host, instance_id)["output"] == [1, {"a": 1}]
