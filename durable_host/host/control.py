"""Operations of the admin routes on the running host: restart, drain, resume, go offline.

Source: docs/protocol/functions-host-admin.md#host-operations, docs/protocol/functions-host-worker.md#reloading
"""

import logging
from collections.abc import Callable
from pathlib import Path

from durable_host.errors import HostError
from durable_host.host.app_switch import AppSwitch, Pause
from durable_host.host.reload import error_text
from durable_host.host.watched_files import OFFLINE_FILE
from durable_host.supervision import Tasks
from durable_host.web.admin_host import HostState

_log = logging.getLogger("Host.Startup")

OFFLINE_PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>Offline</title></head><body>The function app is offline.</body></html>
"""


class Control:
    """Implements `web.admin_host.HostControl`. Owns the background tasks. `reload` is called with the reason."""

    def __init__(self, server: AppSwitch, state: HostState, reload: Callable[[str], None]) -> None:
        self._server = server
        self._state = state
        self._reload = reload
        self._work = Tasks(_log)

    def restart(self) -> None:
        self._reload("A restart was requested")

    def drain(self) -> None:
        if Pause.DRAIN not in self._server.pauses:
            self._server.pauses.add(Pause.DRAIN)
            self._server.options.presenter.progress("The host accepts no more events; running calls continue.")
            self._work.run("drain", self._pause())

    def resume(self) -> None:
        """Accept events again after `drain`, and retry what failed before."""
        pauses = self._server.pauses
        if Pause.DRAIN in pauses or self._server.problem is not None:
            pauses -= {Pause.DRAIN, Pause.FAILURE}
            self._work.run("resume", self._go_on("The host accepts events again."))

    def drain_status(self) -> tuple[str, int, int]:
        running, waiting = self._server.invoker.running, self._server.invoker.waiting
        if not self._server.pauses & {Pause.DRAIN, Pause.FAILURE}:
            return "Disabled", running, waiting
        return ("InProgress" if running or waiting else "Completed"), running, waiting

    def is_offline(self) -> bool:
        return Pause.OFFLINE in self._server.pauses

    def set_offline(self, offline: bool) -> None:
        if offline:
            self._file.write_text(OFFLINE_PAGE, "utf-8")
        else:
            self._file.unlink(missing_ok=True)
        self.check_offline()

    def check_offline(self) -> None:
        """Go offline if the offline file exists in the app's folder, otherwise online."""
        try:
            page: bytes | None = self._file.read_bytes()
        except OSError:
            page = None
        self._server.front.offline_page = page
        offline = page is not None
        if offline == self.is_offline():
            return
        if offline:
            self._server.pauses.add(Pause.OFFLINE)
            self._server.options.presenter.progress(f"{OFFLINE_FILE} exists: the app is offline.")
            self.show_state()
            self._work.run("change to offline", self._pause())
        else:
            self._server.pauses -= {Pause.OFFLINE, Pause.FAILURE}
            self._work.run("change to online", self._go_on("The app is online again."))

    def show_state(self) -> None:
        """Update the host's status to the current state."""
        problem = self._server.problem
        self._state.errors = [] if problem is None else [problem]
        if self.is_offline():
            self._state.state = "Offline"
        else:
            self._state.state = "Running" if problem is None else "Error"

    async def stop(self) -> None:
        await self._work.stop()

    @property
    def _file(self) -> Path:
        return self._server.app.config.root / OFFLINE_FILE

    async def _pause(self) -> None:
        async with self._server.turn:
            if not self._server.takes_events:
                self._server.update_listeners()
                await self._server.durable.pause()

    async def _go_on(self, success: str) -> None:
        """Serve the app again. A failure is shown in the host's status; `resume` retries."""
        server = self._server
        async with server.turn:
            if server.takes_events:
                server.problem = None
                try:
                    await self._serve()
                except Exception as error:
                    server.problem = error_text(error)
                    _log.error(
                        "The host cannot continue. %s\nResume it again when this is fixed: POST /admin/host/resume",
                        server.problem,
                        exc_info=None if isinstance(error, HostError) else error,
                    )
                else:
                    server.options.presenter.progress(success)
            self.show_state()

    async def _serve(self) -> None:
        server, app = self._server, self._server.app
        try:
            await server.durable.end()
            prepared = await server.prepare(app.config, app.index)
        except Exception:
            server.pauses.add(Pause.FAILURE)
            raise
        server.switch_to(prepared)
        await server.start_events()
