"""What the admin routes can do to the running host: restart, drain, resume, go off line.

Source: spec/functions-host.md, sections 2.10 and 7.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from durable_host.host.app_server import AppServer
from durable_host.host.files import OFFLINE_FILE
from durable_host.web.admin_host import HostState

_log = logging.getLogger("Host.Startup")

OFFLINE_PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>Off line</title></head><body>The function app is off line.</body></html>
"""


class Control:
    """Implements `web.admin_host.HostControl`. Owns what goes on in the background. `reload` takes the reason."""

    def __init__(self, server: AppServer, state: HostState, reload: Callable[[str], None]) -> None:
        self._server = server
        self._state = state
        self._reload = reload
        self._is_draining = False
        self._is_offline = False
        self._work: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    def restart(self) -> None:
        self._reload("The host was asked to restart")

    def drain(self) -> None:
        if not self._is_draining:
            self._is_draining = True
            self._decide()
            self._server.options.presenter.progress("The host takes no more events; what runs goes on.")
            self._spawn(self._pause())

    def resume(self) -> None:
        if self._is_draining:
            self._is_draining = False
            self._decide()
            self._server.options.presenter.progress("The host takes events again.")
            self._spawn(self._go_on())

    def drain_status(self) -> tuple[str, int, int]:
        running, waiting = self._server.invoker.running, self._server.invoker.waiting
        if not self._is_draining:
            return "Disabled", running, waiting
        return ("InProgress" if running or waiting else "Completed"), running, waiting

    def is_offline(self) -> bool:
        return self._is_offline

    def set_offline(self, offline: bool) -> None:
        if offline:
            self._file.write_text(OFFLINE_PAGE, "utf-8")
        else:
            self._file.unlink(missing_ok=True)
        self.check_offline()

    def check_offline(self) -> None:
        """The file in the app's folder decides."""
        try:
            page: bytes | None = self._file.read_bytes()
        except OSError:
            page = None
        self._server.front.offline_page = page
        offline = page is not None
        if offline == self._is_offline:
            return
        self._is_offline = offline
        self._decide()
        self._state.state = "Offline" if offline else "Running"
        text = f"{OFFLINE_FILE} is there: the app is off line." if offline else "The app is on line again."
        self._server.options.presenter.progress(text)
        self._spawn(self._pause() if offline else self._go_on())

    async def stop(self) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    @property
    def _file(self) -> Path:
        return self._server.app.config.root / OFFLINE_FILE

    def _decide(self) -> None:
        self._server.takes_events = not self._is_draining and not self._is_offline

    async def _pause(self) -> None:
        async with self._turn:
            if not self._server.takes_events:
                self._server.listen()
                await self._server.durable.pause()

    async def _go_on(self) -> None:
        async with self._turn:
            if self._server.takes_events:
                app = self._server.app
                await self._server.durable.end()
                self._server.take_over(await self._server.prepare(app.config, app.index))
                await self._server.serve_durable()
                self._server.listen()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("The host could not do what it was asked for: %s", error)
