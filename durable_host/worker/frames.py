"""Frames on the pipes between host and worker.

A frame has two big-endian 32-bit lengths, a JSON header of the first length, and a blob of the second. Bytes and long
texts are in the blob; the header refers to them by offset and length.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

LENGTHS = struct.Struct(">II")
INLINE_TEXT = 2048


def _header_encoder() -> Callable[[dict[str, Any]], str]:
    """One C encoder for all headers. `json.JSONEncoder.encode` creates one for each, which takes twice as long."""
    whole = json.JSONEncoder(separators=(",", ":"), check_circular=False)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    sample = {"k": ["\u00e9", 1, None, True]}
    try:
        text = json.encoder.encode_basestring_ascii
        parts = make(None, whole.default, text, None, ":", ",", False, False, True)
        if "".join(parts(sample, 0)) == whole.encode(sample):
            return lambda header: "".join(parts(header, 0))
    except TypeError:
        pass
    return whole.encode


_encode_header = _header_encoder()
_parse = json.JSONDecoder().raw_decode


def encode_frame(header: dict[str, Any], blob: FrameBody | None = None) -> bytes:
    text = _encode_header(header).encode("ascii")
    if blob is None or not blob.parts:
        return LENGTHS.pack(len(text), 0) + text
    return b"".join((LENGTHS.pack(len(text), blob.size), text, *blob.parts))


def decode_header(header: bytes | bytearray) -> dict[str, Any]:
    return _parse(header.decode("utf-8", "surrogatepass"))[0]


class FrameBody:
    """The blob of an outgoing frame while it is being built."""

    __slots__ = ("parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> tuple[int, int]:
        """Add `data` and return its offset and length for the header."""
        place = (self.size, len(data))
        self.parts.append(data)
        self.size += len(data)
        return place


class FrameParser:
    """Splits a byte stream into frames. `decode` parses a header."""

    def __init__(self, decode: Callable[[bytes | bytearray], dict[str, Any]] = decode_header) -> None:
        self._decode = decode
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[dict[str, Any], bytes]]:
        """The header and the blob of each frame that `data` completes. The rest is kept for the next call."""
        buffer: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            buffer = self._buffer
        frames: list[tuple[dict[str, Any], bytes]] = []
        start, available = 0, len(buffer)
        while available - start >= LENGTHS.size:
            header_size, blob_size = LENGTHS.unpack_from(buffer, start)
            header_start = start + LENGTHS.size
            blob_start = header_start + header_size
            end = blob_start + blob_size
            if end > available:
                break
            header = self._decode(buffer[header_start:blob_start])
            frames.append((header, bytes(memoryview(buffer)[blob_start:end]) if blob_size else b""))
            start = end
        if buffer is self._buffer:
            del self._buffer[:start]
        elif start < available:
            self._buffer += memoryview(data)[start:]
        return frames
