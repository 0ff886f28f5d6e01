"""Values that host and worker exchange.

Source: docs/protocol/functions-host-values.md#inputs
"""

from typing import Any, Literal

import msgspec

Kind = Literal["string", "bytes", "json", "http", "int", "double", "collection_string", "collection_bytes", "none"]


class HttpData(msgspec.Struct, frozen=True):
    """An HTTP request for user code. `query` has no empty values; values of repeated names are joined with `,`."""

    method: str
    url: str
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    params: dict[str, str] = {}
    body: bytes = b""


class HttpReply(msgspec.Struct, frozen=True):
    """A response from user code. `cookies` are whole Set-Cookie values, which `headers` does not contain.

    `is_complete`: no headers are added; a body without a content type is sent without one.
    """

    status: int
    headers: dict[str, str] = {}
    cookies: list[str] = []
    body: bytes = b""
    is_complete: bool = False


class Datum(msgspec.Struct, frozen=True):
    """A value. The type of `value` depends on the kind.

    string, json: str; bytes: bytes; http: HttpData (in) or HttpReply (out); int, double: number; collection_string,
    collection_bytes: list; none: None.
    """

    kind: Kind
    value: Any = None

    @property
    def is_none(self) -> bool:
        return self.kind == "none"

    def as_text(self) -> str | None:
        """Strings and JSON unchanged, numbers as in JSON, bytes decoded as UTF-8; None for none and http."""
        if self.kind in ("string", "json"):
            return self.value
        if self.kind == "bytes":
            return self.value.decode("utf-8", "replace")
        if self.kind in ("none", "http"):
            return None
        return msgspec.json.encode(self.value).decode()


NONE = Datum("none")


def string(value: str) -> Datum:
    return Datum("string", value)


def json_text(value: str) -> Datum:
    return Datum("json", value)


def binary(value: bytes) -> Datum:
    return Datum("bytes", value)
