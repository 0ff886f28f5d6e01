"""The saved status of a timer, and what follows from it when the host starts. Pure functions.

Source: docs/protocol/functions-host-timers.md#schedule-status
"""

import json
from typing import Any

import msgspec

from durable_host import timestamp
from durable_host.triggers.timer.schedule import TimerSchedule
from durable_host.triggers.timer.zone import Zone

NEVER = timestamp.MIN_TICKS
NO_MORE = timestamp.MAX_TICKS


class ScheduleStatus(msgspec.Struct, frozen=True):
    """The status, in UTC ticks. `last` is NEVER before the first run, `next` is NO_MORE at the end of the schedule."""

    last: int
    next: int
    last_updated: int

    def to_json(self, zone: Zone) -> str:
        """The content of the status blob."""
        return json.dumps(self.members(zone), separators=(",", ":"))

    def members(self, zone: Zone) -> dict[str, str]:
        return {
            "Last": zone.text(self.last),
            "Next": zone.text(self.next),
            "LastUpdated": zone.text(self.last_updated),
        }


class Beginning(msgspec.Struct, frozen=True):
    """The state in which a listener starts. `is_changed`: the status must be written."""

    status: ScheduleStatus
    is_past_due: bool
    is_changed: bool


def begin(stored: ScheduleStatus | None, schedule: TimerSchedule, now: int) -> Beginning:
    """Compare the saved status with the current schedule."""
    if stored is None:
        return Beginning(ScheduleStatus(NEVER, _next(schedule, now), now), False, True)
    base = stored.last or stored.last_updated or now
    expected = _next(schedule, base)
    if stored.next == expected:
        return Beginning(stored, now > stored.next, False)
    if now > expected:
        base, expected = now, _next(schedule, now)
    return Beginning(ScheduleStatus(NEVER, expected, base), now > expected, True)


def after_run(schedule: TimerSchedule, ran_at: int) -> ScheduleStatus:
    """The status after a run. `ran_at`: when the run began, or its planned time if that is later."""
    return ScheduleStatus(ran_at, _next(schedule, ran_at), ran_at)


def parse_status(text: str | bytes) -> ScheduleStatus:
    """Parse the content of a status blob. Raises ValueError if it is not valid."""
    content: Any = json.loads(text)
    try:
        last, following = content["Last"], content["Next"]
        updated = content.get("LastUpdated") or last
        return ScheduleStatus(_ticks(last), _ticks(following), _ticks(updated))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it has no {error}") from error


def _ticks(text: str) -> int:
    if text.startswith("0001-01-01"):
        return NEVER
    return NO_MORE if text.startswith("9999-12-31") else timestamp.parse(text)


def _next(schedule: TimerSchedule, after: int) -> int:
    following = schedule.next_after(after)
    return NO_MORE if following is None else following
