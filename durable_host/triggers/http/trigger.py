"""Runs HTTP functions for requests.

Source: docs/protocol/functions-host-http.md#requests,
    docs/protocol/functions-host-http.md#returned-values,
    docs/protocol/functions-host-http.md#failed-requests,
    docs/protocol/functions-host-http.md#http-options
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, cast

from aiohttp import web
from multidict import CIMultiDict

from durable_host.config.extensions import HttpOptions
from durable_host.config.headers import header_mistake
from durable_host.errors import HostError
from durable_host.http_port import PlainRequest, plain_response, read_body, wait_disconnected
from durable_host.http_port.local_names import is_local_host
from durable_host.invocation.datum import NONE, Datum, HttpData
from durable_host.invocation.errors import ClientGone, FunctionCancelled, FunctionFailed
from durable_host.invocation.invocation_log import CALLED
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.invocation.random_ids import new_invocation_id
from durable_host.invocation.workers import Workers
from durable_host.triggers.http.failure_reply import ErrorDetails, failure_reply
from durable_host.triggers.http.function_reply import function_reply
from durable_host.triggers.http.plain_response import PlainResponse
from durable_host.triggers.http.reply import HttpFunctionReply, InvalidReply
from durable_host.triggers.http.request import RequestView, http_binding_data, http_data
from durable_host.triggers.http.return_value_hint import return_value_hint
from durable_host.triggers.http.routes import RouteDeclaration, RouteMatch, RouteTable
from durable_host.triggers.http.streamed import ClientExchange, head_data, request_head

_log = logging.getLogger("Host.Triggers.Http")

REASON = CALLED
_DURABLE_CLIENTS = frozenset({"durableclient", "orchestrationclient"})
Watch = Callable[[Coroutine[Any, Any, Outcome]], Coroutine[Any, Any, Outcome]]
_PLAIN_BINDINGS = _DURABLE_CLIENTS | {"http"}


def route_table(functions: Iterable[FunctionMetadata], options: HttpOptions) -> RouteTable[FunctionMetadata]:
    """The routes of HTTP functions, with their errors."""
    return RouteTable((_declaration(function) for function in functions), options.route_prefix)


class HttpTrigger:
    """The HTTP functions of an app and their routes.

    `details` decides when a 500 contains the error. `base_url` is the host's URL, for requests that use another host
    name. `custom_headers` are added to all responses of the host.

    `disabled` functions respond only to administrators. Without keys, all callers are administrators.
    `stream_limit` is the limit for the body of a streamed request in bytes; None for no limit.
    """

    def __init__(
        self,
        functions: Iterable[FunctionMetadata],
        invoker: Invoker,
        options: HttpOptions,
        *,
        details: ErrorDetails,
        base_url: str,
        disabled: Iterable[str] = (),
        stream_limit: int | None = None,
    ) -> None:
        self._invoker = invoker
        self.details = details
        self._base_url = base_url
        self._stream_limit = stream_limit
        self._disabled = frozenset(disabled)
        functions = tuple(functions)
        self._with_client = frozenset(function.name for function in functions if _has_client(function))
        self._with_expressions = frozenset(function.name for function in functions if _may_have_expressions(function))
        self.custom_headers = dict(options.custom_headers)
        self._extra_headers = (*options.custom_headers, *_hsts(options))
        self._throttle = Throttle(options.max_concurrent_requests, options.max_outstanding_requests)
        self.routes = route_table(functions, options)
        for warning in self.routes.warnings():
            _log.warning("%s", warning)

    def match(self, method: str, raw_path: str) -> RouteMatch[FunctionMetadata] | None:
        return self.routes.match(method, raw_path)

    def held(self) -> AbstractContextManager[Workers]:
        """Hold the current workers for a request that does not go to `handle` immediately."""
        return self._invoker.held()

    def is_disabled(self, function: FunctionMetadata) -> bool:
        return function.name in self._disabled

    def handle(
        self, request: web.Request, match: RouteMatch[FunctionMetadata], workers: Workers | None = None
    ) -> Coroutine[Any, Any, web.StreamResponse]:
        """Run the function and create its response; 429 if too many requests are running.

        Raises aiohttp's 413 for a body over the limit, and ConnectionError if the client has disconnected.
        """
        held = self._invoker.held() if workers is None else workers.held()
        return self._throttled(request, match, held) if self._throttle.is_limited else self._run(request, match, held)

    async def _throttled(
        self, request: web.Request, match: RouteMatch[FunctionMetadata], held: AbstractContextManager[Workers]
    ) -> web.StreamResponse:
        if not self._throttle.admits():
            return web.Response(status=429, headers={"X-FUNCTION-SCALEOUT": "1"})
        with held as workers:
            async with self._throttle:
                return await self._run(request, match, workers.held())

    async def _run(
        self, request: web.Request, match: RouteMatch[FunctionMetadata], held: AbstractContextManager[Workers]
    ) -> web.StreamResponse:
        function = match.route.target
        with held as workers:
            if function.streams_http:
                return await self._stream(request, match, workers)
            body = await read_body(request) if request.body_exists else b""
            invocation_id = new_invocation_id()
            watching = partial(self._watched, request, invocation_id) if function.ends_with_client else None
            return PlainResponse(*await self._answer(request, match, body, workers, invocation_id, watching))

    def takes_express(self, function: FunctionMetadata) -> bool:
        """Whether `express` may run the function."""
        return not (function.streams_http or function.ends_with_client or self._throttle.is_limited)

    async def express(self, request: PlainRequest, match: RouteMatch[FunctionMetadata]) -> bytes | web.StreamResponse:
        """Like `handle`, for a function that `takes_express`."""
        with self._invoker.held() as workers:
            body = await request.read() if request.size else b""
            answer = await self._answer(request, match, body, workers, new_invocation_id())
            return plain_response(request.method, *answer) or PlainResponse(*answer)

    async def _answer(
        self,
        request: RequestView,
        match: RouteMatch[FunctionMetadata],
        body: bytes,
        workers: Workers,
        invocation_id: str,
        watched: Watch | None = None,
    ) -> tuple[int, CIMultiDict[str], bytes]:
        """Run the function, and return status, headers and body of the response."""
        function = match.route.target
        # The SDK builds management URLs from the URL of the request.
        is_asked_elsewhere = function.name in self._with_client and not is_local_host(request.host)
        data = http_data(request, match.values, body, self._base_url if is_asked_elsewhere else None)
        running = self._invoke(function, Datum("http", data), data, request, invocation_id, workers)
        try:
            outcome = await (running if watched is None else watched(running))
            return self._parts(function_reply(function, outcome.return_value, outcome.outputs))
        except FunctionCancelled as error:
            raise ConnectionResetError(str(error)) from None
        except FunctionFailed as error:
            hint = return_value_hint(error.message)
            if hint is not None:
                text = hint.replace("The function", f"The function '{function.name}'", 1)
                _log.error("%s", text, extra={"function": function.name})
            return self._failed(request, function, str(error), error.stack, hint)
        except (HostError, InvalidReply) as error:
            if isinstance(error, InvalidReply):
                _log.error("The response of the function '%s' cannot be sent: %s", function.name, error)
            return self._failed(request, function, str(error), "", getattr(error, "remedy", None))

    def _invoke(
        self,
        function: FunctionMetadata,
        value: Datum,
        data: HttpData,
        request: RequestView,
        invocation_id: str,
        workers: Workers,
        exchange: ClientExchange | None = None,
    ) -> Coroutine[Any, Any, Outcome]:
        return self._invoker.invoke(
            function,
            trigger_value=value,
            binding_data=self._binding_data(function, data, request),
            reason=REASON,
            invocation_id=invocation_id,
            trace_parent=data.headers.get("traceparent"),
            trace_state=data.headers.get("tracestate"),
            workers=workers,
            exchange=exchange,
        )

    async def _watched(
        self, request: web.Request, invocation_id: str, running: Coroutine[Any, Any, Outcome]
    ) -> Outcome:
        """Cancel the call when its client disconnects."""
        watching = asyncio.create_task(wait_disconnected(request))
        watching.add_done_callback(lambda one: None if one.cancelled() else self._invoker.cancel(invocation_id))
        try:
            return await running
        finally:
            watching.cancel()

    async def _stream(
        self, request: web.Request, match: RouteMatch[FunctionMetadata], workers: Workers
    ) -> web.StreamResponse:
        """Run a function that streams. If the response is incomplete, the connection is closed."""
        function, limit, length = match.route.target, self._stream_limit, request.content_length
        if limit is not None and length is not None and length > limit:
            raise web.HTTPRequestEntityTooLarge(limit, length)
        invocation_id = new_invocation_id()
        data = head_data(request, match.values)
        head = request_head(request, match.values, invocation_id)
        exchange = ClientExchange(request, head, self._extra_headers, limit)
        try:
            await self._invoke(function, NONE, data, request, invocation_id, workers, exchange)
        except ClientGone as error:
            if exchange.response is None:
                raise exchange.refusal or ConnectionResetError(str(error)) from None
        except (FunctionFailed, HostError) as error:
            if exchange.response is None:
                stack = error.stack if isinstance(error, FunctionFailed) else ""
                answer = self._failed(request, function, str(error), stack, getattr(error, "remedy", None))
                return PlainResponse(*answer)
            if not exchange.is_complete:
                _log.error(
                    "The response of the function '%s' was interrupted; its connection is closed.", function.name
                )
        if exchange.response is None:
            raise ConnectionResetError("The client has disconnected.")
        if not exchange.is_complete:
            exchange.break_off()
        return exchange.response

    def _failed(
        self, request: RequestView, function: FunctionMetadata, error: str, stack: str, hint: str | None
    ) -> tuple[int, CIMultiDict[str], bytes]:
        reply = failure_reply(
            function=function.name,
            error=error,
            stack=stack,
            accept=request.headers.get("Accept", ""),
            explain=self.details.for_host(request.host),
            hint=hint,
        )
        return self._parts(reply)

    def _binding_data(self, function: FunctionMetadata, data: HttpData, request: RequestView) -> dict[str, Any]:
        """The binding data; empty if no binding can use it."""
        if function.name not in self._with_expressions:
            return {}
        return http_binding_data(data, request, function.trigger.name)

    def _parts(self, reply: HttpFunctionReply) -> tuple[int, CIMultiDict[str], bytes]:
        """Status, headers and body of the response. Raises InvalidReply."""
        headers = CIMultiDict[str]()
        for added in (reply.headers, self._extra_headers):
            for name, value in added:
                _check(name, value)
                headers[name] = value
        for cookie in reply.cookies:
            _check("Set-Cookie", cookie)
            headers.add("Set-Cookie", cookie)
        return reply.status, headers, reply.body


def _has_client(function: FunctionMetadata) -> bool:
    return any(binding.type.lower() in _DURABLE_CLIENTS for binding in function.bindings)


def _may_have_expressions(function: FunctionMetadata) -> bool:
    others = (binding for binding in function.bindings if not binding.is_trigger)
    return any(binding.type.lower() not in _PLAIN_BINDINGS for binding in others)


class Throttle:
    """Limits requests: at most `concurrent` run, and at most `outstanding` run or wait. -1 means no limit."""

    def __init__(self, concurrent: int, outstanding: int) -> None:
        self.is_limited = concurrent > 0 or outstanding > 0
        self._outstanding = outstanding
        self._present = 0
        self._slots = asyncio.Semaphore(concurrent) if concurrent > 0 else None

    def admits(self) -> bool:
        return self._outstanding <= 0 or self._present < self._outstanding

    async def __aenter__(self) -> None:
        self._present += 1
        if self._slots is not None:
            try:
                await self._slots.acquire()
            except BaseException:
                self._present -= 1
                raise

    async def __aexit__(self, *_: object) -> None:
        self._present -= 1
        if self._slots is not None:
            self._slots.release()


def methods_of(function: FunctionMetadata) -> tuple[str, ...]:
    """The methods of a function's httpTrigger in upper case; empty for all."""
    return trigger_methods(function.trigger)


def trigger_methods(trigger: Binding) -> tuple[str, ...]:
    """The methods of an httpTrigger in upper case; empty for all."""
    methods: Any = trigger.properties.get("methods")
    names = cast("list[Any]", methods) if isinstance(methods, list) else []
    return tuple(str(method).upper() for method in names)


def function_url(name: str, trigger: Binding, base_url: str, prefix: str) -> str:
    """The URL of an HTTP function for the listing at startup, with its route unexpanded."""
    route = (trigger.text("route") or name).lstrip("/")
    return f"{base_url}/{prefix}/{route}" if prefix else f"{base_url}/{route}"


def _declaration(function: FunctionMetadata) -> RouteDeclaration[FunctionMetadata]:
    return RouteDeclaration(function.name, function.trigger.text("route"), methods_of(function), function)


def _hsts(options: HttpOptions) -> tuple[tuple[str, str], ...]:
    return (("Strict-Transport-Security", options.hsts),) if options.hsts else ()


def _check(name: str, value: str) -> None:
    if (mistake := header_mistake(name, value)) is not None:
        raise InvalidReply(mistake)
