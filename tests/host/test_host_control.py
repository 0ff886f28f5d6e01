"""Drain, resume, offline and reload with failures in the middle: the status shows them, and a retry helps."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from durable_host.config import HostConfig, StartOptions, load
from durable_host.config.overrides import Overrides
from durable_host.errors import HostError
from durable_host.host.app_switch import AppSwitch
from durable_host.host.control import Control
from durable_host.host.reload import Reloader
from durable_host.host.served_app import ServedApp
from durable_host.host.worker_start import worker_options
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.workers import Workers
from durable_host.web.admin_host import HostState

STORAGE = HostError("Azurite does not start.", cause="The port is taken.", remedy="Free it.")
TOLD = "Azurite does not start.\nThe port is taken.\nFree it."


class Server(AppSwitch):
    """Serves an app without functions. `prepare` and `update_durable` fail with what is in `failures`."""

    def __init__(self, config: HostConfig, pool: WorkerPool) -> None:
        super().__init__(config, StartOptions(), pool, lambda error: None)
        self.failures: dict[str, list[Exception]] = {"prepare": [], "update_durable": []}
        self.listens = False
        self.front = cast("Any", SimpleNamespace(offline_page=None, adopt=lambda *_, **__: None))

    async def prepare(self, config: HostConfig, index: IndexResult) -> ServedApp:
        self._fail("prepare")
        return await super().prepare(config, index)

    async def update_durable(self) -> None:
        self._fail("update_durable")
        await super().update_durable()

    def update_listeners(self) -> None:
        super().update_listeners()
        self.listens = self.takes_events

    def _fail(self, method: str) -> None:
        if self.failures[method]:
            raise self.failures[method].pop(0)


class Host:
    """A server, its control and its reloader, without web endpoint and worker process."""

    def __init__(self, root: Path) -> None:
        config = self._config = load(root, environ={"FUNCTIONS_WORKER_RUNTIME": "python"}, overrides=Overrides(port=0))
        self.pool = WorkerPool(worker_options(config, StartOptions()))
        self.server = Server(config, self.pool)
        self.state = HostState(host_id="test", state="Running")
        self.reloader = Reloader(self.server, config)
        self.control = Control(self.server, self.state, self.reloader.request)

    async def start(self) -> None:
        self.server.switch_to(await self.server.prepare(self._config, IndexResult()))
        await self.server.start_events()

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    @property
    def status(self) -> tuple[str, list[str]]:
        return self.state.state, self.state.errors


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    host = Host(tmp_path)
    await host.start()
    yield host
    await host.control.stop()
    await host.reloader.stop()
    await host.pool.stop(0)


async def drained(host: Host) -> None:
    host.control.drain()
    await host.until(lambda: not host.server.listens)


async def test_a_resume_that_cannot_prepare_is_reported_and_can_be_tried_again(host: Host) -> None:
    await drained(host)
    host.server.failures["prepare"] = [STORAGE, ZeroDivisionError("a mistake of the host")]
    for told in (TOLD, "ZeroDivisionError: a mistake of the host"):
        host.control.resume()
        await host.until(lambda told=told: host.status == ("Error", [told]))
        assert not host.server.listens
        assert host.control.drain_status()[0] == "Completed"
    host.control.resume()
    await host.until(lambda: host.server.listens)
    await host.until(lambda: host.status == ("Running", []))
    assert host.control.drain_status()[0] == "Disabled"


async def test_listeners_run_when_only_durable_functions_do_not_come_up(host: Host) -> None:
    await drained(host)
    host.server.failures["update_durable"] = [STORAGE]
    host.control.resume()
    await host.until(lambda: host.status == ("Error", [TOLD]))
    assert host.server.listens
    host.control.resume()
    await host.until(lambda: host.status == ("Running", []))


async def test_an_app_that_cannot_come_on_line_says_so_and_resume_tries_again(host: Host) -> None:
    host.control.set_offline(True)
    await host.until(lambda: not host.server.listens)
    assert host.status == ("Offline", [])
    host.server.failures["prepare"] = [STORAGE]
    host.control.set_offline(False)
    await host.until(lambda: host.status == ("Error", [TOLD]))
    assert not host.server.listens
    host.control.resume()
    await host.until(lambda: host.status == ("Running", []))
    assert host.server.listens


async def test_resume_of_an_app_that_is_off_line_leaves_it_off_line(host: Host) -> None:
    await drained(host)
    host.control.set_offline(True)
    host.control.resume()
    await host.until(lambda: host.control.drain_status()[0] == "Disabled")
    assert (host.state.state, host.server.listens) == ("Offline", False)
    host.control.set_offline(False)
    await host.until(lambda: host.server.listens)


def reloads(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the reloader load an app without functions, without a worker process."""

    async def prepare(*_: object) -> Workers:
        return Workers(worker_options(host.server.app.config, StartOptions()), lambda: None)

    monkeypatch.setattr(host.pool, "prepare", prepare)
    host.reloader.start(host.control.check_offline, host.control.show_state)


async def test_a_reload_puts_right_what_a_resume_could_not_do(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    reloads(host, monkeypatch)
    await drained(host)
    host.server.failures["prepare"] = [STORAGE]
    host.control.resume()
    await host.until(lambda: host.state.state == "Error")
    host.control.restart()
    await host.until(lambda: host.status == ("Running", []))
    assert host.server.listens


@pytest.mark.parametrize("error", [STORAGE, ZeroDivisionError("a mistake of the host")])
async def test_a_reload_that_fails_after_the_app_was_taken_over_still_listens(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    reloads(host, monkeypatch)
    before = host.server.app
    host.server.listens = False
    host.server.failures["update_durable"] = [error]
    host.control.restart()
    await host.until(lambda: host.state.state == "Error")
    assert host.server.listens
    assert host.server.app is not before
    assert "The changed app runs without it." in caplog.text
    assert "as it was before" not in caplog.text
    host.control.resume()
    await host.until(lambda: host.status == ("Running", []))


async def test_a_reload_that_cannot_prepare_leaves_the_app_as_it_was(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reloads(host, monkeypatch)
    before = host.server.app
    host.server.failures["prepare"] = [STORAGE]
    host.control.restart()
    await host.until(lambda: "The app continues without the change." in caplog.text)
    assert host.server.app is before
    assert (host.server.listens, host.status) == (True, ("Running", []))
