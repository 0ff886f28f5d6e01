"""The history of one instance for the calls that show it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from durable_host.dashboard.api_call import DashboardCall
from durable_host.dashboard.api_errors import instance_not_found
from durable_host.dashboard.views.code_trace import CodeTrace
from durable_host.dashboard.views.history_step import ExecutionSteps
from durable_host.dashboard.views.steps import steps_of
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import InstanceState

T = TypeVar("T")

_LONG = 500


class LoadedInstance(msgspec.Struct, frozen=True):
    """The row of an instance, the history of its current execution, and what follows from it.

    `trace` is None if the code could not be replayed.
    """

    state: InstanceState
    events: Sequence[HistoryEvent]
    execution: ExecutionSteps
    trace: CodeTrace | None


async def load_instance(call: DashboardCall[Any, Any], *, with_trace: bool = True) -> LoadedInstance:
    """Load the instance in the path. Raises DashboardError, UnreadableHistory, TaskHubUnavailable."""
    instance_id, hub = call.path["id"], call.hub
    state = await hub.client.get(instance_id)
    if state is None:
        raise instance_not_found(instance_id)
    events = await hub.client.history(instance_id)
    call.context.payloads.note(events)
    trace = await call.context.reader.trace(hub, instance_id, events) if with_trace else None
    retries = None if trace is None else trace.retries
    return LoadedInstance(state, events, await in_thread(events, lambda: steps_of(events, retries)), trace)


async def in_thread(events: Sequence[HistoryEvent], compute: Callable[[], T]) -> T:
    """Compute something from a history; if it is long, in a thread, so that it does not hold up the host."""
    return compute() if len(events) < _LONG else await asyncio.to_thread(compute)
