"""A connection whose client may shut its side down once it has sent its request."""

from typing import Any

from aiohttp import web


class Connection(web.RequestHandler):
    """aiohttp's own closes the connection at once, and nobody gets the answer."""

    __slots__ = ("_last_body",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._last_body: Any = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages:
            self._last_body = self._messages[-1][1]

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Whether to keep the connection until a request that has come whole is answered."""
        is_idle = self._waiter is not None and not self._waiter.done()
        is_whole = not is_idle and self._last_body is not None and self._last_body.is_eof()
        if is_whole:
            self.close()
        return is_whole
