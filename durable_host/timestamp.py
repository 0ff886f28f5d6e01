"""Points in time as integer ticks.

A tick is 100 ns; tick 0 is 0001-01-01T00:00:00 UTC. Times keep the precision of ticks everywhere, because entity
messages are ordered by, and GUIDs derived from, differences of one tick.

Source: docs/protocol/task-hub-storage-messages.md#json-form
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

TICKS_PER_SECOND = 10_000_000
TICKS_PER_MINUTE = 60 * TICKS_PER_SECOND
MIN_TICKS = 0
MAX_TICKS = 3155378975999999999
UNIX_EPOCH_TICKS = 621355968000000000

_ORIGIN = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class OutOfRange(ValueError, OverflowError):
    """A time outside the years 1 to 9999 in UTC."""


def from_datetime(moment: datetime) -> int:
    """Ticks of `moment`; a naive datetime is treated as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return ((moment - _ORIGIN) // _MICROSECOND) * 10


def to_datetime(ticks: int) -> datetime:
    """An aware UTC datetime, truncated to microseconds."""
    return _ORIGIN + timedelta(microseconds=ticks // 10)


def parse(text: str) -> int:
    """Ticks of an ISO 8601 text with up to 7 fraction digits and `Z`, an offset, or neither (treated as UTC).

    Raises ValueError if the text is not such a timestamp, and `OutOfRange` if it is out of range in UTC.
    """
    head, fraction = text, 0
    dot = text.find(".", 10)
    if dot != -1:
        end = dot + 1
        while end < len(text) and text[end].isdigit():
            end += 1
        digits = text[dot + 1 : end]
        if not digits:
            raise ValueError(f"'{text}' is not a timestamp")
        fraction = int(digits[:7].ljust(7, "0"))
        head = text[:dot] + text[end:]
    moment = datetime.fromisoformat(head)
    try:
        return from_datetime(moment.astimezone(UTC) if _has_zone(head) else moment) + fraction
    except OverflowError:
        raise OutOfRange(f"'{text}' is out of range") from None


def _has_zone(text: str) -> bool:
    return text.endswith(("Z", "z")) or "+" in text[10:] or "-" in text[10:]


def to_text(ticks: int) -> str:
    """ISO 8601 with `Z`, without trailing zeros in the fraction, without a zero fraction (Json.NET)."""
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    head = _seconds_text(seconds)
    return f"{head}.{fraction:07d}".rstrip("0") + "Z" if fraction else head + "Z"


def to_unspecified_text(ticks: int) -> str:
    """Like `to_text` without the `Z`: the format of a .NET DateTime of unspecified kind."""
    return to_text(ticks)[:-1]


def to_offset_text(ticks: int) -> str:
    """Like `to_text` with the offset `+00:00`: the format of a .NET DateTimeOffset."""
    return to_text(ticks)[:-1] + "+00:00"


def to_round_trip(ticks: int) -> str:
    """ISO 8601 with exactly 7 fraction digits and `Z` (.NET format "o", and Edm.DateTime)."""
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    return f"{_seconds_text(seconds)}.{fraction:07d}Z"


@lru_cache(maxsize=128)
def _seconds_text(seconds: int) -> str:
    return (_ORIGIN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
