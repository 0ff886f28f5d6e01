"""Calls the HTTP endpoints of an app in tests. `FunctionApp.client` is one; its requests need no socket.

response = app.client.post("/api/approvals", json={"amount": 100})
assert response.status_code == 202
status = app.client.get(response.json()["statusQueryGetUri"]).json()
"""

import json as json_module
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any, Final, TypedDict, Unpack

import aiohttp
from yarl import URL

from durable_host import __version__
from durable_host.testing.http_response import HttpResponse
from durable_host.testing.loop_thread import LoopThread
from durable_host.testing.streamed_reply import StreamedReply

__tracebackhide__ = True

Body = bytes | str | Iterable[bytes]
Parameters = Mapping[str, str | int | float | bool | Sequence[str]] | Sequence[tuple[str, str]]

OWN_HEADERS: Final = {"User-Agent": f"durable-host-testing/{__version__}"}
"""The headers of all requests, for the session."""
_TIMEOUT: Final = 300.0
_MOST_REDIRECTS: Final = 20
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOVES_TO_GET: Final = frozenset({301, 302, 303})


class RequestOptions(TypedDict, total=False):
    """What a request may have.

    At most one body: `json` (a value), `data` (the fields of a form, or an aiohttp.FormData for files) or `content`
    (text, bytes, or an iterable of bytes, which is sent in chunks). `params` are added to the query. Redirects within
    the app are followed unless `follow_redirects` is False. `timeout` is in real seconds, and replaces the limit that
    other steps of a test have.
    """

    json: Any
    data: Mapping[str, Any] | aiohttp.FormData
    content: Body
    headers: Mapping[str, str]
    params: Parameters
    follow_redirects: bool
    timeout: float


