"""What the admin routes can do to the running host: restart, drain, resume, go off line.

Source: spec/functions-host.md, sections 2.10 and 7.
"""

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from durable_host.host.files import OFFLINE_FILE

if TYPE_CHECKING:
    from durable_host.host.services import Services

_log = logging.getLogger("Host.Startup")

OFFLINE_PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>Off line</title></head><body>The function app is off line.</body></html>
"""


class Control:
    """Implements `web.admin_host.HostControl`. Owns what goes on in the background."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._is_draining = False
        self._is_offline = False
        self._work: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    @property
    def takes_events(self) -> bool:
        return not self._is_draining and not self._is_offline

    def restart(self) -> None:
        self._services.reloader.request("The host was asked to restart")

    def drain(self) -> None:
        if not self._is_draining:
            self._is_draining = True
            self._services.options.presenter.progress("The host takes no more events; what runs goes on.")
            self._spawn(self._pause())

    def resume(self) -> None:
        if self._is_draining:
            self._is_draining = False
            self._services.options.presenter.progress("The host takes events again.")
            self._spawn(self._go_on())

    def drain_status(self) -> tuple[str, int, int]:
        running, waiting = self._services.invoker.running, self._services.invoker.waiting
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
        self._services.front.offline_page = page
        offline = page is not None
        if offline == self._is_offline:
            return
        self._is_offline = offline
        self._services.state.state = "Offline" if offline else "Running"
        text = f"{OFFLINE_FILE} is there: the app is off line." if offline else "The app is on line again."
        self._services.options.presenter.progress(text)
        self._spawn(self._pause() if offline else self._go_on())

    async def stop(self) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    @property
    def _file(self) -> Path:
        return self._services.app.config.root / OFFLINE_FILE

    async def _pause(self) -> None:
        async with self._turn:
            if not self.takes_events:
                self._services.listen()
                await self._services.durable.pause()

    async def _go_on(self) -> None:
        async with self._turn:
            if self.takes_events:
                app = self._services.app
                await self._services.durable.end()
                self._services.take_over(await self._services.prepare(app.config, app.index))
                await self._services.serve_durable()
                self._services.listen()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("The host could not do what it was asked for: %s", error)
