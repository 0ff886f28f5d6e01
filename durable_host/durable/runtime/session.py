"""One instance in this process: its mailbox, and its state while it is kept in memory."""

import time

from durable_host.durable.engine.entity_execution import EntityExecution
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.gathering import Gathering
from durable_host.durable.taskhub.port import Checkpoint, Debt, ReceivedMessage


class InstanceSession:
    """Owned by the session cache. At most one work item runs on it at a time.

    `state` (of an orchestration) or `entity` belongs to `checkpoint`; they are None when the history must be loaded.
    `debt` is what an earlier process still owes, until it is settled. `timers` are the timers of the current execution
    that have not fired. `gathering` is set while results in the mailbox wait for others. `pending_touch` is a
    LastUpdatedTime that is not in the row yet. `since` and `last_used` are readings of the monotonic clock, in seconds.
    """

    __slots__ = (
        "checkpoint",
        "debt",
        "entity",
        "failures",
        "gathering",
        "instance_id",
        "is_running",
        "is_scheduled",
        "last_used",
        "mailbox",
        "pending_touch",
        "since",
        "state",
        "timers",
    )

    def __init__(self, instance_id: str) -> None:
        self.instance_id = instance_id
        self.mailbox: list[ReceivedMessage] = []
        self.state: OrchestrationState | None = None
        self.entity: EntityExecution | None = None
        self.checkpoint: Checkpoint | None = None
        self.debt: Debt | None = None
        self.timers: set[int] = set()
        self.pending_touch: int | None = None
        self.failures = 0
        self.gathering: Gathering | None = None
        self.is_scheduled = False
        self.is_running = False
        self.since = 0.0
        self.last_used = time.monotonic()

    def knows(self, received: ReceivedMessage) -> bool:
        """True for a copy of a message whose effect is already in the history."""
        return self.checkpoint is not None and self.checkpoint.knows(received.message)

    def has_begun(self, row: InstanceState) -> bool:
        """True when the execution in the row has begun, so that a pending row is outdated."""
        instance = OrchestrationInstance(self.instance_id, row.execution_id)
        start = TaskMessage(ExecutionStarted(orchestration_instance=instance), instance, id=identity.of_start(instance))
        return self.checkpoint is not None and self.checkpoint.knows(start)

    @property
    def is_entity(self) -> bool:
        return self.instance_id.startswith("@")

    @property
    def has_state(self) -> bool:
        return self.state is not None or self.entity is not None

    @property
    def is_idle(self) -> bool:
        return not self.is_scheduled and not self.mailbox


def open_timers(events: list[HistoryEvent]) -> set[int]:
    """Return the IDs of the timers in a history that have not fired."""
    timers: set[int] = set()
    follow_timers(timers, events)
    return timers


def follow_timers(timers: set[int], events: list[HistoryEvent]) -> None:
    """Update `timers` with events added to the history."""
    for event in events:
        if isinstance(event, TimerCreated):
            timers.add(event.event_id)
        elif isinstance(event, TimerFired):
            timers.discard(event.timer_id)
