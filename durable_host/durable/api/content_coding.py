"""Decompresses bodies with a `Content-Encoding` piece by piece, so that none grows beyond its limit."""

import zlib
from typing import Protocol

from durable_host.durable.api.errors import InvalidArgument

_GZIP_OR_ZLIB = 47


class UnknownCoding(Exception):
    """The body has a `Content-Encoding` that this host does not support."""


class Unpacker(Protocol):
    """Decompresses a body. `unpack` returns at most `limit` bytes of content. Both methods raise `InvalidArgument`."""

    def unpack(self, data: bytes, limit: int) -> bytes: ...

    def end(self) -> None: ...


class _Plain:
    def unpack(self, data: bytes, limit: int) -> bytes:
        return data

    def end(self) -> None:
        pass


class _Zlib:
    def __init__(self) -> None:
        self._state = zlib.decompressobj(_GZIP_OR_ZLIB)

    def unpack(self, data: bytes, limit: int) -> bytes:
        try:
            return self._state.decompress(data, limit)
        except zlib.error as error:
            raise InvalidArgument(f"The body cannot be decompressed: {error}") from error

    def end(self) -> None:
        if not self._state.eof or self._state.unused_data:
            raise InvalidArgument("The body cannot be decompressed: it does not end where its content does")


def unpacker(coding: str) -> Unpacker:
    """Return the unpacker for a value of `Content-Encoding`. Raises `UnknownCoding`."""
    match coding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip" | "deflate":
            return _Zlib()
        case _:
            raise UnknownCoding
