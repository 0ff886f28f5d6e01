"""The two kinds of schedules: NCRONTAB, and a time span since the last run.

Source: docs/protocol/functions-host-timers.md#schedule-expressions,
    docs/protocol/functions-host-timers.md#forecast-of-occurrences
"""

from typing import Protocol

import msgspec

from durable_host import timestamp
from durable_host.config import timespan
from durable_host.errors import HostError
from durable_host.timestamp import TICKS_PER_SECOND
from durable_host.triggers.timer.ncrontab import CronExpression, InvalidExpression, parse_cron
from durable_host.triggers.timer.occurrences import next_occurrence
from durable_host.triggers.timer.zone import Zone

_SECONDS_PER_DAY = 86_400.0
_LONGEST_SPAN = 10_675_199 * _SECONDS_PER_DAY


class InvalidSchedule(HostError):
    """The `schedule` of a timer trigger is neither a cron expression nor a time span."""

    code = "DH5030"


class TimerSchedule(Protocol):
    """When a timer fires. Times are UTC ticks."""

    @property
    def adjusts_for_dst(self) -> bool: ...

    @property
    def allows_monitor(self) -> bool:
        """False if it fires more than once a minute."""
        ...

    @property
    def shown(self) -> str:
        """`Cron: '…'` or `Constant: …`."""
        ...

    def next_after(self, ticks: int) -> int | None:
        """The next time after `ticks`; None if it never fires again."""
        ...


class CronSchedule(msgspec.Struct, frozen=True):
    """An NCRONTAB expression in a time zone."""

    cron: CronExpression
    zone: Zone

    @property
    def adjusts_for_dst(self) -> bool:
        return True

    @property
    def allows_monitor(self) -> bool:
        return not self.cron.fires_within_a_minute

    @property
    def shown(self) -> str:
        return f"Cron: '{self.cron.expanded}'"

    def next_after(self, ticks: int) -> int | None:
        return next_occurrence(self.cron, self.zone, ticks)


class ConstantSchedule(msgspec.Struct, frozen=True):
    """Fires `seconds` after the start of the last run."""

    seconds: float

    @property
    def adjusts_for_dst(self) -> bool:
        return False

    @property
    def allows_monitor(self) -> bool:
        return self.seconds >= 60

    @property
    def shown(self) -> str:
        return f"Constant: {timespan.render(self.seconds)}"

    def next_after(self, ticks: int) -> int | None:
        return ticks + round(self.seconds * TICKS_PER_SECOND)


def parse_schedule(text: str, zone: Zone) -> TimerSchedule:
    """Raises InvalidSchedule."""
    try:
        return CronSchedule(parse_cron(text), zone)
    except InvalidExpression as error:
        seconds = _span(text)
        if seconds is not None and 0 < seconds <= _LONGEST_SPAN:
            return ConstantSchedule(seconds)
        raise InvalidSchedule(
            f"The schedule expression '{text}' was not recognized as a valid cron expression or timespan string.",
            cause="A time span must be longer than zero." if seconds is not None else f"As a cron expression: {error}.",
            remedy="Write '0 */5 * * * *' for every five minutes, or '00:05:00' to count from the start of each run.",
        ) from None


def _span(text: str) -> float | None:
    """Seconds of a time span; a whole number is a number of days, as in .NET."""
    if text.strip().isdecimal():
        return int(text) * _SECONDS_PER_DAY
    try:
        return timespan.parse(text)
    except ValueError:
        return None


def forecast(schedule: TimerSchedule, zone: Zone, now: int, function: str) -> str:
    """The log lines with the next five occurrences."""
    lines = [f"The next 5 occurrences of the '{function}' schedule ({schedule.shown}) will be:"]
    moment: int | None = now
    is_utc = zone.is_utc
    for _ in range(5):
        moment = schedule.next_after(moment)
        if moment is None:
            if len(lines) == 1:
                lines.append("none: no such day comes")
            break
        local = zone.local(moment)
        text = f"{timestamp.to_datetime(moment):%m/%d/%Y %H:%M:%S}Z"
        lines.append(text if is_utc else f"{local:%m/%d/%Y %H:%M:%S}{local.isoformat()[-6:]} ({text})")
    return "\n".join(lines)
