"""Accepts non-standard HTTP methods: Azure's web server accepts any name, aiohttp's fast parser does not.

After such a request, the connection uses aiohttp's other parser, which is slower.
"""

import re
from collections.abc import Callable
from typing import Any

from aiohttp.http_exceptions import BadHttpMethod

_USUAL = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"})
_FIRST_WORD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}) ")


class AnyMethodParser:
    """Uses the parser `quick` until it refuses a method, then the one that `tolerant` creates."""

    def __init__(self, quick: Any, tolerant: Callable[[], Any]) -> None:
        self._parser = quick
        self._tolerant = tolerant

    def feed_data(self, data: bytes) -> Any:
        """Parse data. Raises the parser's exception if it is not HTTP."""
        try:
            return self._parser.feed_data(data)
        except BadHttpMethod:
            if not has_made_up_method(data):
                raise
        self._parser = self._tolerant()
        return self._parser.feed_data(data)

    def message_consumed(self) -> None:
        """Called for every request: `__getattr__` would take longer."""
        self._parser.message_consumed()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


def has_made_up_method(data: bytes) -> bool:
    """Whether `data` begins with a request whose method the fast parser may refuse."""
    match = _FIRST_WORD.match(data)
    return match is not None and match[1] not in _USUAL
