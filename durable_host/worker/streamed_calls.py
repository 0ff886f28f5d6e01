"""Runs HTTP functions whose request and response are streamed, through the extension's web app.

Source: docs/protocol/functions-host-http.md#streamed-requests
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from . import web_extension
from .channel import PipeChannel
from .function_call import Answer, FunctionCall
from .http_stream import HttpStream
from .loaded import LoadedFunction
from .sdk import Sdk

_SCOPE_KEY = "durable_host.call"
_FRAMEWORKS = ("starlette", "fastapi", "anyio")

# Runs a plain function in the thread pool, as part of the call.
InThread = Callable[[FunctionCall, Callable[[], Any]], Awaitable[Any]]


class StreamedCall(FunctionCall):
    """A streamed call. `ended` is the answer about the function itself, once it has returned or failed."""

    __slots__ = ("ended", "has_failed", "response", "stream")

    def __init__(
        self, sdk: Sdk, function: LoadedFunction, header: dict[str, Any], blob: bytes, channel: PipeChannel
    ) -> None:
        super().__init__(sdk, function, header, blob)
        self.stream = HttpStream(channel, header["i"], header["http"])
        self.ended: Answer | None = None
        self.has_failed = False
        self.response: Any = None

    @property
    def route_values(self) -> dict[str, str]:
        return self._header["http"]["params"]

    def returned(self, result: Any) -> None:
        """Store the values of the output bindings. Raises TypeError for a result that cannot be a response."""
        self._check_result(result)
        self.response = result
        self.ended = self.answer_without_result()

    def failed(self, error: BaseException) -> None:
        self.has_failed = True
        self.ended = self.failure(error)

    def _check_result(self, result: Any) -> None:
        remedy = f"return a response of {web_extension.PACKAGE}, or a str, dict, list or number, which is sent as JSON"
        name = self.function.name
        if result is None:
            raise TypeError(f"the function '{name}' returned None: {remedy}")
        if isinstance(result, self.sdk.functions.HttpResponse):
            raise TypeError(
                f"the function '{name}' returned an azure.functions.HttpResponse, which belongs to functions that take "
                f"an azure.functions.HttpRequest: {remedy}"
            )


class StreamedCalls:
    """Owns the streams of the running calls."""

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        self._open: dict[str, StreamedCall] = {}
        self._web_app: Any = None

    def open(self, call: StreamedCall) -> None:
        """Accept frames from the host for this call from now on."""
        self._open[call.scope[0]] = call

    def close(self, call: StreamedCall) -> None:
        del self._open[call.scope[0]]

    def deliver(self, header: dict[str, Any], blob: bytes) -> None:
        if (call := self._open.get(header["i"])) is not None:
            call.stream.deliver(header, blob)

    async def run(self, call: StreamedCall) -> Answer:
        """Run the call until the whole response has been sent to the host and background tasks are done."""
        if self._web_app is None:
            self._web_app = web_extension.web_app(self._run_function)
        stream = call.stream
        stream.owned_by(asyncio.current_task())
        try:
            await self._web_app({**stream.scope, _SCOPE_KEY: call}, stream.receive, stream.send)
        except BaseException as error:
            if not call.has_failed:
                call.failed(_without_frameworks(error))
            await _close(call.response, error)
        return call.ended or call.failure(RuntimeError("the web extension has not run the function"))

    async def _run_function(self, request: Any) -> Any:
        call: StreamedCall = request.scope[_SCOPE_KEY]
        function = call.function
        result: Any
        try:
            web_extension.set_route_values(request, call.route_values)
            arguments: dict[str, Any] = {**call.arguments(), str(function.signature.request): request}
            if function.signature.is_async:
                result = await function.function(**arguments)
            else:
                result = await self._in_thread(call, lambda: function.function(**arguments))
            call.returned(result)
        except BaseException as error:
            call.failed(error)
            raise
        return result


async def _close(response: Any, error: BaseException) -> None:
    """Close the generator of an incomplete response, so that its `finally` blocks run now.

    Otherwise they would run when it is collected, and the traceback of the error refers to it.
    """
    close = getattr(getattr(response, "body_iterator", None), "aclose", None)
    if close is not None:
        with contextlib.suppress(Exception):
            await close()
    traceback.clear_frames(error.__traceback__)


def _without_frameworks(error: BaseException) -> BaseException:
    """The error, with a traceback that begins in the user's code."""
    modules = [sys.modules.get(name) for name in _FRAMEWORKS]
    folders = [os.path.dirname(module.__file__) + os.sep for module in modules if module and module.__file__]
    not_users = (os.path.dirname(__file__) + os.sep, contextlib.__file__, *folders)
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(not_users):
        trace = trace.tb_next
    return error if trace is None else error.with_traceback(trace)
