"""The data that a timer-triggered function receives, and its log texts.

Source: docs/protocol/functions-host-timers.md#timer-payload, docs/protocol/functions-host-timers.md#timer-runs
"""

import json

import msgspec

from durable_host.triggers.timer.monitor import ScheduleStatus
from durable_host.triggers.timer.schedule import TimerSchedule
from durable_host.triggers.timer.zone import Zone


class TimerRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a timer.

    `status` is the saved status before the run, None without monitor. `unscheduled` is the reason for a run outside
    the schedule. `at` is in UTC ticks.
    """

    at: int
    status: ScheduleStatus | None
    is_past_due: bool = False
    unscheduled: str | None = None


def timer_info(schedule: TimerSchedule, zone: Zone, status: ScheduleStatus | None, *, is_past_due: bool) -> str:
    """The JSON text of `func.TimerRequest`. Before the first run, the time of the last update is missing too."""
    members = status.members(zone) if status is not None else None
    if members is not None and status is not None and not status.last:
        members["LastUpdated"] = members["Last"]
    info = {
        "Schedule": {"AdjustForDST": schedule.adjusts_for_dst},
        "ScheduleStatus": members,
        "IsPastDue": is_past_due,
    }
    return json.dumps(info, separators=(",", ":"))


def reason(run: TimerRun, zone: Zone) -> str:
    return f"Timer fired at {zone.round_trip(run.at)}"


def past_due_details(planned: int, zone: Zone) -> str:
    return f"UnscheduledInvocationReason: IsPastDue, OriginalSchedule: {zone.round_trip(planned)}"


RUN_ON_STARTUP_DETAILS = "UnscheduledInvocationReason: RunOnStartup"
