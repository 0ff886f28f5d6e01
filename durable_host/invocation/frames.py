"""Encodes and decodes frames on the worker's pipes, host side. `durable_host/worker/frames.py` has the format."""

import json
from typing import Any

import msgspec

from durable_host.invocation.datum import NONE, Datum, HttpData, HttpReply
from durable_host.worker.frames import INLINE_TEXT, LENGTHS, FrameBody

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def encode_to_worker(header: dict[str, Any], blob: list[bytes] | None = None) -> bytes:
    try:
        text = _encoder.encode(header)
    except UnicodeEncodeError:
        text = json.dumps(header).encode("ascii")
    if not blob:
        return LENGTHS.pack(len(text), 0) + text
    return b"".join((LENGTHS.pack(len(text), sum(map(len, blob))), text, *blob))


def decode_header(header: bytes | bytearray) -> dict[str, Any]:
    """The header of a frame from a worker."""
    try:
        return _decoder.decode(header)
    except (msgspec.DecodeError, UnicodeError):
        return json.loads(header)  # Python's JSON may contain NaN and unpaired surrogates, unlike the standard


def write_datum(datum: Datum, blob: FrameBody) -> list[Any]:
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
        body, is_complete = blob[start : start + size], reply.get("complete", False)
        return Datum(kind, HttpReply(status, reply["headers"], reply["cookies"], body, is_complete))
    if kind == "none":
        return NONE
    return Datum(kind, value[1])
