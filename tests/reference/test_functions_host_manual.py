"""What the real Functions host answers to a run by hand. Each test names its row of the reference page
`functions-host`.
"""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from admin_world import World, http_function, running_world

from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.storage.blobs import BlobService
from durable_host.triggers.timer.schedule import parse_schedule
from durable_host.triggers.timer.trigger import stored_info
from durable_host.triggers.timer.zone import UTC_ZONE


def function_of(trigger: str, name: str, **properties: Any) -> FunctionMetadata:
    return FunctionMetadata(name=name, bindings=(Binding("arg", trigger, "in", properties),), entry_point=name)


TIMER = function_of("timerTrigger", "tick", schedule="0 0 0 1 1 *")
FUNCTIONS = (
    function_of("activityTrigger", "act"),
    function_of("orchestrationTrigger", "orchestrate"),
    function_of("entityTrigger", "counter"),
    http_function("hello"),
    TIMER,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(tmp_path, FUNCTIONS) as world:
        yield world


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"input": {"a": 1}}', 400),
        ('{"input": [1]}', 400),
        ('{"input": true}', 400),
        ('{"input": "text"}', 202),
        ('{"input": 5}', 202),
        ('{"input": null}', 202),
        ("{}", 202),
        ("{", 400),
        ("[]", 400),
    ],
)
async def test_the_input_is_a_text_or_a_number(world: World, body: str, status: int) -> None:
    """functions-host 23: the input is a text or a number"""
    headers = {"Content-Type": "application/json"}
    assert await world.status("POST", "/admin/functions/act", data=body, headers=headers) == status


@pytest.mark.parametrize(("given", "received"), [("5", "5"), ("1.50", "1.50"), ('"a b"', "a b"), ("null", "")])
async def test_a_number_arrives_as_it_was_written(world: World, given: str, received: str) -> None:
    """functions-host 23: a number arrives as it was written"""
    headers = {"Content-Type": "application/json"}
    body = f'{{"input": {given}}}'
    assert await world.status("POST", "/admin/functions/act?wait=true", data=body, headers=headers) == 200
    assert world.calls.inputs() == [received]


@pytest.mark.parametrize("name", ["orchestrate", "counter"])
async def test_an_orchestration_is_accepted_and_the_log_says_that_it_does_not_run(
    world: World, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """functions-host 23: an orchestration is accepted and the log says that it does not run"""
    with caplog.at_level(logging.ERROR):
        assert await world.status("POST", f"/admin/functions/{name}", json={"input": "x"}) == 202
    assert world.calls.calls == []
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("DH5032")
    assert name in line


@pytest.mark.differs("manual-runs")
async def test_an_empty_body_is_accepted_here(world: World) -> None:
    """functions-host 23: stays different, the real host answers 400"""
    assert await world.status("POST", "/admin/functions/act") == 202


class StoredStatus:
    """A blob service that has the status of one timer."""

    def __init__(self, content: bytes | None) -> None:
        self._content = content

    async def get(self, container: str, name: str) -> Any:
        assert (container, name) == ("azure-webjobs-hosts", "timers/host/Host.Functions.tick/status")
        return None if self._content is None else type("Blob", (), {"data": self._content})()


@pytest.mark.parametrize(
    ("stored", "status"),
    [
        (
            {
                "Last": "2024-05-01T00:00:00+00:00",
                "Next": "2025-01-01T00:00:00+00:00",
                "LastUpdated": "2024-05-01T00:00:00+00:00",
            },
            {
                "Last": "2024-05-01T00:00:00+00:00",
                "Next": "2025-01-01T00:00:00+00:00",
                "LastUpdated": "2024-05-01T00:00:00+00:00",
            },
        ),
        (None, None),
    ],
)
async def test_a_timer_that_is_run_by_hand_gets_the_stored_status(
    stored: dict[str, str] | None, status: dict[str, str] | None
) -> None:
    """functions-host 23: a timer that is run by hand gets the stored status"""
    service = StoredStatus(None if stored is None else json.dumps(stored).encode())
    schedule = parse_schedule("0 0 0 1 1 *", UTC_ZONE)
    info = json.loads(await stored_info(TIMER, schedule, UTC_ZONE, cast("BlobService", service), "host"))
    assert info["ScheduleStatus"] == status
    assert info["IsPastDue"] is False


async def test_a_timer_without_a_monitor_has_no_stored_status() -> None:
    """functions-host 23: a timer without a monitor has no stored status"""
    timer = function_of("timerTrigger", "tick", schedule="0 0 0 1 1 *", useMonitor=False)
    schedule = parse_schedule("0 0 0 1 1 *", UTC_ZONE)
    service = cast("BlobService", StoredStatus(b"{}"))
    assert json.loads(await stored_info(timer, schedule, UTC_ZONE, service, "host"))["ScheduleStatus"] is None
