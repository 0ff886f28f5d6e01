"""What orchestrator code of the 2.x protocol asks for: new actions only, each with its final number.

The SDK numbers its actions and does its retries and waits itself, so an action says what to do and nothing else.
Inputs are JSON text, None where there is none; times are ticks.

Source: docs/protocol/durable-v2.md#actions
"""

from collections.abc import Sequence

import msgspec

from durable_host.durable.model.events import FailureDetails, HistoryEvent, TraceContext
from durable_host.durable.model.status import OrchestrationStatus


class NumberedAction(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all. `id` becomes the ID of the history event; a retry repeats the `id` of its first attempt."""

    id: int


class ScheduleTask(NumberedAction, frozen=True, kw_only=True):
    name: str
    version: str | None = None
    input: str | None = None
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None


class CreateSubOrchestration(NumberedAction, frozen=True, kw_only=True):
    instance_id: str
    name: str
    version: str | None = None
    input: str | None = None
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None


class StartTimer(NumberedAction, frozen=True, kw_only=True):
    fire_at: int


class SendEvent(NumberedAction, frozen=True, kw_only=True):
    instance_id: str
    name: str
    input: str | None = None


class EntitySignaled(NumberedAction, frozen=True, kw_only=True):
    request_id: str
    target: str
    operation: str
    input: str | None = None
    due: int | None = None


class EntityCalled(NumberedAction, frozen=True, kw_only=True):
    """`parent` is the caller as the SDK names it."""

    request_id: str
    target: str
    operation: str
    input: str | None = None
    parent: str | None = None
    parent_execution: str | None = None
    due: int | None = None


class EntityLockRequested(NumberedAction, frozen=True, kw_only=True):
    """`lock_set` are entity instance IDs; the request goes to the one at `position`."""

    critical_section_id: str
    lock_set: tuple[str, ...]
    position: int = 0
    parent: str | None = None


class EntityUnlockSent(NumberedAction, frozen=True, kw_only=True):
    critical_section_id: str
    target: str
    parent: str | None = None


class TerminateOrchestration(NumberedAction, frozen=True, kw_only=True):
    instance_id: str
    reason: str | None = None
    recurse: bool = False


class CompleteOrchestration(NumberedAction, frozen=True, kw_only=True):
    """`status` is Completed, Failed, Terminated, or ContinuedAsNew with `result` as new input, `carried` as events
    that the new execution begins with and perhaps a `new_version`.
    """

    status: OrchestrationStatus
    result: str | None = None
    details: str | None = None
    failure: FailureDetails | None = None
    new_version: str | None = None
    carried: Sequence[HistoryEvent] = ()


class RewindOrchestration(NumberedAction, frozen=True, kw_only=True):
    new_history: Sequence[HistoryEvent]


class UnknownNumberedAction(NumberedAction, frozen=True, kw_only=True):
    """An action of a kind that this host does not know; the orchestration fails."""

    kind: str


class EntityAction(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what an operation of an entity does besides its result."""


class SignalSent(EntityAction, frozen=True, kw_only=True):
    """`due` in ticks for a delayed signal."""

    target: str
    operation: str
    input: str | None = None
    due: int | None = None
    trace: TraceContext | None = None


class OrchestrationBegun(EntityAction, frozen=True, kw_only=True):
    """`due` in ticks for a delayed start."""

    instance_id: str
    name: str
    version: str | None = None
    input: str | None = None
    due: int | None = None
    trace: TraceContext | None = None
