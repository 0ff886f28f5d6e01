"""A response that a test reads while the function still writes it."""

from collections.abc import Iterator

import aiohttp
from multidict import CIMultiDictProxy

from durable_host.testing.loop_thread import LoopThread

__tracebackhide__ = True


class StreamedReply:
    """A response whose head has arrived. Read its body once, with one of the methods."""

    def __init__(self, response: aiohttp.ClientResponse, thread: LoopThread) -> None:
        self._response = response
        self._thread = thread

    @property
    def status_code(self) -> int:
        return self._response.status

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        return self._response.headers

    def iter_bytes(self) -> Iterator[bytes]:
        """The pieces of the body as they arrive. Raises aiohttp.ClientPayloadError if the response is interrupted."""
        while piece := self._thread.run(self._response.content.readany()):
            yield piece

    def iter_lines(self, encoding: str = "utf-8") -> Iterator[str]:
        """The lines of the body as they arrive, without their ends, as for server-sent events."""
        while line := self._thread.run(self._response.content.readline()):
            yield line.decode(encoding, "replace").rstrip("\r\n")

    def read(self) -> bytes:
        """The rest of the body, when the function has written all of it."""
        return self._thread.run(self._response.read())
