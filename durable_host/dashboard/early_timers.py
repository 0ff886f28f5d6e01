"""`POST /api/instances/{id}/fire-timer`: makes the next timer of an instance fire now, for development only.

The message of the timer is delivered early. It carries its due time, by which the engine matches it with its call, so
the timer fires once.
"""

import msgspec

from durable_host.dashboard.api_call import DashboardCall, NoParameters
from durable_host.dashboard.api_errors import NOT_HERE, DashboardError
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.instance_history import LoadedInstance, load_instance
from durable_host.dashboard.payloads import time_text
from durable_host.durable.api.errors import InstanceEnded
from durable_host.durable.engine.renumbering import with_one_numbering
from durable_host.durable.model.events import (
    ExecutionStarted,
    OrchestrationInstance,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.session import open_timers

_NO_TIMER = "DH3057"


class FireTimerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The number of the timer; the next one to fire if it is missing."""

    task_id: int | None = None


class FiredTimer(msgspec.Struct, frozen=True, rename="camel"):
    """The timer that fires now instead of at `due`."""

    task_id: int
    due: str | None


async def fire_timer(call: DashboardCall[NoParameters, FireTimerBody]) -> FiredTimer:
    """Make a timer fire now."""
    hub = call.hub
    if not hub.can_fire_timers:
        raise DashboardError(
            409,
            "Timers can be fired early only on the development account and in SQLite.",
            code=NOT_HERE,
            remedy="Copy the app's settings, use Azurite or SQLite there, and start the instance again.",
        )
    one = await load_instance(call)
    if one.state.runtime_status.is_terminal:
        raise InstanceEnded(one.state.instance_id, one.state.runtime_status)
    timer = _chosen(one, call.body.task_id)
    if timer is None:
        raise DashboardError(409, "The instance waits for no such timer.", code=_NO_TIMER)
    if one.trace is not None and timer.event_id in one.trace.parts:
        raise DashboardError(
            409,
            "The timer is one part of a longer timer: when it fires early, another part begins.",
            code=_NO_TIMER,
            remedy="Start an instance with a shorter timer, or move the time in a test with durable_host.testing.",
        )
    message = await _message(call, one, timer)
    if not await hub.client.hub.hasten_timer(message):
        raise DashboardError(
            409,
            "The timer cannot be fired here: it is firing already, or no host in this process serves the instance.",
            code=_NO_TIMER,
            remedy="Use the dashboard of the running host ('func start').",
        )
    return FiredTimer(timer.event_id, time_text(timer.fire_at))


def _chosen(one: LoadedInstance, task_id: int | None) -> TimerCreated | None:
    """Return the open timer with this number, or the one that is due first and that the code still waits for."""
    waiting = open_timers(list(one.events))
    timers = [event for event in one.events if isinstance(event, TimerCreated) and event.event_id in waiting]
    if task_id is not None:
        return next((timer for timer in timers if timer.event_id == task_id), None)
    awaited = None if one.trace is None else one.trace.awaited
    if awaited is not None and any(timer.event_id in awaited for timer in timers):
        timers = [timer for timer in timers if timer.event_id in awaited]
    return min(timers, key=lambda timer: (timer.fire_at, timer.event_id), default=None)


async def _message(
    call: DashboardCall[NoParameters, FireTimerBody], one: LoadedInstance, timer: TimerCreated
) -> TaskMessage:
    """Return the message that the timer waits for, with the number under which the code created it."""
    seen = with_one_numbering(await call.hub.client.hub.get_history(one.state.instance_id))
    number = next((seen.older.get(i, timer.event_id) for i, event in enumerate(seen.events) if event == timer), None)
    started = next((event for event in one.events if isinstance(event, ExecutionStarted)), None)
    execution_id = one.state.execution_id if started is None else started.orchestration_instance.execution_id
    instance = OrchestrationInstance(one.state.instance_id, execution_id)
    timer_id = timer.event_id if number is None else number
    fired = TimerFired(timestamp=timer.timestamp, timer_id=timer_id, fire_at=timer.fire_at)
    return TaskMessage(fired, instance, instance)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/instances/{id}/fire-timer",
        summary="Make the next timer fire now (development account and SQLite only)",
        answer=fire_timer,
        body=FireTimerBody,
        returns=FiredTimer,
        errors=(404, 410),
    ),
)
