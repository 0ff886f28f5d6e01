"""Errors of the runtime itself: it restarts without losing anything, and reports it if that does not help."""

import asyncio
import logging
from typing import Any

import pytest
from runtime_world import App, Hosts, RecordingHub, runtime_options

from durable_host import supervision
from durable_host.clock import SystemClock
from durable_host.durable.runtime import storage_faults
from durable_host.durable.runtime.dispatcher import WorkItemDispatcher
from durable_host.durable.runtime.runtime import DurableRuntime, RuntimeFailed
from durable_host.durable.taskhub.port import ReceivedMessage, TaskHubUnavailable


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "SHORTEST_PAUSE", 0.0)


class Unreadable(RecordingHub):
    """Brings what is no message, so many times."""

    times = 0
    starts = 0

    async def start(self) -> None:
        self.starts += 1
        self._fail("start")
        await super().start()

    async def next_control_messages(self) -> list[ReceivedMessage]:
        messages: list[Any] = await super().next_control_messages()
        if self.times:
            self.times -= 1
            return [*messages, None]  # pyright: ignore[reportReturnType]
        return messages


async def test_a_runtime_that_fails_begins_anew_and_loses_nothing(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    hub = hosts.hub(Unreadable)
    hub.times = 2
    world = await hosts.start(app, hub=hub)
    await world.start("chain", "c", ["a", "b"])
    await world.start("fan_out", "f", 5)
    assert await world.output("c") == ["Hello a", "Hello b"]
    assert await world.output("f") == 5
    assert not hub.times
    told = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert told == ["The durable runtime failed and will restart in 0 s: AttributeError: 'NoneType' object has no "
                    "attribute 'message'"] * 2  # fmt: skip


async def test_storage_that_is_down_while_the_runtime_begins_anew_is_waited_for(
    app: App, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_faults, "_SHORTEST", 0.01)
    hub = hosts.hub(Unreadable)
    world = await hosts.start(app, hub=hub)
    hub.times, hub.faults = 1, {"start": [TaskHubUnavailable("down")]}
    await world.start("chain", "c", ["a"])
    assert await world.output("c") == ["Hello a"]
    assert hub.starts == 3


async def test_work_in_hand_when_the_runtime_fails_is_done_again(
    app: App, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, failures = WorkItemDispatcher._turn, [ZeroDivisionError("a slot fails")]

    async def fail_once(self: WorkItemDispatcher, *arguments: Any) -> None:
        if failures:
            raise failures.pop()
        await turn(self, *arguments)

    monkeypatch.setattr(WorkItemDispatcher, "_turn", fail_once)
    world = await hosts.start(app)
    await world.start("chain", "c", ["a"])
    assert await world.output("c") == ["Hello a"]


async def test_a_start_whose_serving_fails_raises(app: App, hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("no slots")

    monkeypatch.setattr(WorkItemDispatcher, "start_slots", fail)
    hub = hosts.hub(RecordingHub)
    runtime = DurableRuntime(hub, app.code(), runtime_options(), SystemClock())
    with pytest.raises(RuntimeFailed):
        await runtime.start()
    await hub.close()


async def test_a_runtime_that_fails_repeatedly_reports_its_end(app: App, hosts: Hosts) -> None:
    class Hopeless(RecordingHub):
        async def next_control_messages(self) -> list[Any]:
            return [None]

    hub, ended = hosts.hub(Hopeless), asyncio.Event()
    failures: list[RuntimeFailed] = []

    def failed(error: RuntimeFailed) -> None:
        failures.append(error)
        ended.set()

    runtime = DurableRuntime(hub, app.code(), runtime_options(), SystemClock(), on_failure=failed)
    await runtime.start()
    async with asyncio.timeout(60):
        await ended.wait()
    assert [str(error) for error in failures] == ["The durable runtime failed 5 times and is not restarted."]
    assert "AttributeError" in str(failures[0].cause)
    await runtime.stop()
    await hub.close()
