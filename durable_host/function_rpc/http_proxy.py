"""HTTP functions of a worker that has its own HTTP server, such as ASP.NET Core: the host passes requests on to it.

Each call is an HTTP request and an invocation at the same time. The worker joins them by the header
`x-ms-invocation-id`. The HTTP response is the function's; the invocation tells whether it succeeded.

Source: docs/protocol/function-rpc.md#http-through-the-worker
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from durable_host.invocation.errors import ClientGone, FunctionFailed
from durable_host.invocation.http_exchange import HttpExchange, RequestHead

INVOCATION_ID: Final = "x-ms-invocation-id"
OPENS_WITHIN: Final = 10.0
"""Seconds after which a port that refuses connections is an error: the worker opens it shortly after its start."""
ENDS_WITHIN: Final = 2.0
"""Seconds to wait for the invocation to end after an empty 404. If it does not, the worker has no such route."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.25
_LARGEST_HEADERS: Final = 256 * 1024
_NOT_PASSED_ON: Final = frozenset(
    {
        "connection", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
        "te", "trailer", "transfer-encoding", "upgrade",
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", INVOCATION_ID,
    }
)  # fmt: skip
"""Headers that belong to one connection, and those that the host sets itself."""
_SUCCESS: Final = 1

Answer = asyncio.Future[Any]


class HttpProxy:
    """Connections to the HTTP server of a worker. Use it as a context manager."""

    def __init__(self, uri: str) -> None:
        self._uri = URL(uri)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "HttpProxy":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=OPENS_WITHIN),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            max_line_size=_LARGEST_HEADERS,
            max_field_size=_LARGEST_HEADERS,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def send(self, head: RequestHead, invocation_id: str, body: AsyncIterator[bytes]) -> aiohttp.ClientResponse:
        """Send a request, and return the head of the response; its body is still to be read.

        While the port is closed, try again. Raises aiohttp.ClientError.
        """
        assert self._session is not None
        path = f"{head.path}?{head.query}" if head.query else head.path
        url = URL(f"{self._uri.origin()}{path}", encoded=True)
        headers = _headers(head, invocation_id)
        pause, deadline = _FIRST_PAUSE, asyncio.get_running_loop().time() + OPENS_WITHIN
        while True:
            try:
                return await self._session.request(
                    head.method, url, headers=headers, data=body if head.has_body else None, allow_redirects=False
                )
            except aiohttp.ClientConnectorError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


class ProxiedCall:
    """One call. `answer` is the worker's response to the invocation, and `cancel` sends it a cancellation.

    `is_unrouted` is set when the worker has no route for the request; its 404 is passed back.
    """

    def __init__(
        self, proxy: HttpProxy, exchange: HttpExchange, invocation_id: str, answer: Answer, cancel: Callable[[], None]
    ) -> None:
        self._proxy = proxy
        self._exchange = exchange
        self._id = invocation_id
        self._answer = answer
        self._cancel = cancel
        self._gone: ClientGone | None = None
        self._is_canceled = False
        self._is_passed_back = False
        self.is_unrouted = False

    async def run(self) -> Any:
        """Pass the request on, and the response back; return the worker's response to the invocation.

        Raises ClientGone, the exceptions of `answer`, FunctionFailed if the worker's HTTP server does not respond, and
        those of the exchange for a response that cannot be sent. If the caller is cancelled, so is the invocation.
        """
        forwarding = asyncio.create_task(self._forward())
        watching = asyncio.create_task(self._exchange.wait_disconnected())
        try:
            await asyncio.wait((forwarding, watching, self._answer), return_when=asyncio.FIRST_COMPLETED)
            if self._has_failed() and not self.is_unrouted:
                return self._answer.result()
            await asyncio.wait((forwarding, watching), return_when=asyncio.FIRST_COMPLETED)
            if self._is_passed_back:
                await asyncio.wait((forwarding,))
            if not forwarding.done():
                self._gone = ClientGone(watching.result())
                await _ended(forwarding)
            if self._gone is not None:
                await self._end_invocation()
                raise self._gone
            return await self._result(forwarding)
        finally:
            for task in (forwarding, watching):
                task.cancel()
            await asyncio.gather(forwarding, watching, return_exceptions=True)
            if not self._answer.done():
                self._cancel_invocation()
            elif not self._answer.cancelled():
                self._answer.exception()  # may not be needed

    async def _result(self, forwarding: "asyncio.Task[None]") -> Any:
        """The answer to the invocation of a request that was passed on, or the reason why it was not."""
        error = forwarding.exception()
        if error is None:
            await asyncio.wait((self._answer,))
            if self.is_unrouted and self._has_failed():
                raise FunctionFailed(
                    "RouteNotFound",
                    f"The worker's HTTP server has no route for {self._exchange.head.path}. It takes the route prefix "
                    "from host.json in the folder of its assembly.",
                )
            return self._answer.result()
        await self._end_invocation()
        if isinstance(error, aiohttp.ClientError) and self._has_failed():
            return self._answer.result()  # the worker died, or the function failed
        if isinstance(error, aiohttp.ClientError):
            raise FunctionFailed(type(error).__name__, f"The worker's HTTP server did not respond: {error}") from error
        raise error

    async def _forward(self) -> None:
        response = await self._proxy.send(self._exchange.head, self._id, self._body())
        try:
            await self._pass_back(response)
        finally:
            response.close()

    async def _pass_back(self, response: aiohttp.ClientResponse) -> None:
        """Pass the response on. It begins with its first byte, because a failed function responds with an empty 200."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
        part = await response.content.readany()
        if not part and response.status == 404:
            await asyncio.wait((self._answer,), timeout=ENDS_WITHIN)
            self.is_unrouted = not self._answer.done()
        if not part and not self.is_unrouted:
            await asyncio.wait((self._answer,))
            if self._has_failed():
                return
        await self._exchange.begin(response.status, headers)
        while part:
            await self._exchange.write(part)
            part = await response.content.readany()
        self._is_passed_back = True
        if self.is_unrouted:
            self._cancel_invocation()
        else:
            await asyncio.wait((self._answer,))
        if self.is_unrouted or not self._has_failed():
            await self._exchange.end()

    async def _body(self) -> AsyncIterator[bytes]:
        try:
            while data := await self._exchange.read():
                yield data
        except ClientGone as error:
            self._gone = error
            raise

    def _has_failed(self) -> bool:
        """Whether the invocation has failed or was cancelled."""
        return self._answer.done() and (
            self._answer.exception() is not None or self._answer.result().result.status != _SUCCESS
        )

    def _cancel_invocation(self) -> None:
        if not self._is_canceled:
            self._is_canceled = True
            self._cancel()

    async def _end_invocation(self) -> None:
        """Cancel the invocation, and wait until it has ended."""
        if not self._answer.done():
            self._cancel_invocation()
            await asyncio.wait((self._answer,))


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def _headers(head: RequestHead, invocation_id: str) -> Mapping[str, str]:
    """The headers of the client, and those that tell the worker who called which address."""
    headers: CIMultiDict[str] = CIMultiDict()
    host = ""
    for name, value in head.headers:
        key = name.lower()
        if key == "host":
            host = value
        elif key not in _NOT_PASSED_ON:
            headers.add(name, value)
    headers["x-forwarded-host"] = host
    headers["x-forwarded-proto"] = head.scheme
    if head.client is not None:
        headers["x-forwarded-for"] = head.client[0]
    headers[INVOCATION_ID] = invocation_id
    return headers
