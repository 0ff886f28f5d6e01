"""The time zone of schedules.

`WEBSITE_TIME_ZONE`, then `TZ`, then the machine's own.

Source: docs/protocol/functions-host-timers.md#time-zones
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import msgspec

from durable_host import timestamp
from durable_host.timestamp import TICKS_PER_SECOND
from durable_host.triggers.timer.windows_zones import iana_name

_log = logging.getLogger("Host.Triggers.Timer")

_HALF_YEAR = 182 * 86_400


class Zone(msgspec.Struct, frozen=True):
    """A time zone by its offset from UTC, in seconds, at a Unix time in whole seconds."""

    name: str
    offset_at: Callable[[int], int]

    @property
    def is_utc(self) -> bool:
        """True if the offset is always zero, judging by this year and the last one."""
        now = int(time.time())
        return all(self.offset_at(now - steps * _HALF_YEAR) == 0 for steps in range(3))

    def local(self, ticks: int) -> datetime:
        """The aware local time, in microseconds."""
        moment = timestamp.to_datetime(ticks)
        offset = self._offset(ticks)
        return (moment + timedelta(seconds=offset)).replace(tzinfo=timezone(timedelta(seconds=offset)))

    def text(self, ticks: int) -> str:
        """Local time with offset in the JSON format of .NET: `2024-05-01T10:20:00.0012345+00:00`."""
        offset = self._offset(ticks)
        return timestamp.to_unspecified_text(ticks + offset * TICKS_PER_SECOND) + _offset_text(offset)

    def round_trip(self, ticks: int) -> str:
        """Like `text`, always with seven fraction digits."""
        offset = self._offset(ticks)
        return timestamp.to_round_trip(ticks + offset * TICKS_PER_SECOND)[:-1] + _offset_text(offset)

    def _offset(self, ticks: int) -> int:
        if ticks in (timestamp.MIN_TICKS, timestamp.MAX_TICKS):
            return 0
        return self.offset_at((ticks - timestamp.UNIX_EPOCH_TICKS) // TICKS_PER_SECOND)


def _offset_text(seconds: int) -> str:
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


def zone_named(name: str) -> Zone:
    """The zone with this IANA name or Windows name. Raises LookupError."""
    try:
        zone = ZoneInfo(iana_name(name) or name)
    except (LookupError, ValueError, OSError) as error:
        raise LookupError(f"There is no time zone '{name}'") from error
    return Zone(zone.key, lambda seconds: _seconds(datetime.fromtimestamp(seconds, zone).utcoffset()))


def machine_zone() -> Zone:
    """The zone of the operating system."""
    return Zone("local", lambda seconds: time.localtime(seconds).tm_gmtoff)


UTC_ZONE = Zone("UTC", lambda _: 0)


def zone_of(settings: Mapping[str, str]) -> Zone:
    """The app's zone. For an unknown name, log a warning and use the machine's zone."""
    for setting in ("WEBSITE_TIME_ZONE", "TZ"):
        name = (settings.get(setting) or "").strip().lstrip(":")
        if not name:
            continue
        try:
            return zone_named(name)
        except LookupError:
            if setting == "WEBSITE_TIME_ZONE":
                _log.warning(
                    "WEBSITE_TIME_ZONE is '%s', which is not a known time zone; timers use the machine's zone. Use a "
                    "name such as 'Europe/Berlin' or 'W. Europe Standard Time'.",
                    name,
                )
    return machine_zone()


def _seconds(offset: timedelta | None) -> int:
    return 0 if offset is None else int(offset.total_seconds())
