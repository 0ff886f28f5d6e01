"""The port for the streamed HTTP request and response of a call."""

import asyncio
from typing import Protocol

import msgspec

from durable_host.invocation.datum import HttpReply

Address = tuple[str, int]


class RequestHead(msgspec.Struct, frozen=True, kw_only=True):
    """A request without its body, which follows if `has_body`.

    `path` and `query` are still percent-encoded; `headers` are in order, with unchanged names; `params` are the route
    values.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    params: dict[str, str] = {}
    scheme: str = "http"
    version: str = "1.1"
    client: Address | None = None
    server: Address | None = None
    has_body: bool = False

    def fields(self) -> dict[str, object]:
        """The fields for the `stream` frame, see `worker/http_stream.py`."""
        return {
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "params": self.params,
            "scheme": self.scheme,
            "version": self.version,
            "client": self.client,
            "server": self.server,
            "body": self.has_body,
        }


class HttpExchange(Protocol):
    """A request of a client and its response. All methods may raise ClientGone."""

    @property
    def head(self) -> RequestHead: ...

    async def read(self) -> bytes:
        """The next piece of the request body; empty at the end."""
        ...

    async def wait_disconnected(self) -> str:
        """Wait until the client disconnects, and return the reason as a sentence."""
        ...

    async def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send status and headers. Any error other than ClientGone ends the call and is raised to its caller."""
        ...

    async def write(self, data: bytes) -> None:
        """Send a piece of the body. Returns when the client can receive more."""
        ...

    async def end(self) -> None:
        """Complete the response."""
        ...


class CollectedExchange:
    """An exchange without a client: has a fixed request body, and keeps the first `limit` bytes of the response."""

    def __init__(self, head: RequestHead, body: bytes, limit: int) -> None:
        self.head = head
        self.reply = HttpReply(200)
        self._body = body
        self._limit = limit

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def wait_disconnected(self) -> str:
        """Wait until cancelled: there is no client that disconnects."""
        return await asyncio.get_running_loop().create_future()

    async def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.reply = HttpReply(status, dict(headers))

    async def write(self, data: bytes) -> None:
        kept = (self.reply.body + data)[: self._limit]
        self.reply = msgspec.structs.replace(self.reply, body=kept)

    async def end(self) -> None:
        pass
