"""The watchdog reports each problem once, and again if it comes back."""

from typing import cast

import pytest

from durable_host.clock import SystemClock
from durable_host.durable.runtime.diagnostics import ABNORMALLY_LONG, Diagnostics
from durable_host.durable.runtime.lost_work import LostWork, WorkItemId
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.runtime.session_watchdog import SessionWatchdog
from durable_host.durable.user_code import UserCode, WorkItemAborted


def test_long_running_and_long_waiting_instances_are_reported_once() -> None:
    running, waiting, idle = InstanceSession("running"), InstanceSession("waiting"), InstanceSession("idle")
    for session in (running, waiting):
        session.is_scheduled, session.since = True, 100.0
    running.is_running = True
    diagnostics = Diagnostics()
    watchdog = SessionWatchdog(
        lambda: [running, waiting, idle], SystemClock(), diagnostics, is_in_code=lambda _: True, limit=60.0
    )
    watchdog.check(150.0)
    assert diagnostics.recent() == []
    watchdog.check(161.0)
    watchdog.check(175.0)
    assert [(one.code, one.instance_id) for one in diagnostics.recent()] == [
        (ABNORMALLY_LONG, "running"),
        (ABNORMALLY_LONG, "waiting"),
    ]
    running.since = 180.0
    watchdog.check(185.0)
    watchdog.check(250.0)
    assert [one.instance_id for one in diagnostics.recent()] == ["running", "waiting", "running"]


def test_a_work_item_that_waits_for_storage_is_not_blamed_on_the_code() -> None:
    in_code, in_storage = InstanceSession("in code"), InstanceSession("in storage")
    for session in (in_code, in_storage):
        session.is_scheduled, session.is_running, session.since = True, True, 100.0
    diagnostics = Diagnostics()
    watchdog = SessionWatchdog(
        lambda: [in_code, in_storage], SystemClock(), diagnostics, is_in_code={"in code"}.__contains__
    )
    watchdog.check(171.0)
    assert {one.instance_id: one.text for one in diagnostics.recent()} == {
        "in code": "its work item has been running for 71 s; an orchestrator must not block or compute for long.",
        "in storage": "its work item has been running for 71 s and waits for storage.",
    }


async def test_the_runtime_knows_which_instances_are_in_their_code() -> None:
    lost = LostWork(cast("UserCode", None), SystemClock(), Diagnostics())
    seen: list[bool] = []

    async def look(_: UserCode) -> None:
        seen.append(lost.is_in_code("one"))

    async def abort(_: UserCode) -> None:
        raise WorkItemAborted("the worker stops")

    await lost.run(WorkItemId("orchestrator", "flow", "one"), look)
    seen.append(lost.is_in_code("one"))
    await lost.run(WorkItemId("activity", "step", "one", task_id=0), look)
    with pytest.raises(WorkItemAborted):
        await lost.run(WorkItemId("entity", "counter", "one"), abort)
    seen.append(lost.is_in_code("one"))
    assert seen == [True, False, False, False]
