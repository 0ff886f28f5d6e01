"""Computes when a cron expression fires in a time zone, including clock changes.

When the clock goes back, an interval expression fires in both passes of the repeated hour, any other only in the first.
When it goes forward, times that do not exist move by the length of the gap.

Source: docs/protocol/functions-host-timers.md#time-zones
"""

from datetime import datetime, timedelta

from durable_host.timestamp import TICKS_PER_SECOND, UNIX_EPOCH_TICKS
from durable_host.triggers.timer.ncrontab import CronExpression
from durable_host.triggers.timer.zone import Zone

_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
_DAY = 86_400
_LONGEST_CHANGE = 3 * 3600


def next_occurrence(cron: CronExpression, zone: Zone, after: int) -> int | None:
    """The first occurrence later than `after`, both in UTC ticks; None if it never fires again."""
    second = (after - UNIX_EPOCH_TICKS) // TICKS_PER_SECOND
    found = _next_second(cron, zone, second)
    return None if found is None else UNIX_EPOCH_TICKS + found * TICKS_PER_SECOND


def _next_second(cron: CronExpression, zone: Zone, after: int) -> int | None:
    offset = zone.offset_at(after)
    moved = _moved_by_recent_gap(cron, zone, after, offset)
    start = seen = after
    while True:
        candidate = _next_with(cron, start, offset)
        if candidate is None:
            return moved
        change = _first_change(zone, seen, candidate)
        if change is None:
            if not cron.is_interval and _is_second_pass(zone, candidate, offset):
                start = seen = candidate
                continue
            return candidate if moved is None else min(moved, candidate)
        before, offset = offset, zone.offset_at(change)
        if offset > before and candidate < change + offset - before:
            moved = candidate if moved is None else min(moved, candidate)
        start, seen = change - 1, change


def _next_with(cron: CronExpression, after: int, offset: int) -> int | None:
    """The next occurrence, assuming a constant offset."""
    found = cron.next_after(_EPOCH + timedelta(seconds=after + offset))
    return None if found is None else (found - _EPOCH) // _SECOND - offset


def _moved_by_recent_gap(cron: CronExpression, zone: Zone, after: int, offset: int) -> int | None:
    """An occurrence that a gap before `after` has moved to a time after it."""
    earlier = zone.offset_at(after - _LONGEST_CHANGE)
    if earlier >= offset:
        return None
    change = _first_change(zone, after - _LONGEST_CHANGE, after)
    candidate = _next_with(cron, after, earlier)
    if change is None or candidate is None:
        return None
    return candidate if candidate < change + offset - earlier else None


def _is_second_pass(zone: Zone, moment: int, offset: int) -> bool:
    """True if the clock already showed this time before it went back."""
    earlier = zone.offset_at(moment - _LONGEST_CHANGE)
    if earlier <= offset:
        return False
    return zone.offset_at(moment - (earlier - offset)) == earlier


def _first_change(zone: Zone, start: int, end: int) -> int | None:
    """The first second in (start, end] with an offset different from that at `start`."""
    offset = zone.offset_at(start)
    low = start
    while low < end:
        high = min(low + _DAY, end)
        if zone.offset_at(high) != offset:
            while high - low > 1:
                middle = (low + high) // 2
                if zone.offset_at(middle) == offset:
                    low = middle
                else:
                    high = middle
            return high
        low = high
    return None
