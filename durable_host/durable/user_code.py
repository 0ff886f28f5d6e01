"""The port through which the runtime runs orchestrator and entity code of any SDK generation.

`sdk/` implements it for function apps, and `sidecar/workers/worker_code.py` for plain workers.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeGuard

import msgspec

from durable_host.durable.model.actions import Action
from durable_host.durable.model.events import FailureDetails, HistoryEvent, TraceContext
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.numbered import EntityAction, NumberedAction
from durable_host.invocation.code_failure import CodeFailure


class CodeDialect(msgspec.Struct, frozen=True, kw_only=True):
    """How messages about orchestrator code name things, and what its SDK does with external events.

    With `keeps_early_events`, the SDK keeps all events that arrive before their waits, in order, and returns each once.
    Otherwise it keeps the last one of a name and returns it to every later wait. With `cancels_long_timers`, timers of
    more than six days can be cancelled. With `encodes_inputs_twice`, its client sends JSON strings that hold the
    JSON text of inputs.
    """

    sdk: str
    task_all: str
    task_any: str
    task_any_call: str
    keeps_early_events: bool = False
    cancels_long_timers: bool = False
    encodes_inputs_twice: bool = False


PYTHON_V1 = CodeDialect(
    sdk="the 1.x SDK",
    task_all="task_all",
    task_any="task_any",
    task_any_call="context.task_any",
    encodes_inputs_twice=True,
)


def dialect_of(code: object) -> CodeDialect:
    """Return the dialect of the code. Code that is not Python has an attribute `dialect`."""
    dialect = getattr(code, "dialect", None)
    return dialect if isinstance(dialect, CodeDialect) else PYTHON_V1


class OrchestratorTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One episode to run.

    `history` is the whole history of the current execution, with this episode's OrchestratorStarted and messages at the
    end (not marked as played; earlier messages are). `new_from` is the index of that OrchestratorStarted. An executor
    that still has the live session of this execution feeds it only what it has not seen; otherwise it replays all of
    `history`. After a suspension, `new_from` is before the last episode, because all episodes that user code has not
    seen are new. `session` identifies the in-memory state that the history belongs to: a live session of another state
    must not be reused. `worker_trace` is from the last `NumberedAnswer`.
    """

    instance_id: str
    execution_id: str
    name: str
    history: Sequence[HistoryEvent]
    new_from: int
    trace_parent: str | None = None
    trace_state: str | None = None
    session: object | None = None
    worker_trace: bytes | None = None


class Step(msgspec.Struct, frozen=True):
    """A top-level action and the index in `history` of the event during which user code requested it.

    `position` is where the code stood then. It is known only after a replay.
    """

    event_index: int
    action: Action
    position: str | None = None


class CodeNote(msgspec.Struct, frozen=True):
    """Something about the orchestrator's code that its author should know. `position` is `file:line in function`.

    `text` says what happened or, for code that is not kept alive between episodes (`replayed`, `questioned`), why.
    `event_index` is the event in `history` during which it happened, or None if it is not related to an event.
    """

    kind: Literal["canceled_without_effect", "offset_dropped", "replayed", "questioned"]
    text: str
    position: str | None = None
    event_index: int | None = None


class EventWaitNote(msgspec.Struct, frozen=True):
    """A wait of the code for an external event, as a replay shows it. `place` is `file:line in function`.

    `since` is the index in `history` of the event during which it began, `canceled` that of the one during which the
    code gave it up.
    """

    name: str
    since: int
    place: str | None = None
    canceled: int | None = None


class OrchestratorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the orchestrator code did.

    `steps` are the top-level actions from number `first_action` on, in order; a full replay has `first_action` 0 and
    reports all of them. `canceled_timers` identifies all timers that user code has cancelled, as (top-level action
    number, index of the timer among the leaves of that action, depth first); the same timer may be reported again.
    `ended_at` is the index of the event during which the code returned, raised or continued as new. `output` and
    `custom_status` are JSON text (None: absent). `error` is the user's error text; with `is_plain_failure`, the code
    failed outside the protocol and its actions are not known. `position` is where the code stands now, as `file:line in
    function`. `consumed_early_events` names external events that arrived before the code waited for them and that it
    has now received, as far as the executor knows. `failure` is what is known about the exception, for the log.
    `event_waits`, and the numbers of open timers that are `timer_parts` of longer ones, are known only after a replay
    for people (`reading_code`).
    """

    steps: Sequence[Step]
    first_action: int = 0
    canceled_timers: Sequence[tuple[int, int]] = ()
    is_done: bool = False
    ended_at: int | None = None
    output: str | None = None
    error: str | None = None
    error_details: str | None = None
    is_plain_failure: bool = False
    custom_status: str | None = None
    warnings: Sequence[str] = ()
    notes: Sequence[CodeNote] = ()
    position: str | None = None
    consumed_early_events: Sequence[str] = ()
    failure: CodeFailure | None = None
    event_waits: Sequence[EventWaitNote] | None = None
    timer_parts: Sequence[int] = ()


class NumberedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the code did in a turn, from an SDK that numbers its own actions (2.x).

    `actions` contains only new actions, with final IDs, including the completion if there is one. `custom_status` is
    JSON text and replaces the old one; None clears it. `has_ended_early` is true if the code ended during its replay,
    so that it does not match the history, and `is_non_deterministic` if the SDK found that out itself: then the
    completion says so, and actions before it do not count. With `error`, the code failed outside the protocol (`error`
    is `Type: message`, `failure_details` the tree) and its actions are not known. `worker_trace` is sent back unchanged
    in the next turn. `event_waits`, `open_tasks` (the numbers of calls that the code has not given up) and
    `timer_parts` (those of timers that are parts of longer ones) are known only after a replay for people
    (`reading_code`).
    """

    actions: Sequence[NumberedAction] = ()
    custom_status: str | None = None
    has_ended_early: bool = False
    is_non_deterministic: bool = False
    error: str | None = None
    error_details: str | None = None
    failure_details: FailureDetails | None = None
    warnings: Sequence[str] = ()
    notes: Sequence[CodeNote] = ()
    position: str | None = None
    failure: CodeFailure | None = None
    worker_trace: bytes | None = None
    event_waits: Sequence[EventWaitNote] | None = None
    open_tasks: Sequence[int] | None = None
    timer_parts: Sequence[int] = ()


class EntityOperation(msgspec.Struct, frozen=True):
    """One operation. `trace` is the trace context of the request, `id` its ID. `parent` waits for the result."""

    name: str
    input: str | None
    is_signal: bool
    trace: TraceContext | None = None
    id: str | None = None
    parent: str | None = None
    parent_execution: str | None = None


class EntityBatch(msgspec.Struct, frozen=True, kw_only=True):
    """One invocation of an entity. `state` is JSON text or None."""

    name: str
    key: str
    exists: bool
    state: str | None
    operations: Sequence[EntityOperation]


class EntityResult(msgspec.Struct, frozen=True):
    """The result of one operation.

    `result` is JSON text (for an error, of its message), or plain text after a time-out. An error of 2.x code has a
    `failure` instead.
    """

    is_error: bool
    result: str | None
    failure: FailureDetails | None = None


class EntityAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The state after the batch and one result per operation, in order.

    `actions` are requested by 2.x code. With `leaves_rest`, operations without a result have not run and stay in the
    queue. `failure` means that the batch could not run at all and will be retried later.
    """

    exists: bool
    state: str | None
    results: Sequence[EntityResult]
    signals: Sequence[tuple[str, str, str | None]] = ()
    actions: Sequence[EntityAction] = ()
    leaves_rest: bool = False
    failure: FailureDetails | None = None


class ActivityOutcome(msgspec.Struct, frozen=True):
    """The outcome of an activity.

    `result` is JSON text or None. A failure has `error` (`Type: message`) and `details` (the traceback) instead; 2.x
    code also sets the tree (`failure`).
    """

    result: str | None = None
    error: str | None = None
    details: str | None = None
    failure: FailureDetails | None = None


class LostRun(msgspec.Struct, frozen=True):
    """A run that was lost, perhaps because of the code itself.

    `what` says what happened (`the worker process died with signal 6 (SIGABRT)`), and `details` is the last output of
    the worker. `is_certain` is true when no other code ran in the worker.
    """

    what: str
    is_certain: bool
    details: str | None = None


class WorkItemAborted(Exception):
    """The code could not finish (worker lost, host stopping, function timeout of an orchestrator).

    The work item is released and run again later. `lost` describes a run that the code itself may have ended.
    """

    def __init__(self, text: str, lost: LostRun | None = None) -> None:
        super().__init__(text)
        self.lost = lost


class WorkItemLost(Exception):
    """The code could not finish, and the work item is not run again: `runs` are its lost runs, in order.

    Raised by code that counts lost runs itself.
    """

    def __init__(self, runs: Sequence[LostRun]) -> None:
        super().__init__(runs[-1].what)
        self.runs = runs


class UserCode(Protocol):
    """Runs the app's durable functions. Names are durable names and are not case-sensitive."""

    def has_orchestrator(self, name: str) -> bool: ...

    def has_activity(self, name: str) -> bool: ...

    def has_entity(self, name: str) -> bool: ...

    def orchestrator_names(self) -> Sequence[str]: ...

    def orchestrator_function(self, name: str) -> str:
        """Return the function's own name for the log, or `name` if there is no such orchestrator."""
        ...

    def activity_names(self) -> Sequence[str]: ...

    def entity_names(self) -> Sequence[str]: ...

    def alone(self) -> "AbstractAsyncContextManager[UserCode]":
        """Return the same code in a worker where nothing else runs. Raises `WorkItemAborted` if there is none."""
        ...

    async def run_orchestrator(self, turn: OrchestratorTurn) -> OrchestratorAnswer | NumberedAnswer:
        """Run a turn. `numbers_its_actions` says which form the answer has. Raises `WorkItemAborted`."""
        ...

    def forget(self, instance_id: str, execution_id: str) -> None:
        """Drop the live session of an execution, if there is one."""
        ...

    async def run_activity(
        self, name: str, input: str | None, *, instance_id: str, task_id: int, trace: TraceContext | None = None
    ) -> ActivityOutcome:
        """Run an activity. `input` is the trigger text (docs/protocol/durable-activities.md#input). Raises
        `WorkItemAborted`.
        """
        ...

    async def run_entity(self, batch: EntityBatch, *, trace: TraceContext | None = None) -> EntityAnswer:
        """Run a batch of operations. Raises `WorkItemAborted`."""
        ...


class RunsActivityRequests(Protocol):
    """User code that needs the whole request of an activity. It is called instead of `run_activity`."""

    async def run_activity_request(self, message: TaskMessage, trace: TraceContext | None) -> ActivityOutcome:
        """Run the activity of the TaskScheduled in `message`. Raises `WorkItemAborted`."""
        ...


def runs_activity_requests(code: object) -> TypeGuard[RunsActivityRequests]:
    """True when the code implements `RunsActivityRequests`. `isinstance` is too slow to call for each activity."""
    return hasattr(code, "run_activity_request")


def event_waits_in(reply: dict[str, Any]) -> list[EventWaitNote] | None:
    """Return the waits in an answer of the worker."""
    waits: list[dict[str, Any]] | None = reply.get("waits")
    return None if waits is None else msgspec.convert(waits, list[EventWaitNote])


def reading_code(code: UserCode) -> UserCode | None:
    """Return the code for replays that a person looks at: they log nothing and do not touch the sessions of instances.

    Code that can be replayed in this way has a method `reading`; for other code, return None.
    """
    reading: Callable[[], UserCode | None] | None = getattr(code, "reading", None)
    return None if reading is None else reading()


def first_number(code: UserCode) -> int:
    """Return the smallest number of an action: 1, or an attribute of this name. Plain workers for .NET count from 0."""
    first = getattr(code, "first_number", 1)
    return first if isinstance(first, int) else 1


def numbers_its_actions(code: UserCode) -> bool:
    """True when the code returns a `NumberedAnswer`, as code of the 2.x protocol does.

    Such code has an attribute with this name.
    """
    return getattr(code, "numbers_its_actions", False) is True


def replays_each_turn(code: UserCode) -> bool:
    """True when the code replays the whole history in each turn, so that fewer turns are faster.

    Such code has an attribute with this name.
    """
    return getattr(code, "replays_each_turn", False) is True


def continues_v1(code: UserCode) -> bool:
    """True when this code continues instances in the hub that 1.x code has started.

    Such code has an attribute with this name.
    """
    return getattr(code, "continues_v1", False) is True


def continues_core(code: UserCode) -> bool:
    """True when this code continues instances of workers on DurableTask.Core, whose numbers and texts it shares.

    Such code has an attribute with this name.
    """
    return getattr(code, "continues_core", False) is True
