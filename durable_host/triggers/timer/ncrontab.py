"""NCRONTAB expressions and their occurrences in local time; `occurrences` handles time zones.

Day of month and day of week must both match. Packages such as croniter follow Vixie cron, where one is enough; a test
compares the occurrences of expressions that mean the same in both.

Source: docs/protocol/functions-host-timers.md#schedule-expressions
"""

from bisect import bisect_left
from calendar import monthrange
from datetime import datetime, timedelta

import msgspec

from durable_host.triggers.timer.fields import (
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    WEEKDAY,
    Field,
    FieldKind,
    InvalidField,
    parse_field,
)

_KINDS: tuple[FieldKind, ...] = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)
_LONGEST_GAP_YEARS = 41
"""29 February falls on a given weekday every 28 years, or after 40 years around a century that is not a leap year."""


class InvalidExpression(ValueError):
    """The text is not an NCRONTAB expression."""


class CronExpression(msgspec.Struct, frozen=True):
    """Six parsed fields."""

    second: Field
    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    @property
    def expanded(self) -> str:
        """The expression with every list written out: `0 0,5,10 9-17 * January Monday-Friday`."""
        return " ".join(field.expanded() for field in self._fields)

    @property
    def is_interval(self) -> bool:
        """True if second, minute or hour has `*`, `-` or `/`: it fires in both passes of a repeated hour."""
        return any(mark in field.expanded() for field in self._fields[:3] for mark in "*-")

    @property
    def fires_within_a_minute(self) -> bool:
        """True if it fires more than once a minute; such a schedule has no monitor."""
        return len(self.second.values) > 1 and all(field.is_full for field in self._fields[1:])

    def next_after(self, moment: datetime) -> datetime | None:
        """The first occurrence later than `moment` (naive, fractions ignored), or None if there is none."""
        start = moment.replace(microsecond=0)
        try:
            start += timedelta(seconds=1)
        except OverflowError:
            return None
        day = datetime(start.year, start.month, start.day)
        if self._is_day(day):
            time = self._time_from(start.hour, start.minute, start.second)
            if time is not None:
                return day.replace(hour=time[0], minute=time[1], second=time[2])
        found = self._day_after(day)
        if found is None:
            return None
        return found.replace(hour=self.hour.values[0], minute=self.minute.values[0], second=self.second.values[0])

    @property
    def _fields(self) -> tuple[Field, ...]:
        return (self.second, self.minute, self.hour, self.day, self.month, self.weekday)

    def _is_day(self, day: datetime) -> bool:
        return (
            day.month in self.month.values
            and day.day in self.day.values
            and day.isoweekday() % 7 in self.weekday.values
        )

    def _day_after(self, day: datetime) -> datetime | None:
        after = day.day
        for number in range(day.year * 12 + day.month - 1, (day.year + _LONGEST_GAP_YEARS) * 12):
            year, month = number // 12, number % 12 + 1
            if year > 9999:
                return None
            if month in self.month.values:
                length = monthrange(year, month)[1]
                for number_of_day in self.day.values[bisect_left(self.day.values, after + 1) :]:
                    if number_of_day > length:
                        break
                    candidate = datetime(year, month, number_of_day)
                    if candidate.isoweekday() % 7 in self.weekday.values:
                        return candidate
            after = 0
        return None

    def _time_from(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        """The first allowed time of day at or after the given one."""
        hours, minutes, seconds = self.hour.values, self.minute.values, self.second.values
        if hour in hours:
            if minute in minutes:
                at = bisect_left(seconds, second)
                if at < len(seconds):
                    return hour, minute, seconds[at]
            at = bisect_left(minutes, minute + 1)
            if at < len(minutes):
                return hour, minutes[at], seconds[0]
        at = bisect_left(hours, hour + 1)
        return (hours[at], minutes[0], seconds[0]) if at < len(hours) else None


def parse_cron(text: str) -> CronExpression:
    """Parse an expression. With five fields, the second is 0. Raises InvalidExpression."""
    parts = text.split(" ")
    has_seconds = len(parts) != 5
    parts = [part for part in parts if part]
    if len(parts) != (6 if has_seconds else 5):
        raise InvalidExpression(f"it has {len(parts)} fields; six are expected, or five without the seconds")
    if not has_seconds:
        parts.insert(0, "0")
    try:
        return CronExpression(*(parse_field(kind, part) for kind, part in zip(_KINDS, parts, strict=True)))
    except InvalidField as error:
        raise InvalidExpression(str(error)) from None
