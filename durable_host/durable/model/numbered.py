"""The actions that orchestrator code of the 2.x protocol requests: only new ones, each with its final number.

The SDK numbers its actions and handles its own retries and waits, so an action contains nothing about them. Inputs are
JSON text or None; times are ticks.

Source: docs/protocol/durable-v2.md#actions
"""

from collections.abc import Sequence

import msgspec

from durable_host.durable.model.events import FailureDetails, HistoryEvent, TraceContext
from durable_host.durable.model.status import OrchestrationStatus


class NumberedAction(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all actions. `id` becomes the ID of the history event. A retry has the `id` of its first attempt."""

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
    """A call of an entity operation. `parent` is the caller as the SDK names it."""

    request_id: str
    target: str
    operation: str
    input: str | None = None
    parent: str | None = None
    parent_execution: str | None = None
    due: int | None = None


class EntityLockRequested(NumberedAction, frozen=True, kw_only=True):
    """A request for locks. `lock_set` contains entity instance IDs; the request is sent to the one at `position`."""

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
    """The end of an execution. `status` is Completed, Failed, Terminated or ContinuedAsNew.

    For ContinuedAsNew, `result` is the new input, `carried` are the events that the new execution begins with, and
    `new_version` may be set.
    """

    status: OrchestrationStatus
    result: str | None = None
    details: str | None = None
    failure: FailureDetails | None = None
    new_version: str | None = None
    carried: Sequence[HistoryEvent] = ()


class RewindOrchestration(NumberedAction, frozen=True, kw_only=True):
    """Fails the orchestration: hosts rewind an instance, its code does not."""


class UnknownNumberedAction(NumberedAction, frozen=True, kw_only=True):
    """An action of a kind that this host does not know. It fails the orchestration."""

    kind: str


class EntityAction(msgspec.Struct, frozen=True, kw_only=True):
    """The base of the actions of an entity operation, apart from its result."""


class SignalSent(EntityAction, frozen=True, kw_only=True):
    """A signal to an entity. `due` is in ticks, for a delayed signal."""

    target: str
    operation: str
    input: str | None = None
    due: int | None = None
    trace: TraceContext | None = None


class OrchestrationBegun(EntityAction, frozen=True, kw_only=True):
    """A start of an orchestration. `due` is in ticks, for a delayed start."""

    instance_id: str
    name: str
    version: str | None = None
    input: str | None = None
    due: int | None = None
    trace: TraceContext | None = None
