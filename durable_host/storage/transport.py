"""HTTP requests to the services of a storage account: one session, short retries, errors without secrets."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
from aiohttp.hdrs import ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT
from multidict import CIMultiDictProxy
from yarl import URL

from durable_host.storage.auth import Authorization
from durable_host.storage.connection_pool import NewestFirstConnector
from durable_host.storage.errors import UNAVAILABLE, StorageError, StorageUnavailable, sentence_for, storage_error
from durable_host.storage.plain_http import PlainHttp
from durable_host.storage.standstill import STALL_SECONDS, Standstill

Query = Sequence[tuple[str, str]]
Pause = Callable[[float], Awaitable[None]]
"""Waits for some seconds."""

RETRY_DELAYS = (0.0, 0.1, 0.3, 0.8, 1.5)
CONNECT_TIMEOUT = 5.0
CONNECT_RETRIES = 1
ANSWER_TIMEOUT = 30.0
_BYTES_PER_SECOND = 500_000
_PIECEMEAL = 512 * 1024
_RETRIED_STATUSES = frozenset((408, 429, 500, 502, 503, 504))
_XML_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_XML_MESSAGE = re.compile(rb"<Message>([^<]*)")
_JSON_CODE = re.compile(rb'"code"\s*:\s*"([^"]*)"')
_JSON_MESSAGE = re.compile(rb'"value"\s*:\s*"((?:[^"\\]|\\.)*)"')


class RequestSession(Protocol):
    """Where the requests of one account go: to the network, or to storage in memory."""

    def get(self) -> Any:
        """What sends requests, with the method `request` of aiohttp's ClientSession."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class AccountSession:
    """The connections of one account: plain ones, and a session of aiohttp for TLS, which the first request opens."""

    def __init__(self, max_connections: int, keepalive: float) -> None:
        self._max_connections = max_connections
        self._keepalive = keepalive
        self._timeout = aiohttp.ClientTimeout(sock_read=ANSWER_TIMEOUT, sock_connect=CONNECT_TIMEOUT)
        self._plain = PlainHttp(max_connections, keepalive, self._timeout)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def get(self) -> "AccountSession":
        """What sends requests."""
        if self._closed:
            raise StorageUnavailable(0, "Closed", "The storage account's connections are already closed")
        return self

    def request(self, method: str, url: URL, **options: Any) -> Any:
        """Send a request, like `request` of aiohttp's ClientSession."""
        return (self._plain if url.scheme == "http" else self._over_tls()).request(method, url, **options)

    def _over_tls(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=NewestFirstConnector(
                    limit=0, limit_per_host=self._max_connections, keepalive_timeout=self._keepalive
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=(ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT),
                timeout=self._timeout,
            )
        return self._session

    async def close(self) -> None:
        """Close all connections; further requests fail."""
        self._closed = True
        await self._plain.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class StorageResponse:
    """The status, headers and whole body of a response with a status below 300, or one that the caller expects."""

    __slots__ = ("after_retry", "body", "headers", "status")

    def __init__(self, status: int, headers: CIMultiDictProxy[str], body: bytes, after_retry: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.after_retry = after_retry


class HttpChannel:
    """Requests to one service of an account.

    `send` retries for a few seconds if the service cannot be reached, breaks the connection, or returns a temporary
    error. If a response is lost, a request may therefore take effect twice: a message may be put twice, or an insert
    may find its own row (then `after_retry` is set on the error).
    """

    def __init__(
        self,
        service: str,
        endpoint: str,
        session: RequestSession,
        authorization: Authorization,
        standstill: Standstill | None = None,
        pause: Pause = asyncio.sleep,
        setting: str = "",
    ) -> None:
        url = URL(endpoint, encoded=True)
        self.service = service
        self.endpoint = endpoint
        self.base_path = url.raw_path.rstrip("/")
        self._origin = endpoint.rstrip("/")[: len(endpoint.rstrip("/")) - len(self.base_path)]
        self._session = session
        self._authorization = authorization
        self._standstill = standstill or Standstill()
        self._pause = pause
        self._setting = setting
        self.requests = 0
        """The attempts since the start."""
        self._name = f"The {service} service at {self._origin}{self.base_path}"

    async def send(
        self,
        method: str,
        path: str,
        query: Query = (),
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        expect: tuple[int, ...] = (),
    ) -> StorageResponse:
        """Send a request. `path` is percent-encoded and relative to the endpoint, `query` sorted, with decoded values.

        Raises the StorageError for the response's status, unless it is below 300 or in `expect`.
        """
        path = self.base_path + path
        url = self._url(path, query)
        options: dict[str, Any] = {}
        if len(body) > _BYTES_PER_SECOND:
            total = ANSWER_TIMEOUT + len(body) / _BYTES_PER_SECOND
            options["timeout"] = aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_TIMEOUT)
        attempt = 0
        after_retry = False
        while True:
            signed = await self._signed(method, path, query, headers, len(body))
            self.requests += 1
            watch = self._standstill.watch(self._name, STALL_SECONDS + len(body) / _BYTES_PER_SECOND)
            try:
                async with self._session.get().request(
                    method, url, data=_payload(body), headers=signed, allow_redirects=False, **options
                ) as response:
                    self._standstill.answered(self._name)
                    watch.end()
                    content = await response.read()
                status = response.status
                if status < 300 or status in expect:
                    return StorageResponse(status, response.headers, content, after_retry)
                if status not in _RETRIED_STATUSES or attempt >= len(RETRY_DELAYS):
                    raise self._refusal(StorageResponse(status, response.headers, content, after_retry), method, path)
            except aiohttp.ClientConnectorError as failure:
                if attempt >= len(RETRY_DELAYS):
                    raise self._unavailable(failure, after_retry, f"{method} {path}") from None
            except aiohttp.ConnectionTimeoutError as failure:
                if attempt >= CONNECT_RETRIES:
                    raise self._unavailable(failure, after_retry, f"{method} {path}") from None
            except (aiohttp.ClientError, TimeoutError, OSError) as failure:
                after_retry = True
                if attempt >= len(RETRY_DELAYS) or isinstance(failure, TimeoutError):
                    raise self._unavailable(failure, after_retry, f"{method} {path}") from None
            else:
                after_retry = True
            finally:
                watch.end()
            await self._pause(RETRY_DELAYS[attempt])
            attempt += 1

    def _url(self, path: str, query: Query) -> URL:
        parts = [f"{name}={quote(value, safe='')}" for name, value in query]
        if tail := self._authorization.query_tail:
            parts.append(tail)
        return URL(f"{self._origin}{path}?{'&'.join(parts)}" if parts else f"{self._origin}{path}", encoded=True)

    async def _signed(
        self, method: str, path: str, query: Query, headers: dict[str, str] | None, length: int
    ) -> dict[str, str]:
        """A copy of `headers` with the authorization, which expires: each attempt needs its own."""
        signed = dict(headers) if headers else {}
        try:
            if not self._authorization.is_ready():
                await self._authorization.prepare()
            self._authorization.authorize(method, path, query, signed, length)
        except StorageError as error:
            error.setting = self._setting
            raise
        return signed

    def error(self, reply: StorageResponse, path: str) -> StorageError:
        """The error for a response. It contains the path without the query string."""
        code = reply.headers.get("x-ms-error-code") or _first(_XML_CODE, reply.body) or _first(_JSON_CODE, reply.body)
        text = _first(_XML_MESSAGE, reply.body) or _first(_JSON_MESSAGE, reply.body).replace("\\n", "\n")
        text = text.split("\n", 1)[0].strip() or sentence_for(reply.status, code)
        message = f"{self.service} {path}: {text}"
        return storage_error(reply.status, code or f"Http{reply.status}", message, after_retry=reply.after_retry)

    def _refusal(self, reply: StorageResponse, method: str, path: str) -> StorageError:
        error = self.error(reply, path)
        error.request = f"{method} {self._origin}{path}"
        error.setting = self._setting
        return error

    def _unavailable(self, failure: BaseException, after_retry: bool, request: str) -> StorageUnavailable:
        if isinstance(failure, aiohttp.ClientConnectorError):
            reason = failure.os_error.strerror or str(failure.os_error) or type(failure.os_error).__name__
        elif isinstance(failure, TimeoutError):
            reason = f"no answer in time to {request}"
        else:
            reason = type(failure).__name__
        message = f"{self._name} does not answer: {reason}"
        return StorageUnavailable(0, UNAVAILABLE, message, after_retry=after_retry)


def _payload(body: bytes) -> Any:
    """The body as the session takes it. aiohttp (TLS) sends a file in pieces, so that encryption does not block the
    event loop; `PlainHttp` sends the whole body.
    """
    if len(body) > _PIECEMEAL:
        return BytesIO(body)
    return body or None


def _first(pattern: re.Pattern[bytes], body: bytes) -> str:
    found = pattern.search(body[:4096])
    return found.group(1).decode("utf-8", "replace") if found else ""
