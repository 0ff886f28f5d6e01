"""A client's connection, where aiohttp's own leaves a client without its answer."""

from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage


class Connection(web.RequestHandler):
    """Answers clients that shut their side down once they have sent their request, and such whose body goes wrong."""

    __slots__ = ("_last_body",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._last_body: Any = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages:
            message, body = self._messages[-1]
            if not isinstance(message, RawRequestMessage):
                self._break_off(self._last_body)
            self._last_body = body

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Whether to keep the connection until a request that has come whole is answered."""
        is_idle = self._waiter is not None and not self._waiter.done()
        is_whole = not is_idle and self._last_body is not None and self._last_body.is_eof()
        if is_whole:
            self.close()
        return is_whole

    def _break_off(self, body: Any) -> None:
        """What has come is no HTTP. Who still reads the body of the last request would wait for the rest for ever."""
        if body is not None and not body.is_eof():
            body.set_exception(web.HTTPBadRequest(text="The body of the request is malformed."))
            body.feed_eof()