class HttpClient:
    """Sends requests to one app, by path or by a URL of the app. It keeps no cookies.

    A method returns when the response is complete and everything that follows at the current virtual time has
    happened; its result may be awaited too. `session` returns the session of the current test, `settle` waits for what
    follows, and `limit` ends a request, which its argument names, when a test should not wait for it any longer.
    """

    def __init__(
        self,
        thread: LoopThread,
        base_url: str,
        session: Callable[[], Awaitable[aiohttp.ClientSession]],
        settle: Callable[[], Awaitable[None]],
        limit: Callable[[str], AbstractAsyncContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._thread = thread
        self._session = session
        self._settle = settle
        self._limit = limit
        self._streams: dict[aiohttp.ClientResponse, tuple[float, float]] = {}

    def get(self, path: str, **options: Unpack[RequestOptions]) -> HttpResponse:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Unpack[RequestOptions]) -> HttpResponse:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[RequestOptions]) -> HttpResponse:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[RequestOptions]) -> HttpResponse:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[RequestOptions]) -> HttpResponse:
        return self.request("DELETE", path, **options)

    def head(self, path: str, **options: Unpack[RequestOptions]) -> HttpResponse:
        return self.request("HEAD", path, **options)

    def options(self, path: str, **options: Unpack[RequestOptions]) -> HttpResponse:
        return self.request("OPTIONS", path, **options)

    def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> HttpResponse:
        """Send a request and return the whole response.

        Raises ValueError for the URL of another server and for several bodies, StillBusy if the function does not end
        (TimeoutError after a `timeout`), and aiohttp.ClientError if the response is incomplete, as when the function
        fails while it streams.
        """
        url = self._url_of(path, options)
        _refuse_two_bodies(options)
        try:
            return self._thread.run(self._request(method, url, options))
        except TimeoutError as error:
            seconds = options.get("timeout", _TIMEOUT)
            raise TimeoutError(
                f"{method} {path} got no response within {seconds:g} s. Time stands still during a request: a function "
                "that waits for a timer, or for an orchestration that does, waits forever."
            ) from error

    @contextmanager
    def stream(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Generator[StreamedReply, None, None]:
        """Send a request and read the response piece by piece, while the function is still running.

        Leaving the block closes the connection, as a client does that goes away. Redirects are not followed. In the
        block, other calls of the app do not wait for this function. Raises like `request`.
        """
        url = self._url_of(path, options)
        _refuse_two_bodies(options)
        response = self._thread.run(self._open_stream(method, url, options))
        try:
            yield StreamedReply(response, self._thread)
        finally:
            self._thread.run(self._close_stream(response))

    def count_streams(self) -> int:
        """The number of `stream` blocks whose responses are not complete: their functions are still running."""
        return len(self.open_streams())

    def open_streams(self) -> list[tuple[float, float]]:
        """When each of them was requested, and when its response began, as `time.monotonic` says."""
        return [times for response, times in self._streams.items() if not response.content.is_eof()]

    async def _request(self, method: str, url: URL, options: RequestOptions) -> HttpResponse:
        history = tuple[HttpResponse, ...]()
        while True:
            seconds = options.get("timeout")
            limit = self._limited(method, url, seconds)
            async with limit, await self._begin(method, url, options, seconds) as response:
                found = await _whole(response, method, history)
            target = self._redirection(found, url) if options.get("follow_redirects", True) else None
            if target is None:
                await self._settle()
                return found
            if len(history) == _MOST_REDIRECTS:
                raise aiohttp.TooManyRedirects(response.request_info, response.history)
            moves = found.status_code in _MOVES_TO_GET and method not in ("GET", "HEAD")
            if moves:
                method, options = "GET", _without_body(options)
            url, history = target, (*history, found)

    def _limited(self, method: str, url: URL, seconds: float | None) -> AbstractAsyncContextManager[None]:
        return self._limit(f"{method} {url.path}") if seconds is None else nullcontext()

    async def _begin(
        self, method: str, url: URL, options: RequestOptions, seconds: float | None
    ) -> aiohttp.ClientResponse:
        session = await self._session()
        body, content_type = _body_of(options)
        headers = dict(options.get("headers", {}))
        if content_type is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = content_type
        return await session.request(
            method,
            url,
            data=body,
            headers=headers,
            allow_redirects=False,
            skip_auto_headers=() if "data" in options else ("Content-Type",),
            timeout=aiohttp.ClientTimeout(total=seconds),
        )

    async def _open_stream(self, method: str, url: URL, options: RequestOptions) -> aiohttp.ClientResponse:
        seconds = options.get("timeout")
        requested = time.monotonic()
        async with self._limited(method, url, seconds):
            response = await self._begin(method, url, options, _TIMEOUT if seconds is None else seconds)
        self._streams[response] = requested, time.monotonic()
        return response

    async def _close_stream(self, response: aiohttp.ClientResponse) -> None:
        self._streams.pop(response, None)
        response.close()
        await self._settle()

    def _url_of(self, path: str, options: RequestOptions) -> URL:
        """The URL of the app. Raises ValueError for the URL of another server."""
        if "://" not in path:
            path = f"{self.base_url}/{path.removeprefix('/')}"
        url = URL(path, encoded=_is_encoded(path))
        if url.origin() != URL(self.base_url).origin():
            raise ValueError(f"The client of the app sends requests to {self.base_url} only, not to {url}.")
        parameters = options.get("params")
        if not parameters:
            return url
        pairs = parameters.items() if isinstance(parameters, Mapping) else parameters
        return url.extend_query([(name, text) for name, value in pairs for text in _texts(value)])

    def _redirection(self, response: HttpResponse, url: URL) -> URL | None:
        """Where a response redirects to; None if it does not, or if the target is another server."""
        location = response.headers.get("Location")
        if response.status_code not in _REDIRECTS or location is None:
            return None
        target = url.join(URL(location, encoded=_is_encoded(location)))
        return target if target.origin() == URL(self.base_url).origin() else None


def _refuse_two_bodies(options: RequestOptions) -> None:
    given = [name for name in ("json", "data", "content") if name in options]
    if len(given) > 1:
        raise ValueError(f"A request has one body, but {' and '.join(given)} are given.")


def _body_of(options: RequestOptions) -> tuple[Any, str | None]:
    """The body for aiohttp and its content type."""
    if "json" in options:
        return json_module.dumps(options["json"], ensure_ascii=False).encode(), "application/json"
    if "data" in options:
        data = options["data"]
        return data if isinstance(data, aiohttp.FormData) else aiohttp.FormData(dict(data)), None
    content = options.get("content")
    if isinstance(content, str):
        return content.encode(), "text/plain; charset=utf-8"
    return (content if content is None or isinstance(content, bytes) else _pieces(content)), None


async def _pieces(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


def _without_body(options: RequestOptions) -> RequestOptions:
    kept: Any = {name: value for name, value in options.items() if name not in ("json", "data", "content", "headers")}
    headers = options.get("headers", {})
    kept["headers"] = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
    return kept


def _texts(value: str | float | bool | Sequence[str]) -> list[str]:
    if isinstance(value, bool):
        return [str(value).lower()]
    return [str(value)] if isinstance(value, str | int | float) else list(value)


def _is_encoded(url: str) -> bool:
    """Whether a URL has only characters that a request line may have, so that it can be sent unchanged."""
    return url.isascii() and url.isprintable() and not any(mark in url for mark in ' "<>\\^`{|}')


async def _whole(response: aiohttp.ClientResponse, method: str, history: tuple[HttpResponse, ...]) -> HttpResponse:
    return HttpResponse(
        method=method,
        url=str(response.url),
        status_code=response.status,
        reason=response.reason or "",
        headers=response.headers,
        content=await response.read(),
        encoding=response.get_encoding(),
        history=history,
    )
