"""Admin routes of the host itself: status, configuration, processes, restart, drain, online and offline.

Source: docs/protocol/functions-host-admin.md#host-status, docs/protocol/functions-host-admin.md#host-operations
"""

import json
import logging
import platform
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec
from aiohttp import web

from durable_host import __version__
from durable_host.http_port import read_body
from durable_host.redaction import redacted, redacted_json
from durable_host.web.base_url import links

HOST_VERSION = "4.1052.200.0"
_LEVELS = {"trace": 5, "debug": 10, "information": 20, "warning": 30, "error": 40, "critical": 50}


Answer = Callable[[web.Request], Awaitable[web.Response]]


class HostState(msgspec.Struct):
    """The content of the status route; the composition root updates `state` and `errors`."""

    host_id: str
    state: str = "Starting"
    errors: list[str] = []
    started: float = msgspec.field(default_factory=time.monotonic)


class HostControl(Protocol):
    """Operations on the running host."""

    def restart(self) -> None:
        """Load the app and its configuration again, in the background."""
        ...

    def drain(self) -> None:
        """Accept no more events, while running calls continue. In the background."""
        ...

    def resume(self) -> None:
        """Accept events again. In the background."""
        ...

    def drain_status(self) -> tuple[str, int, int]:
        """`Disabled`, `InProgress` or `Completed`; the numbers of invocations that run, and that wait for a retry."""
        ...

    def is_offline(self) -> bool: ...

    def set_offline(self, offline: bool) -> None:
        """Go offline, or online again. Raises OSError."""
        ...


class HostRoutes:
    """Handles all routes below `/admin/host/` except the keys.

    `effective` are the extension options in use, `bundle` is the bundle's section of host.json. `set_aside` counts the
    unreadable messages of the task hub by queue; it returns None without a hub, or while the hub does not answer.
    """

    def __init__(
        self,
        state: HostState,
        control: HostControl,
        *,
        root: str,
        effective: Callable[[], Mapping[str, Any]],
        bundle: Callable[[], object],
        processes: Callable[[], Sequence[Mapping[str, Any]]],
        set_aside: Callable[[], Awaitable[Mapping[str, int] | None]],
    ) -> None:
        self._state = state
        self._control = control
        self._root = root
        self._effective = effective
        self._bundle = bundle
        self._processes = processes
        self._set_aside = set_aside
        self._routes: Mapping[tuple[str, str], Answer] = {
            ("GET", "status"): self._status,
            ("GET", "ping"): _ping,
            ("POST", "ping"): _ping,
            ("GET", "config"): self._config,
            ("GET", "processes"): self._list_processes,
            ("GET", "extensions"): _extensions,
            ("POST", "synctriggers"): _sync_triggers,
            ("POST", "restart"): self._restart,
            ("POST", "drain"): self._drain,
            ("GET", "drain/status"): self._drain_status,
            ("POST", "resume"): self._resume,
            ("PUT", "state"): self._set_state,
            ("POST", "log"): self._log_entries,
            ("POST", "debug"): _debug,
            ("POST", "scale/status"): _scale_status,
        }

    @property
    def is_running(self) -> bool:
        return self._state.state in ("Running", "Error")

    def find(self, method: str, path: str) -> Answer | None:
        """The handler for `path` (below `/admin/host/`, in lower case), or None if there is no such route."""
        return self._routes.get((method, path))

    async def _config(self, request: web.Request) -> web.Response:
        text = json.dumps(redacted_json(self._effective()), indent=2)
        return web.Response(text=text, content_type="text/plain")

    async def _list_processes(self, request: web.Request) -> web.Response:
        return web.json_response({"processes": list(self._processes())})

    async def _restart(self, request: web.Request) -> web.Response:
        self._control.restart()
        return web.json_response(self._host_options())

    async def _drain(self, request: web.Request) -> web.Response:
        self._control.drain()
        return web.Response(status=202)

    async def _drain_status(self, request: web.Request) -> web.Response:
        state, running, retries = self._control.drain_status()
        answer = {"state": state, "outstandingInvocations": running, "outstandingRetries": retries}
        return web.json_response(answer)

    async def _resume(self, request: web.Request) -> web.Response:
        self._control.resume()
        return web.json_response({"state": self._state.state})

    async def _status(self, request: web.Request) -> web.Response:
        state = self._state
        answer: dict[str, Any] = {
            "id": state.host_id,
            "state": state.state,
            "version": HOST_VERSION,
            "versionDetails": f"{HOST_VERSION[:-2]}+durable-host-{__version__}",
            "platformVersion": "",
            "instanceId": "",
            "computerName": platform.node() if platform.system() == "Windows" else "",
            "processUptime": int((time.monotonic() - state.started) * 1000),
            "functionAppContentEditingState": "Unknown",
            "extensionBundle": self._bundle(),
        }
        set_aside = await self._set_aside()
        if set_aside is not None:
            answer["setAsideMessages"] = dict(set_aside)
        if state.errors:
            answer["errors"] = [redacted(error) for error in state.errors]
        return web.json_response(answer)

    def _host_options(self) -> dict[str, Any]:
        return {
            "isSelfHost": True,
            "scriptPath": self._root,
            "logPath": None,
            "secretsPath": None,
            "testDataPath": None,
            "isFileSystemReadOnly": False,
            "isStandbyConfiguration": False,
            "isDefaultHostConfig": False,
            "hasParentScope": False,
        }

    async def _set_state(self, request: web.Request) -> web.Response:
        wanted = await _json(request)
        if not isinstance(wanted, str) or wanted.lower() not in ("running", "offline"):
            return web.json_response({"Message": 'The body must be "running" or "offline".'}, status=400)
        is_offline = wanted.lower() == "offline"
        if not is_offline and self._state.state == "Error":
            self._control.resume()
            return web.Response(status=202)
        if is_offline == self._control.is_offline():
            return web.Response()
        try:
            self._control.set_offline(is_offline)
        except OSError as error:
            return web.json_response({"Message": str(error)}, status=500)
        return web.Response(status=202)

    async def _log_entries(self, request: web.Request) -> web.Response:
        entries = await _json(request)
        if not isinstance(entries, list):
            return web.json_response({"Message": "An array of log entry objects is expected."}, status=400)
        for entry in cast("list[Any]", entries):
            if isinstance(entry, dict):
                members = {name.lower(): value for name, value in cast("dict[str, Any]", entry).items()}
                level = _LEVELS.get(str(members.get("level", "")).lower(), logging.INFO)
                category = str(members.get("source") or members.get("category") or "Host.General")
                logging.getLogger(category).log(level, "%s", members.get("message") or "")
        return web.Response()


async def _ping(request: web.Request) -> web.Response:
    return web.Response(headers={"Cache-Control": "no-store,no-cache"})


async def _extensions(request: web.Request) -> web.Response:
    return web.json_response({"extensions": [], "links": links(request)})


async def _sync_triggers(request: web.Request) -> web.Response:
    """Outside Azure there is no scale controller to send triggers to."""
    return web.json_response({"status": "Invalid environment for SyncTriggers operation."}, status=500)


async def _scale_status(request: web.Request) -> web.Response:
    return web.Response(status=400, text="Runtime scale monitoring is not enabled.")


async def _debug(request: web.Request) -> web.Response:
    return web.Response()


async def _json(request: web.Request) -> Any:
    """The parsed body; None if it is not JSON."""
    try:
        return msgspec.json.decode(await read_body(request))
    except (ValueError, RecursionError):
        return None
