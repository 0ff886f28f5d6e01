"""What a timer-triggered function receives, and the texts about it in the log.

Source: docs/protocol/functions-host-timers.md#timer-payload, docs/protocol/functions-host-timers.md#timer-runs
"""

import json

import msgspec

from durable_host.triggers.timer.monitor import ScheduleStatus
from durable_host.triggers.timer.schedule import TimerSchedule
from durable_host.triggers.timer.zone import Zone


class TimerRun(msgspec.Struct, frozen=True, kw_only=True):
    """One firing. `status` is what was remembered before it, None without monitor; `unscheduled` says why it comes
    outside the schedule; `at` in ticks of UTC.
    """

    at: int
    status: ScheduleStatus | None
    is_past_due: bool = False
    unscheduled: str | None = None


def timer_info(schedule: TimerSchedule, zone: Zone, status: ScheduleStatus | None, *, is_past_due: bool) -> str:
    """The JSON text of `func.TimerRequest`; before the first run there is no time of the last update either."""
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
