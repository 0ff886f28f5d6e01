"""Plain requests, which a connection answers without aiohttp's request, task and response objects.

aiohttp's objects take a fifth of the host's time for an HTTP request. A function gets the same data from a plain
request as from aiohttp's, and the client gets the same bytes.
"""

from collections.abc import Callable, Coroutine
from itertools import chain
from typing import Any

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.helpers import must_be_empty_body, rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_response import REASON_PHRASES
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

LONGEST_HEADER = 32_768
"""The limit of Azure's web server for all headers of a request."""
MOST_HEADERS = 100
"""The most headers of a request, as in Azure's web server."""
LONGEST_BODY = 65_536
"""Bytes in the body of a plain request."""
LONGEST_COPY = 524_288
"""Bytes in the body of a plain response: copying a longer one takes more time than aiohttp's objects."""


class PlainRequest:
    """A request with a small body, or none. The members with the names of aiohttp's have the same values.

    `size` is the number of bytes of the body.
    """

    __slots__ = ("_body", "headers", "host", "method", "rel_url", "size")
    scheme = "http"

    def __init__(self, message: RawRequestMessage, host: str, body: StreamReader, size: int) -> None:
        self.method: str = message.method
        self.headers: CIMultiDictProxy[str] = message.headers
        self.host = host
        self.rel_url: URL = message.url
        self.size = size
        self._body = body

    async def read(self) -> bytes:
        """The body, once. Raises ConnectionError if the client disconnects before it has sent all of it."""
        return await self._body.read()


ExpressAnswer = Coroutine[Any, Any, bytes | web.StreamResponse]
"""Head and body of a response, or a response that is sent as usual. Raises like the handlers of aiohttp's requests."""
Express = Callable[[PlainRequest], ExpressAnswer | None]
"""Begins the answer to a plain request; None if a usual handler has to answer."""


def plain_request(message: RawRequestMessage, body: StreamReader) -> PlainRequest | None:
    """The request, if it is plain: nothing in it has a meaning for the connection, and all of it is ASCII."""
    headers = message.headers
    if (
        message.version != HttpVersion11
        or message.should_close
        or message.upgrade
        or message.chunked
        or message.url.absolute
        or (host := headers.get(hdrs.HOST)) is None
        or hdrs.EXPECT in headers
        or hdrs.UPGRADE in headers
        or hdrs.TRANSFER_ENCODING in headers
        or len(message.raw_headers) > MOST_HEADERS
    ):
        return None
    raw = b"".join(chain.from_iterable(message.raw_headers))
    if len(raw) > LONGEST_HEADER or not raw.isascii():
        return None
    if body is EMPTY_PAYLOAD:
        return PlainRequest(message, host, body, 0)
    length = headers.get(hdrs.CONTENT_LENGTH, "")
    return (
        PlainRequest(message, host, body, int(length)) if length.isdecimal() and int(length) <= LONGEST_BODY else None
    )


def plain_response(method: str, status: int, headers: CIMultiDict[str], body: bytes) -> bytes | None:
    """Head and body of the response; None for a long body, or if more than three headers would have to be added."""
    if len(body) > LONGEST_COPY or must_be_empty_body(method, status) or hdrs.CONTENT_LENGTH in headers:
        return None
    lines = [f"HTTP/1.1 {status} {REASON_PHRASES.get(status, '')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    if hdrs.DATE not in headers:
        lines.append(f"Date: {rfc822_formatted_time()}")
    if hdrs.SERVER not in headers:
        lines.append(f"Server: {SERVER_SOFTWARE}")
    return "\r\n".join((*lines, "", "")).encode() + body
