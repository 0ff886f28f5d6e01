"""Frames on the worker's pipes, host side. The format is described in `durable_host/worker/frames.py`."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from durable_host.invocation.datum import NONE, Datum, HttpData, HttpReply

LENGTHS = struct.Struct(">II")
INLINE_TEXT = 2048

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def encode(header: dict[str, Any], blob: list[bytes] | None = None) -> bytes:
    try:
        text = _encoder.encode(header)
    except UnicodeEncodeError:
        text = json.dumps(header).encode("ascii")
    if not blob:
        return LENGTHS.pack(len(text), 0) + text
    return b"".join((LENGTHS.pack(len(text), sum(map(len, blob))), text, *blob))


class WorkerFrameParser:
    """Cuts what the worker writes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Complete frames, at once usable; the rest waits for more data."""
        buffer = self._buffer
        buffer += data
        start, available = 0, len(buffer)
        frames: list[tuple[dict[str, Any], bytes]] = []
        while available - start >= LENGTHS.size:
            header_size, blob_size = LENGTHS.unpack_from(buffer, start)
            header_start = start + LENGTHS.size
            blob_start = header_start + header_size
            end = blob_start + blob_size
            if end > available:
                break
            header = bytes(buffer[header_start:blob_start])
            frames.append((_decode(header), bytes(memoryview(buffer)[blob_start:end]) if blob_size else b""))
            start = end
        if start:
            del buffer[:start]
        return iter(frames)


def _decode(header: bytes) -> dict[str, Any]:
    try:
        return _decoder.decode(header)
    except (msgspec.DecodeError, UnicodeError):
        return json.loads(header)  # NaN, lone surrogates: Python's JSON has them, the standard has not


class BlobWriter:
    """Collects the raw part of one outgoing frame."""

    __slots__ = ("parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> tuple[int, int]:
        place = (self.size, len(data))
        self.parts.append(data)
        self.size += len(data)
        return place


def write_datum(datum: Datum, blob: BlobWriter) -> list[Any]:
    kind, value = datum.kind, datum.value
    if kind in ("string", "json"):
        if len(value) <= INLINE_TEXT:
            return [kind, value]
        return [kind, *blob.add(value.encode("utf-8", "surrogatepass"))]
    if kind == "bytes":
        return [kind, *blob.add(value)]
    if kind == "http":
        request: HttpData = value
        return [
            kind,
            {
                "method": request.method,
                "url": request.url,
                "headers": request.headers,
                "query": request.query,
                "params": request.params,
                "body": blob.add(request.body),
            },
        ]
    if kind == "none":
        return [kind]
    if kind == "collection_bytes":
        return [kind, [blob.add(item) for item in value]]
    return [kind, value]


def read_datum(value: list[Any], blob: bytes) -> Datum:
    kind = value[0]
    if kind in ("string", "json"):
        if len(value) == 2:
            return Datum(kind, value[1])
        return Datum(kind, blob[value[1] : value[1] + value[2]].decode("utf-8", "surrogatepass"))
    if kind == "bytes":
        return Datum(kind, blob[value[1] : value[1] + value[2]])
    if kind == "http":
        reply = value[1]
        start, size = reply["body"]
        status = int(reply["status"])
        return Datum(kind, HttpReply(status, reply["headers"], reply["cookies"], blob[start : start + size]))
    if kind == "none":
        return NONE
    return Datum(kind, value[1])
