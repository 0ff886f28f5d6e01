"""History events, with the names of DurableTask.Core.

There is one frozen record per kind. Timestamps are ticks (`timestamp.py`). Inputs and results are JSON *text*, exactly
as stored. The codecs decide how they are written (queue JSON, table rows, trigger payload).

Source: docs/protocol/task-hub-storage-messages.md#event-json
"""

from typing import Any, ClassVar

import msgspec

from durable_host.durable.model.status import OrchestrationStatus


class OrchestrationInstance(msgspec.Struct, frozen=True):
    """One execution (generation) of an instance. `execution_id` None means any execution."""

    instance_id: str
    execution_id: str | None = None


def is_same_execution(one: str | None, other: str | None) -> bool:
    """True when two execution IDs mean the same execution.

    None and "" mean any execution. IDs are not case-sensitive, because other hosts of a hub may write GUIDs in upper
    case.
    """
    return not one or not other or one == other or one.casefold() == other.casefold()


class ParentInstance(msgspec.Struct, frozen=True):
    """The orchestration that started a sub-orchestration, and the ID of its decision."""

    name: str
    orchestration_instance: OrchestrationInstance
    task_schedule_id: int
    version: str | None = ""


class FailureDetails(msgspec.Struct, frozen=True):
    """A structured error. The JSON protocol of the 1.x SDK never sets it; other hosts of a hub may."""

    error_type: str | None = None
    error_message: str | None = None
    stack_trace: str | None = None
    inner_failure: "FailureDetails | None" = None
    is_non_retriable: bool = False
    properties: dict[str, Any] | None = None


class TraceContext(msgspec.Struct, frozen=True):
    """DurableTask.Core's DistributedTraceContext. `activity_start_time` is the text of a DateTimeOffset."""

    trace_parent: str | None = None
    trace_state: str | None = None
    id: str | None = None
    span_id: str | None = None
    activity_start_time: str | None = None


class HistoryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all events. `event_id` is -1 except for events created by a decision."""

    event_type: ClassVar[int] = -1
    event_name: ClassVar[str] = ""

    event_id: int = -1
    is_played: bool = False
    timestamp: int = 0


class ExecutionStarted(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 0
    event_name: ClassVar[str] = "ExecutionStarted"

    orchestration_instance: OrchestrationInstance
    parent_instance: ParentInstance | None = None
    name: str = ""
    version: str | None = ""
    input: str | None = None
    tags: dict[str, str] | None = None
    correlation: str | None = None
    parent_trace_context: TraceContext | None = None
    scheduled_start_time: int | None = None
    generation: int | None = None
    generate_new_trace: bool = False

    @property
    def is_of_client(self) -> bool:
        """False for the start of a sub-orchestration."""
        return self.parent_instance is None


class ExecutionCompleted(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 1
    event_name: ClassVar[str] = "ExecutionCompleted"

    orchestration_status: OrchestrationStatus = OrchestrationStatus.Completed
    result: str | None = None
    failure_details: FailureDetails | None = None


class ExecutionTerminated(HistoryEvent, frozen=True, kw_only=True):
    """With `recurse`, the children of the instance are terminated too. DurableTask.Core does not know this field."""

    event_type: ClassVar[int] = 3
    event_name: ClassVar[str] = "ExecutionTerminated"

    input: str | None = None
    recurse: bool = False


class TaskScheduled(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 4
    event_name: ClassVar[str] = "TaskScheduled"

    name: str = ""
    version: str | None = ""
    input: str | None = None
    parent_trace_context: TraceContext | None = None
    tags: dict[str, str] | None = None


class TaskCompleted(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 5
    event_name: ClassVar[str] = "TaskCompleted"

    task_scheduled_id: int
    result: str | None = None


class TaskFailed(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 6
    event_name: ClassVar[str] = "TaskFailed"

    task_scheduled_id: int
    reason: str | None = None
    details: str | None = None
    failure_details: FailureDetails | None = None


class SubOrchestrationInstanceCreated(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 7
    event_name: ClassVar[str] = "SubOrchestrationInstanceCreated"

    name: str = ""
    version: str | None = ""
    instance_id: str = ""
    input: str | None = None
    client_span_id: str | None = None
    tags: dict[str, str] | None = None


class SubOrchestrationInstanceCompleted(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 8
    event_name: ClassVar[str] = "SubOrchestrationInstanceCompleted"

    task_scheduled_id: int
    result: str | None = None


class SubOrchestrationInstanceFailed(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 9
    event_name: ClassVar[str] = "SubOrchestrationInstanceFailed"

    task_scheduled_id: int
    reason: str | None = None
    details: str | None = None
    failure_details: FailureDetails | None = None


class TimerCreated(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 10
    event_name: ClassVar[str] = "TimerCreated"

    fire_at: int


class TimerFired(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 11
    event_name: ClassVar[str] = "TimerFired"

    timer_id: int
    fire_at: int


class OrchestratorStarted(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 12
    event_name: ClassVar[str] = "OrchestratorStarted"


class OrchestratorCompleted(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 13
    event_name: ClassVar[str] = "OrchestratorCompleted"


class EventSent(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 14
    event_name: ClassVar[str] = "EventSent"

    instance_id: str = ""
    name: str = ""
    input: str | None = None


class EventRaised(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 15
    event_name: ClassVar[str] = "EventRaised"

    name: str = ""
    input: str | None = None
    parent_trace_context: TraceContext | None = None


class ContinueAsNew(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 16
    event_name: ClassVar[str] = "ContinueAsNew"

    orchestration_status: OrchestrationStatus = OrchestrationStatus.ContinuedAsNew
    result: str | None = None
    failure_details: FailureDetails | None = None


class GenericEvent(HistoryEvent, frozen=True, kw_only=True):
    """A rewind wake-up, or a row whose type was rewritten by a rewind (`reason` then says so)."""

    event_type: ClassVar[int] = 17
    event_name: ClassVar[str] = "GenericEvent"

    data: str | None = None
    reason: str | None = None


class ExecutionSuspended(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 19
    event_name: ClassVar[str] = "ExecutionSuspended"

    reason: str | None = None


class ExecutionResumed(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 20
    event_name: ClassVar[str] = "ExecutionResumed"

    reason: str | None = None


class ExecutionRewound(HistoryEvent, frozen=True, kw_only=True):
    event_type: ClassVar[int] = 21
    event_name: ClassVar[str] = "ExecutionRewound"

    reason: str | None = None
    parent_execution_id: str | None = None
    instance_id: str | None = None
    parent_trace_context: TraceContext | None = None


EVENT_CLASSES: tuple[type[HistoryEvent], ...] = (
    ExecutionStarted, ExecutionCompleted, ExecutionTerminated, TaskScheduled, TaskCompleted, TaskFailed,
    SubOrchestrationInstanceCreated, SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed,
    TimerCreated, TimerFired, OrchestratorStarted, OrchestratorCompleted, EventSent, EventRaised, ContinueAsNew,
    GenericEvent, ExecutionSuspended, ExecutionResumed, ExecutionRewound,
)  # fmt: skip

EVENT_CLASS_BY_NAME: dict[str, type[HistoryEvent]] = {cls.event_name: cls for cls in EVENT_CLASSES}
EVENT_CLASS_BY_NUMBER: dict[int, type[HistoryEvent]] = {cls.event_type: cls for cls in EVENT_CLASSES}
