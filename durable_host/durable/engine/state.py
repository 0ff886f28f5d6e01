"""The runtime state of one orchestration instance, rebuilt from its history or kept for as long as a session lives."""

from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from durable_host.durable.engine.matching import ExecutionCalls
from durable_host.durable.engine.numbering import TaskKind
from durable_host.durable.engine.renumbering import Numbers
from durable_host.durable.engine.walker import Walker
from durable_host.durable.engine.work_item import WorkItem
from durable_host.durable.model.events import (
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    ParentInstance,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import NumberedAnswer
from durable_host.invocation.code_failure import CodeFailure


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How user code ended: by return, error or continue-as-new. `index` is the event during which it ended."""

    index: int
    output: str | None = None
    error: str | None = None
    error_details: str | None = None
    failure: CodeFailure | None = None


class TakenOver(msgspec.Struct, frozen=True):
    """An instance of 1.x code that 2.x code continues.

    `numbers` has the new numbers of its calls. `ending` is the last answer of the code if it has ended.
    """

    numbers: Numbers
    ending: NumberedAnswer | None = None


class OrchestrationState:
    """One execution's history and the state derived from it: mutable, owned by the session (or a test).

    `unfed_from` is the index of the OrchestratorStarted of the first episode that user code has not seen, or None.
    `is_numbered` is true for code that numbers its own actions (2.x) and sees every message even while suspended;
    `worker_trace` is what its SDK expects back in the next turn. `older` has the numbers of 1.x calls, by index in the
    history; `taken_over` is set from the load of such an instance until its next episode. `token` identifies this state
    in memory: a live session of the code belongs to exactly one state.
    """

    def __init__(self, instance_id: str, custom_status: str | None = None, *, is_numbered: bool = False) -> None:
        self.instance_id = instance_id
        self.is_numbered = is_numbered
        self.custom_status = custom_status
        self.keeps_custom_status = False
        self.token = object()
        self.work_item = WorkItem()
        self._reset()

    def _reset(self) -> None:
        self.history: list[HistoryEvent] = []
        self.started: ExecutionStarted | None = None
        self.termination: ExecutionTerminated | None = None
        self.status = OrchestrationStatus.Pending
        self.is_suspended = False
        self.episodes = 0
        self.now = 0
        self.max_event_id = -1
        self.calls = ExecutionCalls()
        self.unfed_from: int | None = None
        self.ending: Ending | None = None
        self.walker: Walker | None = None
        self.held_activities: deque[int] = deque()
        self.worker_trace: bytes | None = None
        self.older: dict[int, int] = {}
        self.taken_over: TakenOver | None = None
        self._last_started_index = 0
        self._suspended_from: int | None = None

    @classmethod
    def from_history(
        cls,
        instance_id: str,
        events: Sequence[HistoryEvent],
        custom_status: str | None = None,
        *,
        is_numbered: bool = False,
        older: Mapping[int, int] | None = None,
    ) -> "OrchestrationState":
        """Build the state after `events`.

        `custom_status` is the stored text, or None if it is not known. `older` has the numbers of 1.x calls, by index.
        """
        state = cls(instance_id, custom_status, is_numbered=is_numbered)
        state.older.update(older or {})
        for event in events:
            state.append(event)
        if is_numbered:
            return state
        state.unfed_from = state._suspended_from
        if state.unfed_from is not None:
            state.mark_played(state.unfed_from, is_played=False)
        return state

    @property
    def execution_id(self) -> str | None:
        return self.started.orchestration_instance.execution_id if self.started is not None else None

    @property
    def name(self) -> str:
        return self.started.name if self.started is not None else ""

    @property
    def version(self) -> str | None:
        return self.started.version if self.started is not None else None

    @property
    def parent(self) -> ParentInstance | None:
        return self.started.parent_instance if self.started is not None else None

    @property
    def parent_id(self) -> str:
        """The instance ID of the parent, or ""."""
        return self.parent.orchestration_instance.instance_id if self.parent is not None else ""

    @property
    def tags(self) -> dict[str, str] | None:
        return self.started.tags if self.started is not None else None

    @property
    def instance(self) -> OrchestrationInstance:
        return OrchestrationInstance(self.instance_id, self.execution_id)

    @property
    def is_started(self) -> bool:
        return self.started is not None

    @property
    def is_terminal(self) -> bool:
        return self.status.is_terminal

    @property
    def is_cut_short(self) -> bool:
        """True when the last episode is incomplete because its host crashed between two transactions.

        Source: docs/protocol/task-hub-storage-history.md#transactions
        """
        return self.is_started and not self.is_terminal and not isinstance(self.history[-1], OrchestratorCompleted)

    @property
    def open_timers(self) -> dict[int, int]:
        """The timers being waited for: number -> ticks when it fires. Known once user code has run in this state."""
        if self.walker is None:
            return {}
        return {number: task.fire_at for number, task in self.walker.open.items() if task.kind is TaskKind.Timer}

    def seen_by_code(self) -> list[HistoryEvent]:
        """Return the history that user code has seen: without events since it was suspended, and without its end."""
        is_whole = self._suspended_from is None or self.is_numbered
        seen = self.history if is_whole else self.history[: self._suspended_from]
        end = next((index for index, event in enumerate(seen) if isinstance(event, ExecutionCompleted)), None)
        return seen if end is None else seen[:end]

    def append(self, event: HistoryEvent) -> None:
        """Add an event to the history and update the derived state."""
        index = len(self.history)
        self.history.append(event)
        self.max_event_id = max(self.max_event_id, event.event_id)
        self.calls.append(event, self.episodes, self.older.get(index))
        match event:
            case OrchestratorStarted():
                self.now = event.timestamp
                self.episodes += 1
                self._last_started_index = index
            case ExecutionStarted():
                self.started = event
                self.status = OrchestrationStatus.Running
            case ExecutionCompleted():
                self.status = event.orchestration_status
            case ExecutionTerminated():
                self.termination = event
            case ExecutionSuspended():
                self._suspend()
            case ExecutionResumed():
                self.is_suspended = False
                self._suspended_from = None
                if not self.is_terminal:
                    self.status = OrchestrationStatus.Running
            case _:
                pass

    def mark_played(self, start: int, *, end: int | None = None, is_played: bool = True) -> None:
        """Set the played flag of the messages fed to user code from `start` on. Decisions and episode starts are
        skipped.
        """
        for index in range(start, len(self.history) if end is None else end):
            event = self.history[index]
            if event.event_id < 0 and event.is_played is not is_played and not isinstance(event, OrchestratorStarted):
                self.history[index] = msgspec.structs.replace(event, is_played=is_played)

    def restart(self, events: Sequence[HistoryEvent]) -> None:
        """Become a new execution that begins with `events`."""
        self._reset()
        for event in events:
            self.append(event)
        self.unfed_from = 0

    def _suspend(self) -> None:
        if not self.is_suspended:
            self.is_suspended = True
            self._suspended_from = self._last_started_index
        if not self.is_terminal:
            self.status = OrchestrationStatus.Suspended
