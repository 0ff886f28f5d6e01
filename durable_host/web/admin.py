"""Admin routes that tools and editors use: functions, manual invocation, keys, and those of the host.

Source: docs/protocol/functions-host-admin.md#function-objects, docs/protocol/functions-host-admin.md#host-operations
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from urllib.parse import unquote

from aiohttp import web

from durable_host.invocation.metadata import FunctionMetadata
from durable_host.redaction import redacted
from durable_host.web.admin_host import Answer, HostRoutes
from durable_host.web.base_url import base_url_of
from durable_host.web.function_json import DescribedFunction, function_json
from durable_host.web.keys.key_routes import HOST_LISTS, KEY_METHODS, KeyRoutes
from durable_host.web.manual_invocation import ManualInvocation


class AdminApi:
    """The admin routes. `functions` returns the current functions, in the host's order, for a base URL of the host."""

    def __init__(
        self,
        host: HostRoutes,
        functions: Callable[[str], Sequence[DescribedFunction]],
        manual: ManualInvocation,
        keys: KeyRoutes,
    ) -> None:
        self._host = host
        self._functions = functions
        self._manual = manual
        self._keys = keys

    def find(self, method: str, segments: list[str]) -> Answer | None:
        """The handler for a path below `/admin/`, or None if there is no such route.

        `segments` are still percent-encoded. The function or key in the path may not exist.
        """
        match [segments[0].lower(), *(unquote(segment) for segment in segments[1:])] if segments else []:
            case ["host", kind] if kind.lower() in HOST_LISTS and method == "GET":
                return partial(self._keys.of_host, kind=kind.lower(), name=None)
            case ["host", kind, key] if kind.lower() in HOST_LISTS and method in KEY_METHODS:
                return partial(self._keys.of_host, kind=kind.lower(), name=key)
            case ["host", *rest]:
                return self._host.find(method, "/".join(rest).lower())
            case ["instance", health] if method == "GET" and health.lower() == "http-health":
                return _ok
            case ["warmup"] if method in ("GET", "POST"):
                return self._warm_up
            case ["functions"] if method == "GET":
                return self._list
            case ["functions", name, *rest]:
                answer = self._of_function(method, [part.lower() for part in rest[:1]] + rest[1:])
                return None if answer is None else partial(self._with_function, name=name, answer=answer)
            case _:
                return None

    async def _list(self, request: web.Request) -> web.Response:
        base_url = base_url_of(request)
        return web.json_response([function_json(one, base_url) for one in self._functions(base_url)])

    async def _warm_up(self, request: web.Request) -> web.Response:
        """Run the warm-up functions and respond when they have ended. Failures are only logged."""
        if not self._host.is_running:
            return web.Response(status=503, text="Function host is not running.")
        await self._manual.run_all(
            one.metadata
            for one in self._functions(base_url_of(request))
            if one.metadata is not None and not one.errors and not one.is_disabled and _is_warmup(one.metadata)
        )
        return web.Response()

    def _of_function(self, method: str, rest: list[str]) -> "_FunctionAnswer | None":
        """The handler for a path below a function's, or None."""
        match method, rest:
            case "GET", []:
                return _describe
            case "GET", ["status"]:
                return _status
            case "GET", ["keys"]:
                return partial(self._keys_of_function, key=None)
            case _, ["keys", key] if method in KEY_METHODS:
                return partial(self._keys_of_function, key=key)
            case "POST", []:
                return self._invoke
            case _:
                return None

    async def _with_function(self, request: web.Request, name: str, answer: "_FunctionAnswer") -> web.Response:
        functions = self._functions(base_url_of(request))
        found = next((one for one in functions if one.name.lower() == name.lower()), None)
        return web.Response(status=404) if found is None else await answer(request, found)

    async def _keys_of_function(
        self, request: web.Request, function: DescribedFunction, key: str | None
    ) -> web.Response:
        return await self._keys.of_function(request, function.name, key)

    async def _invoke(self, request: web.Request, function: DescribedFunction) -> web.Response:
        if not self._host.is_running:
            return web.Response(status=503, text="Function host is not running.")
        return await self._manual.handle(request, function)


_FunctionAnswer = Callable[[web.Request, DescribedFunction], Awaitable[web.Response]]


async def _describe(request: web.Request, function: DescribedFunction) -> web.Response:
    return web.json_response(function_json(function, base_url_of(request)))


async def _status(request: web.Request, function: DescribedFunction) -> web.Response:
    errors = [redacted(error) for error in function.errors]
    return web.json_response({"errors": errors} if errors else {})


async def _ok(request: web.Request) -> web.Response:
    return web.Response()


def _is_warmup(function: FunctionMetadata) -> bool:
    return function.trigger.type.lower() == "warmuptrigger"


def needs_no_key(segments: Sequence[str]) -> bool:
    """Whether a route needs no key, because it reveals and changes nothing."""
    path = "/".join(segments).lower()
    return path in ("host/ping", "warmup")
