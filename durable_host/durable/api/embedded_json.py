"""Handles JSON texts without changing them: checks, compacts and embeds them into responses.

Numbers keep their spelling. `NaN` and `Infinity`, which Python's encoder writes, are accepted and become strings in
responses, as in Json.NET.
"""

import json
import math
from typing import Any, cast

import msgspec

_raw = msgspec.json.Decoder(msgspec.Raw)
_encoder = msgspec.json.Encoder()


class InvalidJson(ValueError):
    """The text is not JSON."""


def decoded(body: bytes, charset: str | None = None, errors: str = "strict") -> str:
    """Decode `body` without a byte order mark. An unknown charset counts as UTF-8. Raises `InvalidJson`."""
    try:
        return body.decode(charset or "utf-8", errors).removeprefix("\ufeff")
    except LookupError:
        return decoded(body, errors=errors)
    except ValueError as error:
        raise InvalidJson(str(error)) from error


def checked(text: str) -> str:
    """Return `text` if it is JSON. Raises `InvalidJson`."""
    try:
        _raw.decode(text)
    except (ValueError, RecursionError):
        _check_leniently(text)
    return text


def compact(text: str) -> str:
    """Return `text` without whitespace between tokens. Raises `InvalidJson`."""
    checked(text)
    try:
        return msgspec.json.format(text, indent=-1)
    except (ValueError, RecursionError):
        return json.dumps(json.loads(text), separators=(",", ":"))


def embedded(text: str | None) -> Any:
    """Return `text` for use in a larger response: as JSON if it is JSON, otherwise as a string."""
    if text is None:
        return None
    try:
        return _raw.decode(text)
    except (ValueError, RecursionError):
        pass
    try:
        return msgspec.Raw(json.dumps(_finite(json.loads(text))).encode())
    except (ValueError, RecursionError):
        return text


def encoded(answer: Any) -> bytes:
    """Encode a response that may contain embedded texts. Unpaired surrogates become U+FFFD."""
    try:
        return _encoder.encode(answer)
    except UnicodeEncodeError:
        return _encoder.encode(_well_formed(answer))


def _check_leniently(text: str) -> None:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(str(error)) from error


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [_finite(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in cast("dict[str, Any]", value).items()}
    return value


def _well_formed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_well_formed(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {_well_formed(key): _well_formed(item) for key, item in cast("dict[str, Any]", value).items()}
    return value
