"""Admin routes that tools and editors use: functions, manual invocation, keys, and those of the host.

Source: docs/protocol/functions-host-admin.md#function-objects, docs/protocol/functions-host-admin.md#host-operations
"""

from collections.abc import Callable, Sequence
from urllib.parse import unquote

from aiohttp import web

from durable_host.invocation.metadata import FunctionMetadata
from durable_host.redaction import redacted
from durable_host.web.admin_host import HostRoutes
from durable_host.web.function_json import DescribedFunction, describe
from durable_host.web.keys.routes import HOST_LISTS, KeyRoutes
from durable_host.web.manual import ManualInvocation


class AdminApi:
    """`functions` gives the described functions at the moment, in the host's order."""

    def __init__(
        self,
        host: HostRoutes,
        functions: Callable[[], Sequence[DescribedFunction]],
        manual: ManualInvocation,
        keys: KeyRoutes,
        *,
        base_url: str,
    ) -> None:
        self._host = host
        self._functions = functions
        self._manual = manual
        self._keys = keys
        self._base_url = base_url

    async def handle(self, request: web.Request, segments: list[str]) -> web.Response:
        """`segments` is the path below `/admin/`, still percent-encoded."""
        method = request.method
        match [segments[0].lower(), *(unquote(segment) for segment in segments[1:])] if segments else []:
            case ["host", kind] if kind.lower() in HOST_LISTS:
                return await self._keys.of_host(request, kind.lower(), None)
            case ["host", kind, key] if kind.lower() in HOST_LISTS:
                return await self._keys.of_host(request, kind.lower(), key)
            case ["host", *rest]:
                return await self._host.handle(request, "/".join(rest).lower())
            case ["warmup"] if method in ("GET", "POST"):
                return await self._warm_up()
            case ["functions"] if method == "GET":
                return web.json_response([describe(one, self._base_url) for one in self._functions()])
            case ["functions", name, *rest]:
                return await self._function(request, name, rest)
            case _:
                return web.Response(status=404)

    async def _warm_up(self) -> web.Response:
        """Run the warm-up functions and answer when they have ended; their failures are in the log."""
        if not self._host.is_running:
            return web.Response(status=503, text="Function host is not running.")
        await self._manual.run_all(
            one.metadata
            for one in self._functions()
            if one.metadata is not None and not one.errors and not one.is_disabled and _is_warmup(one.metadata)
        )
        return web.Response()

    async def _function(self, request: web.Request, name: str, rest: list[str]) -> web.Response:
        found = next((one for one in self._functions() if one.name.lower() == name.lower()), None)
        if found is None:
            return web.Response(status=404)
        match request.method, [part.lower() for part in rest[:1]] + rest[1:]:
            case "GET", []:
                return web.json_response(describe(found, self._base_url))
            case "GET", ["status"]:
                errors = [redacted(error) for error in found.errors]
                return web.json_response({"errors": errors} if errors else {})
            case _, ["keys"]:
                return await self._keys.of_function(request, found.name, None)
            case _, ["keys", key]:
                return await self._keys.of_function(request, found.name, key)
            case "POST", []:
                if not self._host.is_running:
                    return web.Response(status=503, text="Function host is not running.")
                return await self._manual.handle(request, found)
            case _:
                return web.Response(status=404)


def _is_warmup(function: FunctionMetadata) -> bool:
    return function.trigger.type.lower() == "warmuptrigger"


def is_for_anybody(segments: Sequence[str]) -> bool:
    """Routes that tell nothing and take nothing need no key."""
    path = "/".join(segments).lower()
    return path in ("host/ping", "warmup")
