"""The watchdog reports each problem once, and again if it comes back."""

from durable_host.clock import SystemClock
from durable_host.durable.runtime.diagnostics import ABNORMALLY_LONG, Diagnostics
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.runtime.session_watchdog import SessionWatchdog


def test_long_running_and_long_waiting_instances_are_reported_once() -> None:
    running, waiting, idle = InstanceSession("running"), InstanceSession("waiting"), InstanceSession("idle")
    for session in (running, waiting):
        session.is_scheduled, session.since = True, 100.0
    running.is_running = True
    diagnostics = Diagnostics()
    watchdog = SessionWatchdog(lambda: [running, waiting, idle], SystemClock(), diagnostics, limit=60.0)
    watchdog.look(150.0)
    assert diagnostics.recent() == []
    watchdog.look(161.0)
    watchdog.look(175.0)
    assert [(one.code, one.instance_id) for one in diagnostics.recent()] == [
        (ABNORMALLY_LONG, "running"),
        (ABNORMALLY_LONG, "waiting"),
    ]
    running.since = 180.0
    watchdog.look(185.0)
    watchdog.look(250.0)
    assert [one.instance_id for one in diagnostics.recent()] == ["running", "waiting", "running"]
