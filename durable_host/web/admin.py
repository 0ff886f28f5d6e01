"""Admin routes that tools and editors use: status, ping, functions, manual invocation, keys.

Source: spec/functions-host.md, section 7.
"""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from durable_host import __version__
from durable_host.web.function_json import DescribedFunction, describe
from durable_host.web.manual import ManualInvocation

HOST_VERSION = "4.1052.200.0"
_NO_KEY = "not-enforced-locally"


class HostState(msgspec.Struct):
    """What the status route tells; the composition root changes `state` and `errors`."""

    host_id: str
    state: str = "Starting"
    errors: list[str] = []
    started: float = msgspec.field(default_factory=time.monotonic)


class AdminApi:
    """`functions` gives the described functions at the moment, in the host's order."""

    def __init__(
        self,
        state: HostState,
        functions: Callable[[], Sequence[DescribedFunction]],
        manual: ManualInvocation,
        *,
        base_url: str,
        host_json: Mapping[str, Any],
        processes: Callable[[], Sequence[Mapping[str, Any]]],
    ) -> None:
        self._state = state
        self._functions = functions
        self._manual = manual
        self._base_url = base_url
        self._host_json = host_json
        self._processes = processes

    async def handle(self, request: web.Request, segments: list[str]) -> web.Response:
        """`segments` is the path below `/admin/`, still percent-encoded."""
        method = request.method
        match [segments[0].lower(), *(unquote(segment) for segment in segments[1:])] if segments else []:
            case ["host", name] if method == "GET" and name.lower() in _HOST_ANSWERS:
                return _HOST_ANSWERS[name.lower()](self)
            case ["host", "ping"] | ["warmup"] if method in ("GET", "POST"):
                return web.Response()
            case ["host", "synctriggers"] if method == "POST":
                return web.json_response({"status": "success"})
            case ["host", ("keys" | "functionkeys" | "systemkeys") as kind] if method == "GET":
                return self._keys(request, "_master" if kind == "keys" else "default")
            case ["functions"] if method == "GET":
                return web.json_response([describe(one, self._base_url) for one in self._functions()])
            case ["functions", name, *rest]:
                return await self._function(request, name, [part.lower() for part in rest])
            case _:
                return web.Response(status=404)

    async def _function(self, request: web.Request, name: str, rest: list[str]) -> web.Response:
        found = next((one for one in self._functions() if one.name.lower() == name.lower()), None)
        if found is None:
            return web.Response(status=404)
        match request.method, rest:
            case "GET", []:
                return web.json_response(describe(found, self._base_url))
            case "GET", ["status"]:
                return web.json_response({"errors": list(found.errors)} if found.errors else {})
            case "GET", ["keys"]:
                return self._keys(request, "default")
            case "POST", []:
                return await self._manual.handle(request, found)
            case _:
                return web.Response(status=404)

    def _keys(self, request: web.Request, name: str) -> web.Response:
        """Callers need no key here, so there is one of each kind whose value does not matter."""
        link = {"rel": "self", "href": f"{self._base_url}{request.rel_url.raw_path}"}
        return web.json_response({"keys": [{"name": name, "value": _NO_KEY}], "links": [link]})

    def status_answer(self) -> web.Response:
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
            "extensionBundle": self._host_json.get("extensionBundle"),
        }
        if state.errors:
            answer["errors"] = list(state.errors)
        return web.json_response(answer)

    def config_answer(self) -> web.Response:
        return web.json_response(self._host_json)

    def processes_answer(self) -> web.Response:
        return web.json_response({"processes": list(self._processes())})


_HOST_ANSWERS: dict[str, Callable[[AdminApi], web.Response]] = {
    "status": AdminApi.status_answer,
    "config": AdminApi.config_answer,
    "processes": AdminApi.processes_answer,
}
