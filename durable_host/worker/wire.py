"""Converts between values in frames and the SDK's `Datum`.

In a frame, a value is a list: its kind, then the value itself, or its offset and length in the frame's blob.
"""

from __future__ import annotations

import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from .frames import INLINE_TEXT, FrameBody

EMPTY: list[Any] = ["none"]
COOKIE_EXPIRES = "%a, %d %b %Y %H:%M:%S GMT"


def read(datum: Any, value: list[Any], blob: bytes) -> Any:
    """The SDK's datum for a value in a frame; `datum` is the SDK's class."""
    kind = value[0]
    if kind in ("string", "json"):
        return datum(_text(value, blob), kind)
    if kind == "http":
        return datum(_http(datum, value[1], blob), kind)
    if kind == "bytes":
        return datum(blob[value[1] : value[1] + value[2]], kind)
    if kind == "none":
        return datum(None, None)
    if kind == "collection_string":
        return datum(SimpleNamespace(string=value[1]), kind)
    if kind == "collection_bytes":
        return datum(SimpleNamespace(bytes=[blob[start : start + size] for start, size in value[1]]), kind)
    raise NotImplementedError(f"unsupported TypeData kind: {kind}")


def read_metadata(datum: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    """Trigger metadata in the form of Azure's host: texts unchanged, other values as JSON."""
    return {
        name: datum(value, "string") if isinstance(value, str) else datum(json.dumps(value), "json")
        for name, value in metadata.items()
        if value is not None
    }


def write(value: Any, blob: FrameBody, raw_cookies: list[str]) -> list[Any]:
    """The frame's value for a converter's datum. `raw_cookies`: Set-Cookie headers as user code has set them."""
    kind, content = value.type, value.value
    if kind is None:
        return EMPTY
    if kind in ("string", "json"):
        return _write_text(kind, content, blob)
    if kind == "bytes":
        return [kind, *blob.add(bytes(content))]
    if kind in ("dict", "list"):
        return _write_text("json", json.dumps(content), blob)
    if kind == "bool":
        return ["int", int(content)]
    if kind in ("int", "double"):
        return [kind, content]
    if kind == "http":
        for parsed in content.get("cookies") or ():
            _check_expires(parsed)
        return [
            kind,
            {
                "status": content["status_code"].value,
                "headers": {name: header.value for name, header in content["headers"].items()},
                "cookies": raw_cookies,
                "body": blob.add(content["body"].value),
            },
        ]
    raise TypeError(f"unexpected Datum type: {kind!r}")


def _text(value: list[Any], blob: bytes) -> str:
    if len(value) == 2:
        return value[1]
    return blob[value[1] : value[1] + value[2]].decode("utf-8", "surrogatepass")


def _write_text(kind: str, text: Any, blob: FrameBody) -> list[Any]:
    if not isinstance(text, str):
        text = text.decode("utf-8") if isinstance(text, (bytes, bytearray)) else json.dumps(text)
    if len(text) <= INLINE_TEXT:
        return [kind, text]
    return [kind, *blob.add(text.encode("utf-8", "surrogatepass"))]


def _http(datum: Any, request: dict[str, Any], blob: bytes) -> dict[str, Any]:
    start, size = request["body"]
    return {
        "method": datum(request["method"], "string"),
        "url": datum(request["url"], "string"),
        "headers": {name: datum(text, "string") for name, text in request["headers"].items()},
        "query": {name: datum(text, "string") for name, text in request["query"].items()},
        "params": {name: datum(text, "string") for name, text in request["params"].items()},
        "body": datum(blob[start : start + size], "bytes"),
    }


def _check_expires(parsed: Any) -> None:
    """Check `Expires`: Azure's worker accepts only one format, and fails the invocation for others."""
    for morsel in parsed.values():
        if morsel["expires"]:
            datetime.strptime(morsel["expires"], COOKIE_EXPIRES)
