"""The input and the outcome of one batch of an entity.

Source: docs/protocol/task-hub-storage-entities.md#scheduler-state,
    docs/protocol/task-hub-storage-entities.md#entity-batch
"""

from collections.abc import Sequence

import msgspec

from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.entity_request import EntityRequest
from durable_host.durable.engine.scheduler_state import SchedulerState
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    OrchestratorStarted,
)
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.user_code import EntityBatch
from durable_host.timestamp import TICKS_PER_MINUTE


class EntityOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of entities.

    `reorder_window` is in ticks (0: no sorting); `max_batch_size` None means no limit; `default_version` is the version
    of orchestrations that an entity starts.
    """

    reorder_window: int = 30 * TICKS_PER_MINUTE
    max_batch_size: int | None = 5000
    default_version: str | None = None


class EntityExecution:
    """One execution of an entity as loaded. The batch that runs on it changes its scheduler state.

    `execution_id` and `started` are None before the first batch. `episode` is the number in its messages. `pending` are
    events in the history that another host accepted but did not process. `end` is set when the entity was terminated;
    `rows` is the number of events in its history.
    """

    __slots__ = ("end", "episode", "execution_id", "instance_id", "pending", "rows", "scheduler", "started")

    def __init__(
        self,
        instance_id: str,
        scheduler: SchedulerState,
        started: ExecutionStarted | None = None,
        episode: int = 1,
        pending: Sequence[EventRaised] = (),
        end: ExecutionCompleted | None = None,
        rows: int = 0,
    ) -> None:
        self.instance_id = instance_id
        self.scheduler = scheduler
        self.started = started
        self.execution_id = started.orchestration_instance.execution_id if started else None
        self.episode = episode
        self.pending = pending
        self.end = end
        self.rows = rows

    @classmethod
    def from_history(cls, instance_id: str, events: Sequence[HistoryEvent]) -> "EntityExecution":
        """Build an execution from its history. Raises `UnreadableEntityMessage` for an unreadable scheduler state."""
        started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
        return cls(
            instance_id,
            SchedulerState.from_json(started.input if started else None),
            started,
            sum(isinstance(event, OrchestratorStarted) for event in events) + 1,
            [event for event in events if isinstance(event, EventRaised)],
            next((event for event in events if isinstance(event, ExecutionCompleted)), None),
            len(events),
        )


class EntityTurn(msgspec.Struct, kw_only=True):
    """A batch in progress. `batch` is None when no user code has to run; `finish_batch` is called in either case."""

    execution: EntityExecution
    options: EntityOptions
    batch: EntityBatch | None
    operations: list[EntityRequest]
    lock: EntityRequest | None
    rescheduled: list[EntityRequest]
    is_cut_short: bool
    diagnostics: list[Diagnostic]


class EntityOutcome(msgspec.Struct, kw_only=True):
    """What a batch changes. `new_events` is the whole history of the new execution (first ordinal 0).

    `replaced_execution_id` is None for the first batch of an entity. When `more` is true, the next batch can run at
    once on `execution`.
    """

    execution: EntityExecution
    execution_id: str
    replaced_execution_id: str | None
    new_events: list[HistoryEvent]
    outbound: list[TaskMessage]
    update: InstanceUpdate
    more: bool
    diagnostics: list[Diagnostic]
