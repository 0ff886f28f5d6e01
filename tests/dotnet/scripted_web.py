"""The web server of a scripted worker, as in an app with ASP.NET Core: it joins requests and invocations by header.

Settings (`"web"` in scripted.json): the port opens after the last load; with `"opens"`, when a file of this name
appears in the app's folder. `"prefix"` is the route prefix of the worker, which the real one reads from host.json. A
function's `"web_route"` replaces its route here.
"""

import asyncio
import inspect
import json
import re
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from scripted_worker import Call, ScriptedWorker

HEADER = "x-ms-invocation-id"
WITHOUT_INVOCATION = 5.0
WITHOUT_REQUEST = 15.0
CANCELLED = 2


class ScriptedWeb:
    """Owned by the worker. Handlers get the call and the request, and return or prepare an `aiohttp` response."""

    def __init__(self, worker: "ScriptedWorker", settings: Mapping[str, Any], code: Mapping[str, Any]) -> None:
        self._worker = worker
        self._settings = settings
        self._code = code
        self._socket = socket.socket()
        self._calls: dict[str, asyncio.Future[Call]] = {}
        self._requests: dict[str, asyncio.Future[web.Request]] = {}
        self._ended: dict[str, asyncio.Future[object]] = {}
        self._runner: web.AppRunner | None = None

    async def announce(self) -> str:
        """The address, whose port is not open yet."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        return f"http://localhost:{self._socket.getsockname()[1]}/"

    async def loaded(self, functions: int) -> None:
        """A function was loaded. The port opens after the last one."""
        if self._runner is not None or len(self._worker.functions) < functions:
            return
        app = web.Application(client_max_size=2**31)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        if "opens" in self._settings:
            self._worker.spawn(self._open_later(self._settings["opens"]))
        else:
            await self._open()

    async def _open_later(self, gate: str) -> None:
        assert self._worker.app is not None
        while not (self._worker.app / gate).exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await self._open()

    async def _open(self) -> None:
        assert self._runner is not None
        await web.SockSite(self._runner, self._socket).start()

    async def join(self, call: "Call") -> object:
        """Wait until the request of an invocation has been handled. Raises what the handler raised."""
        from scripted_worker import Failure

        arrived = self._request(call.id)
        cancelled = asyncio.ensure_future(call.cancelled.wait())
        self._call(call.id).set_result(call)
        ended = self._ended[call.id] = asyncio.get_running_loop().create_future()
        await asyncio.wait((arrived, cancelled), timeout=WITHOUT_REQUEST, return_when=asyncio.FIRST_COMPLETED)
        cancelled.cancel()
        if not arrived.done():
            if call.cancelled.is_set():
                raise Failure("System.OperationCanceledException", "The operation was canceled.")
            raise Failure("System.TimeoutException", "Timed out waiting for the HTTP context to be set.")
        return await ended

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        invocation_id = request.headers.get(HEADER)
        if invocation_id is None:
            return web.Response(status=500)
        if not any(self._matches(function, request) for function in self._worker.functions.values()):
            return web.Response(status=404)
        self._request(invocation_id).set_result(request)
        try:
            call = await asyncio.wait_for(asyncio.shield(self._call(invocation_id)), WITHOUT_INVOCATION)
        except TimeoutError:
            return web.Response(status=500)
        await asyncio.sleep(0)
        ended = self._ended[invocation_id]
        handling = asyncio.ensure_future(self._handle(call, request))
        try:
            response = await asyncio.shield(handling)
        except asyncio.CancelledError:  # the client has gone; the function runs on, as in .NET
            handling.add_done_callback(lambda done: _settle(ended, done.exception()))
            raise
        except Exception as error:
            _settle(ended, error)
            return web.Response(status=200)  # as .NET does: only the invocation's response shows the failure
        _settle(ended, None)
        return response

    async def _handle(self, call: "Call", request: web.Request) -> web.StreamResponse:
        handler: Callable[..., Any] | None = self._code.get(call.function["name"])
        if handler is None:
            handler = WEB_BEHAVIOURS[call.function.get("does", "echo")]
        returned = handler(call, request)
        return await returned if inspect.isawaitable(returned) else returned

    def _matches(self, function: Mapping[str, Any], request: web.Request) -> bool:
        trigger = next((one for one in function["bindings"] if one["type"].lower() == "httptrigger"), None)
        if trigger is None:
            return False
        route = function.get("web_route") or trigger.get("route") or function["name"]
        prefix = self._settings.get("prefix", "api")
        path = re.sub(r"/?\\\{\w+\\\?\\\}", "(/[^/]+)?", re.escape(f"/{prefix}/{route}".replace("//", "/")))
        path = re.sub(r"\\\{\w+(:\w+)?\\\}", "[^/]+", path)
        methods = [method.upper() for method in trigger.get("methods") or ()]
        return re.fullmatch(path, request.rel_url.raw_path, re.IGNORECASE) is not None and request.method in (
            methods or [request.method]
        )

    def _call(self, invocation_id: str) -> "asyncio.Future[Call]":
        return self._calls.setdefault(invocation_id, asyncio.get_running_loop().create_future())

    def _request(self, invocation_id: str) -> "asyncio.Future[web.Request]":
        return self._requests.setdefault(invocation_id, asyncio.get_running_loop().create_future())


def _settle(ended: "asyncio.Future[object]", error: BaseException | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result({"StatusCode": 200})  # the result object, which the host ignores
    else:
        ended.set_exception(error)


async def echo(call: "Call", request: web.Request) -> web.Response:
    """Returns what arrived on both ways."""
    body = await request.read()
    return web.json_response(
        {
            **call.seen(),
            "method": request.method,
            "path": request.raw_path,
            "headers": [[name.lower(), value] for name, value in request.headers.items()],
            "length": len(body),
            "body": body[:1000].decode("latin-1"),
        }
    )


async def stream(call: "Call", request: web.Request) -> web.StreamResponse:
    """Sends back each part of the body as it arrives."""
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "X-Streams": "yes"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    async for part in request.content.iter_any():
        await response.write(part)
    await response.write_eof()
    return response


async def large(call: "Call", request: web.Request) -> web.Response:
    """Returns as many bytes as the query says."""
    return web.Response(body=b"x" * int(request.query["size"]))


async def cookies(call: "Call", request: web.Request) -> web.Response:
    response = web.Response(status=201, reason="Made", text="made", headers={"Location": "/made"})
    response.set_cookie("one", "1", path="/")
    response.set_cookie("two", "2", httponly=True)
    return response


async def fail(call: "Call", request: web.Request) -> web.Response:
    from scripted_worker import Failure

    raise Failure("System.InvalidOperationException", "web failure")


async def fail_late(call: "Call", request: web.Request) -> web.StreamResponse:
    """Fails after a part of the response was sent and the whole request was read."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b"the first part")
    await request.read()
    return await fail(call, request)


async def wait(call: "Call", request: web.Request) -> web.Response:
    """Runs until the client goes away, or the host cancels the invocation."""
    from scripted_worker import Failure

    call.log(f"{call.function['name']} is waiting")
    await call.cancelled.wait()
    raise Failure("System.OperationCanceledException", "The operation was canceled.")


async def multiple(call: "Call", request: web.Request) -> web.Response:
    call.outputs["Message"] = json.loads(await request.text() or "null")
    return web.Response(status=201, text="ok")


WEB_BEHAVIOURS: dict[str, Callable[..., Any]] = {
    "echo": echo,
    "stream": stream,
    "large": large,
    "cookies": cookies,
    "fail": fail,
    "fail late": fail_late,
    "wait": wait,
    "multiple": multiple,
}
