"""JSON texts that pass through: checked, compacted, embedded into answers, never rewritten.

Numbers keep their spelling. `NaN` and `Infinity`, which Python's encoder writes, are accepted, and become strings in
answers (as Json.NET does).
"""

import json
import math
from typing import Any, cast

import msgspec

_raw = msgspec.json.Decoder(msgspec.Raw)
_encoder = msgspec.json.Encoder()


class InvalidJson(ValueError):
    """The text is not JSON."""


def checked(body: bytes) -> str:
    """The text of `body` as it is. Raises `InvalidJson`."""
    try:
        text = body.decode("utf-8-sig")
        _raw.decode(text)
    except (ValueError, RecursionError):
        return _checked_leniently(body)
    return text


def compact(body: bytes) -> str:
    """The text of `body` without whitespace between tokens. Raises `InvalidJson`."""
    text = checked(body)
    try:
        return msgspec.json.format(text, indent=-1)
    except (ValueError, RecursionError):
        return json.dumps(json.loads(text), separators=(",", ":"))


def embedded(text: str | None) -> Any:
    """`text` as a part of a larger answer: its JSON if it is some, else the text itself as a string."""
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
    """JSON of an answer that may hold embedded texts; unpaired surrogates become U+FFFD."""
    try:
        return _encoder.encode(answer)
    except UnicodeEncodeError:
        return _encoder.encode(_well_formed(answer))


def _checked_leniently(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(str(error)) from error
    return text


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
