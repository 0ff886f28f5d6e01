"""How long the host of a live app lets a test wait, with a server that works as long as the test says."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from durable_host.testing import app_operations
from durable_host.testing.app_operations import AppOperations
from durable_host.testing.kit_patience import SETTING, StillBusy
from durable_host.testing.live import live_control, quiescence
from durable_host.testing.live.live_control import LiveApp
from durable_host.testing.live.shifted_clock import ShiftedClock
from durable_host.testing.view_reader import ViewReader

pytestmark = pytest.mark.unit

LOOKS = 5


class Server:
    """Stands in for a host in which a function runs, unless `running` is 0. A settle looks at it repeatedly."""

    def __init__(self) -> None:
        self.app = SimpleNamespace(config=SimpleNamespace(settings={SETTING: "0.001"}))
        self.durable = SimpleNamespace(services=None)
        self.pool = SimpleNamespace(is_busy=False, running_calls=0)
        self.invoker = self
        self.takes_events = False
        self.calls = 1
        self.ended = 0
        self.looks = 0
        self.looked = asyncio.Event()

    @property
    def running(self) -> int:
        self.looks += 1
        if self.looks == LOOKS:
            self.looked.set()
        return self.calls


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def app(server: Any) -> LiveApp:
    return LiveApp(server, ShiftedClock())


async def test_after_a_wait_without_an_end_the_app_is_read_at_once_until_it_comes_to_rest(
    app: LiveApp, server: Server
) -> None:
    for _ in range(2):
        with pytest.raises(StillBusy):
            await app.settle_to_read()
        await app.settle_to_read()
        server.calls = 0
        await app.settle_to_read()
        server.calls = 1


async def test_after_a_call_without_an_end_the_app_is_read_at_once(app: LiveApp) -> None:
    with pytest.raises(StillBusy, match=r"It has not ended within 0\.001 s"):
        async with app.limit("It"):
            await asyncio.Event().wait()
    await app.settle_to_read()


async def test_after_a_request_without_an_end_the_app_is_read_at_once(app: LiveApp) -> None:
    await app.note_stuck()
    await app.settle_to_read()


async def test_a_step_waits_a_moment_for_what_a_test_has_seen_and_the_whole_time_for_anything_else(
    app: LiveApp, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiescence, "MOMENT", 0.001)
    with pytest.raises(StillBusy):
        await app.settle()
    server.app.config.settings[SETTING] = "1000"
    await app.adapt_waits(0, False)
    with pytest.raises(StillBusy):
        await app.settle()
    server.ended += 1
    server.looks = 0
    server.looked.clear()
    settling = asyncio.create_task(app.settle())
    await server.looked.wait()
    assert not settling.done()
    server.calls = 0
    await settling


async def test_a_report_waits_a_moment_even_if_that_is_the_patience_of_a_test(
    app: LiveApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_control, "MOMENT", 0.001)
    await app.read_at_once(True)
    await app.settle_to_read()
    await app.read_at_once(False)
    with pytest.raises(StillBusy):
        await app.settle_to_read()


async def test_with_a_debugger_nothing_has_a_limit(app: LiveApp, server: Server) -> None:
    await app.adapt_waits(0, True)
    settling = asyncio.create_task(app.settle())
    async with app.limit("It"):
        await server.looked.wait()
    assert not settling.done()
    server.calls = 0
    await settling
    server.calls = 1
    await app.adapt_waits(0, False)
    with pytest.raises(StillBusy):
        await app.settle()


class Steps:
    """An app that notes what a call does."""

    served = None

    def __init__(self) -> None:
        self.taken: list[str] = []

    def limit(self, what: str) -> AbstractAsyncContextManager[None]:
        self.taken.append(what)
        return nullcontext()

    async def settle(self) -> None:
        self.taken.append("settles")


async def test_what_follows_a_call_has_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    app: Any = Steps()

    async def run(*_: object) -> Any:
        app.taken.append("runs")
        return SimpleNamespace(return_value=None)

    monkeypatch.setattr(app_operations, "run_function", run)
    await AppOperations(app, ViewReader()).call("work", "")
    assert app.taken == ["The function 'work'", "runs", "settles"]


async def test_nothing_is_waited_for_after_a_call_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    app: Any = Steps()

    async def run(*_: object) -> Any:
        raise StillBusy

    monkeypatch.setattr(app_operations, "run_function", run)
    with pytest.raises(StillBusy):
        await AppOperations(app, ViewReader()).call("work", "")
    assert app.taken == ["The function 'work'"]
