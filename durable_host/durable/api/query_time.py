"""Parses dates and times from callers of the management API.

.NET accepts many formats. This module accepts those of the SDK and the common ones.

Source: docs/protocol/durable-http-api.md#times-in-queries
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from durable_host import timestamp

_ISO = re.compile(r"(\d{1,4})-(\d{1,2})(?:-(\d{1,2}))?(?=[T ]|$)")
_OFFSET_WITHOUT_SIGN = re.compile(r" (\d\d:?\d\d)$")
_DATES = ("%m/%d/%Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%Y/%m/%d")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_FORMATS = tuple(date + time for date in _DATES for time in _TIMES)


def read_time(text: str) -> int:
    """Return the ticks of a date or time: in UTC unless it has an offset, and today unless it has a date. Raises
    ValueError.

    The SDK prints years without leading zeros on Linux: `1-01-01T00:00:00.000000Z`. A `+` that became a space in a
    query is restored. Times before year 1 and after 9999 become the first and the last possible time.
    """
    text = _OFFSET_WITHOUT_SIGN.sub(r"+\1", text.strip()) if "T" in text else text.strip()
    if (date := _ISO.match(text)) is not None:
        year, month, day = date[1].zfill(4), date[2].zfill(2), (date[3] or "01").zfill(2)
        try:
            return timestamp.parse(f"{year}-{month}-{day}{text[date.end() :]}")
        except timestamp.OutOfRange:
            return timestamp.MIN_TICKS if year == "0001" else timestamp.MAX_TICKS
    for form in _FORMATS:
        try:
            return timestamp.from_datetime(datetime.strptime(text, form))
        except ValueError:
            continue
    try:
        return timestamp.from_datetime(parsedate_to_datetime(text))
    except (ValueError, OverflowError, TypeError, IndexError):
        pass
    return timestamp.from_datetime(_today_at(text))


def _today_at(text: str) -> datetime:
    for form in _TIMES[1:]:
        try:
            time = datetime.strptime(text, form.strip()).time()
        except ValueError:
            continue
        return datetime.combine(datetime.now(UTC).date(), time)
    raise ValueError(f"'{text}' is not a date and time")
