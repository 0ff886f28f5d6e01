"""Methods that are not HTTP's own: Azure's web server takes any name, aiohttp's quick parser does not.

A connection whose request has one goes on with aiohttp's other parser, which is slower.
"""

import asyncio
import re
from typing import Any

from aiohttp import web
from aiohttp.http_parser import HttpRequestParserPy

_USUAL = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"})
_FIRST_WORD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100})( |\Z)")


def has_made_up_method(beginning: bytes) -> bool:
    """Whether a request that begins like this has a method that the quick parser may refuse."""
    match = _FIRST_WORD.match(beginning)
    if match is None:
        return False
    word, is_whole = match[1], bool(match[2])
    return word not in _USUAL and (is_whole or not any(usual.startswith(word) for usual in _USUAL))


def parser_for_any_method(connection: web.RequestHandler, loop: asyncio.AbstractEventLoop, field_size: int) -> Any:
    """In place of the connection's own parser, between two requests."""
    return HttpRequestParserPy(
        connection,
        loop,
        2**16,
        max_line_size=connection.max_line_size,
        max_field_size=field_size,
        payload_exception=web.RequestPayloadError,
        auto_decompress=False,
    )
