"""Exchanges streamed requests and responses with a client.

Bodies are passed on as they arrive: at most one piece is in memory.
"""

import logging
from collections.abc import Iterable, Mapping

from aiohttp import hdrs, web

from durable_host.config.headers import header_mistake
from durable_host.http_port import wait_disconnected
from durable_host.http_port.body_limit import BODY_LIMIT_SETTING, DEFAULT_BODY_LIMIT
from durable_host.invocation.datum import HttpData
from durable_host.invocation.errors import ClientGone, FunctionFailed
from durable_host.invocation.http_exchange import Address, RequestHead
from durable_host.triggers.http.plain_response import PlainStream
from durable_host.triggers.http.reply import SET_BY_HOST, InvalidReply, checked_status

_log = logging.getLogger("Host.Triggers.Http")

RESPONSE_HEADERS = "response_headers"
"""Request key for headers to add to a response that is sent before its handler returns."""
INVOCATION_ID = "x-ms-invocation-id"

_OF_CONNECTION = SET_BY_HOST - {"content-length"}
_CLOSED = "The client closed the connection."


class ClientExchange:
    """One request. `response` is set when it has begun; `refusal` is the exception for an invalid request."""

    def __init__(
        self, request: web.Request, head: RequestHead, headers: Iterable[tuple[str, str]], body_limit: int | None
    ) -> None:
        self.head = head
        self.response: web.StreamResponse | None = None
        self.refusal: web.HTTPException | None = None
        self.is_complete = False
        self._request = request
        self._headers = tuple(headers)
        self._limit = body_limit
        self._size = 0

    async def read(self) -> bytes:
        try:
            data = await self._request.content.readany()
        except web.HTTPException as error:
            self.refusal = error
            raise ClientGone("The body of the request is malformed.") from error
        except Exception as error:
            raise ClientGone(_CLOSED) from error
        was_small = self._size <= DEFAULT_BODY_LIMIT
        self._size += len(data)
        if self._limit is None and was_small and self._size > DEFAULT_BODY_LIMIT:
            _log.warning(
                "A request to %s has more than %d bytes, the limit in Azure unless %s sets another one.",
                self._request.path,
                DEFAULT_BODY_LIMIT,
                BODY_LIMIT_SETTING,
            )
        if self._limit is not None and self._size > self._limit:
            self.refusal = web.HTTPRequestEntityTooLarge(self._limit, self._size)
            raise ClientGone(f"The body of the request is longer than {self._limit} bytes.")
        return data

    async def wait_disconnected(self) -> str:
        return await wait_disconnected(self._request)

    async def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the head of the response. Raises FunctionFailed if it is not valid."""
        try:
            response = PlainStream(status=checked_status(status))
        except InvalidReply as error:
            raise FunctionFailed("InvalidReply", str(error)) from None
        for name, value in headers:
            if name.lower() not in _OF_CONNECTION:
                if (mistake := header_mistake(name, value)) is not None:
                    raise FunctionFailed("InvalidReply", mistake)
                response.headers.add(name, value)
        for name, value in self._headers:
            response.headers[name] = value
        response.headers.update(self._request.get(RESPONSE_HEADERS, {}))
        if hdrs.UPGRADE in self._request.headers:
            response.force_close()
        self.response = response
        try:
            await response.prepare(self._request)
        except ConnectionError as error:
            raise ClientGone(_CLOSED) from error

    async def write(self, data: bytes) -> None:
        assert self.response is not None
        try:
            await self.response.write(data)
        except ConnectionError as error:
            raise ClientGone(_CLOSED) from error

    async def end(self) -> None:
        assert self.response is not None
        try:
            await self.response.write_eof()
        except ConnectionError as error:
            raise ClientGone(_CLOSED) from error
        self.is_complete = True

    def break_off(self) -> None:
        """Close the connection in the middle of the response, so that the client notices that it is incomplete."""
        transport = self._request.transport
        if transport is None:
            return
        has_end = self._request.version >= (1, 1) or (self.response and self.response.content_length is not None)
        if has_end:
            transport.close()
        else:
            transport.abort()  # A normal close would mark the end of the response.


def request_head(request: web.Request, route_values: Mapping[str, str], invocation_id: str) -> RequestHead:
    """The head of the request, with the headers that Azure's host adds when it forwards a request."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
    known = {name.lower() for name, _ in headers}
    added = {"x-forwarded-host": request.host, "x-forwarded-proto": request.scheme, INVOCATION_ID: invocation_id}
    headers += [(name, value) for name, value in added.items() if name not in known]
    url = request.rel_url
    return RequestHead(
        method=request.method,
        path=url.raw_path,
        query=url.raw_query_string,
        headers=tuple(headers),
        params=dict(route_values),
        scheme=request.scheme,
        version=f"{request.version.major}.{request.version.minor}",
        client=_address(request, "peername"),
        server=_address(request, "sockname"),
        has_body=request.body_exists,
    )


def head_data(request: web.Request, route_values: Mapping[str, str]) -> HttpData:
    """The data for other bindings: everything except the body, which only the function can read."""
    return HttpData(
        method=request.method,
        url=f"{request.scheme}://{request.host}{request.rel_url}",
        headers={name.lower(): value for name, value in request.headers.items()},
        params=dict(route_values),
    )


def _address(request: web.Request, kind: str) -> Address | None:
    found = request.transport.get_extra_info(kind) if request.transport is not None else None
    return (str(found[0]), int(found[1])) if isinstance(found, tuple | list) and len(found) > 1 else None  # type: ignore[arg-type]
