"""Reads the response to a request from the bytes of its connection."""

import asyncio

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

_LONGEST_HEAD = 256 * 1024
_WITHOUT_BODY = frozenset((204, 304))


class ReceivedResponse:
    """A response: its status, its headers, and its body, which may still arrive."""

    __slots__ = ("_body", "headers", "status")

    def __init__(self, status: int, headers: CIMultiDictProxy[str], body: "asyncio.Future[bytes]") -> None:
        self.status = status
        self.headers = headers
        self._body = body

    async def read(self) -> bytes:
        """Wait for the body and return it."""
        return self._body.result() if self._body.done() else await self._body


class ResponseReader:
    """Reads the response to a request with `method`.

    `response` is set with its head. `allows_another` is true when it is complete and the server keeps the connection.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, method: str) -> None:
        self._method = method
        self.response: asyncio.Future[ReceivedResponse] = loop.create_future()
        self.allows_another = False
        self._body: asyncio.Future[bytes] = loop.create_future()
        self._data = bytearray()
        self._keeps = False
        self._length: int | None = None
        self._chunks: list[bytes] | None = None

    def feed(self, data: bytes) -> None:
        """Read bytes of the response."""
        self._data += data
        try:
            if not self.response.done():
                self._read_head()
            if self.response.done() and not self._body.done():
                self._read_body()
        except ValueError as problem:
            self.fail(aiohttp.ClientPayloadError(f"Invalid response: {problem}"))
        if self._data and self._body.done():
            self.allows_another = False

    def end(self, error: Exception | None) -> None:
        """The connection has ended."""
        if self.response.done() and self._length is None and self._chunks is None and error is None:
            self._complete(bytes(self._data))
        elif self.response.done():
            self.fail(aiohttp.ClientPayloadError("Response payload is not completed"))
        else:
            self.fail(aiohttp.ClientOSError(*error.args) if error is not None else aiohttp.ServerDisconnectedError())
        self.allows_another = False

    def fail(self, error: Exception) -> None:
        """Raise `error` where the response or its body is awaited, unless it has arrived."""
        self.allows_another = False
        for future in (self._body,) if self.response.done() else (self.response,):
            if not future.done():
                future.set_exception(error)
                future.exception()  # Nobody may be waiting for it.

    def _read_head(self) -> None:
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._data[:end].decode("utf-8", "surrogateescape").split("\r\n")
            del self._data[: end + 4]
            version, status = first.split(" ", 2)[:2]
            if not version.startswith("HTTP/1.") or len(status) != 3:
                raise ValueError(first)
            if not status.startswith("1"):
                self._begin(version, int(status), CIMultiDict([_field(line) for line in lines]))
                return
        if len(self._data) > _LONGEST_HEAD:
            raise ValueError("its head is too long")

    def _begin(self, version: str, status: int, headers: CIMultiDict[str]) -> None:
        self._keeps = version == "HTTP/1.1" and headers.get("Connection", "").lower() != "close"
        if status in _WITHOUT_BODY or self._method == "HEAD":
            self._length = 0
        elif headers.get("Transfer-Encoding", "").lower() == "chunked":
            self._chunks = []
        elif (length := headers.get("Content-Length")) is not None:
            self._length = _size(length, 10)
        if not self.response.done():
            self.response.set_result(ReceivedResponse(status, CIMultiDictProxy(headers), self._body))

    def _read_body(self) -> None:
        if self._chunks is not None:
            self._read_chunks(self._chunks)
        elif self._length is not None and len(self._data) >= self._length:
            body = bytes(self._data[: self._length])
            del self._data[: self._length]
            self._complete(body)

    def _read_chunks(self, chunks: list[bytes]) -> None:
        while (end := self._data.find(b"\r\n")) >= 0:
            size = _size(self._data[:end].split(b";")[0].decode(), 16)
            if size == 0:
                if (last := self._data.find(b"\r\n\r\n", end)) >= 0:
                    del self._data[: last + 4]
                    self._complete(b"".join(chunks))
                return
            if len(self._data) < end + size + 4:
                return
            if not self._data.startswith(b"\r\n", end + 2 + size):
                raise ValueError("a chunk is longer than its size")
            chunks.append(bytes(self._data[end + 2 : end + 2 + size]))
            del self._data[: end + 4 + size]

    def _complete(self, body: bytes) -> None:
        self.allows_another = self._keeps and not self._data and (self._length, self._chunks) != (None, None)
        if not self._body.done():
            self._body.set_result(body)


def _field(line: str) -> tuple[str, str]:
    name, separator, value = line.partition(":")
    if not separator:
        raise ValueError(line)
    return name, value.strip()


def _size(text: str, base: int) -> int:
    size = int(text, base)
    if size < 0:
        raise ValueError(f"a size is {text}")
    return size
