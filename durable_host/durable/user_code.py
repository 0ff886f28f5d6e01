"""How the runtime has orchestrator and entity code run, whatever SDK generation the app uses.

`sdk.v1` implements it for azure-functions-durable 1.x on top of the invocation layer.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, runtime_checkable

import msgspec

from durable_host.durable.model.actions import Action
from durable_host.durable.model.events import FailureDetails, HistoryEvent, TraceContext
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.numbered import EntityAction, NumberedAction
from durable_host.invocation.code_failure import CodeFailure


class OrchestratorTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One episode to run.

    `history` is the whole history of the current execution with this episode's OrchestratorStarted and messages at
    the end (not marked as played; the earlier messages are). `new_from` is the index of that
    OrchestratorStarted. An executor that still holds the live session of this execution feeds it only what it has
    not seen; otherwise it replays all of `history`. After a suspension `new_from` lies before the last episode: all
    episodes that user code has not seen are new. `session` names the in-memory state the history belongs to: a live
    session of another state must not be reused. `worker_trace` is that of the last `NumberedAnswer`.
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
    """A top-level action and the index in `history` of the event during which user code produced it.

    `position` is where the code stood then, known after a replay only.
    """

    event_index: int
    action: Action
    position: str | None = None


class CodeNote(msgspec.Struct, frozen=True):
    """Something about the orchestrator's code that its author should know; `position` is `file:line in function`.

    `text` says what happened, or, of code that is not kept alive between episodes (`replayed`, `questioned`), why.
    `event_index` is the event in `history` during which it happened, None for what is not tied to one.
    """

    kind: Literal["canceled_without_effect", "offset_dropped", "replayed", "questioned"]
    text: str
    position: str | None = None
    event_index: int | None = None


class OrchestratorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the orchestrator code did.

    `steps` are the top-level actions number `first_action` and following, in order; a full replay has
    `first_action` 0 and reports all of them. `canceled_timers` names all timers that user code has cancelled by
    (top-level action number, index of the timer among the leaves of that action, depth first); the same timer may be
    reported again. `ended_at` is the index of the event during which the code returned, raised or continued as new.
    `output` and `custom_status` are JSON text (None: absent). `error` is the user's error text; with
    `is_plain_failure` the code failed outside the protocol and nothing of this answer's actions is known. `position`
    tells where the code stands now, as `file:line in function`. `consumed_early_events` names external events that
    had arrived before the code waited for them and were taken now, as far as the executor knows. `failure` is what is
    known of the exception, for the log.
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


class NumberedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the code did in a turn, of an SDK that numbers its actions itself (2.x).

    `actions` are only new ones, with final ids, among them the completion if there is one. `custom_status` is JSON text
    and replaces the old one; None clears it. `has_ended_early`: the code ended while it replayed what it had done
    before, so it does not do what the history says. With `error` the code failed outside the protocol (`error` is
    `Type: message`, `failure_details` the tree) and nothing of its actions is known. `worker_trace` goes into the
    request of the next turn as it is.
    """

    actions: Sequence[NumberedAction] = ()
    custom_status: str | None = None
    has_ended_early: bool = False
    error: str | None = None
    error_details: str | None = None
    failure_details: FailureDetails | None = None
    warnings: Sequence[str] = ()
    notes: Sequence[CodeNote] = ()
    position: str | None = None
    failure: CodeFailure | None = None
    worker_trace: bytes | None = None


class EntityOperation(msgspec.Struct, frozen=True):
    """`trace` is what the sender of the request was doing, `id` that of the request. `parent` waits for the result."""

    name: str
    input: str | None
    is_signal: bool
    trace: TraceContext | None = None
    id: str | None = None
    parent: str | None = None
    parent_execution: str | None = None


class EntityBatch(msgspec.Struct, frozen=True, kw_only=True):
    """One entity invocation. `state` is JSON text or None."""

    name: str
    key: str
    exists: bool
    state: str | None
    operations: Sequence[EntityOperation]


class EntityResult(msgspec.Struct, frozen=True):
    """`result` is JSON text (for errors: of the message), or bare text after a time-out. An error of 2.x code is a
    `failure` instead.
    """

    is_error: bool
    result: str | None
    failure: FailureDetails | None = None


class EntityAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """State after the batch and one result per operation, in order.

    `actions` are what 2.x code asks for besides. With `leaves_rest`, operations without a result have not run and stay
    in the queue. `failure`: the batch could not run at all; it is tried again later.
    """

    exists: bool
    state: str | None
    results: Sequence[EntityResult]
    signals: Sequence[tuple[str, str, str | None]] = ()
    actions: Sequence[EntityAction] = ()
    leaves_rest: bool = False
    failure: FailureDetails | None = None


class ActivityOutcome(msgspec.Struct, frozen=True):
    """`result` is JSON text or None; a failure has `error` (`Type: message`) and `details` (traceback) instead, of 2.x
    code also the tree (`failure`).
    """

    result: str | None = None
    error: str | None = None
    details: str | None = None
    failure: FailureDetails | None = None


class LostRun(msgspec.Struct, frozen=True):
    """A run that the code may itself have brought to nothing.

    `what` tells what happened (`the worker process died with signal 6 (SIGABRT)`), `details` the last words of the
    worker. `is_certain`: no other code ran in the worker.
    """

    what: str
    is_certain: bool
    details: str | None = None


class WorkItemAborted(Exception):
    """The code could not run to an end (worker lost, host stopping, function timeout of an orchestrator): the work item
    is given back and run again later. `lost` tells of a run that may be the code's own fault.
    """

    def __init__(self, text: str, lost: LostRun | None = None) -> None:
        super().__init__(text)
        self.lost = lost


class UserCode(Protocol):
    """Runs the app's durable functions. Names are durable names, matched without regard to case."""

    def has_orchestrator(self, name: str) -> bool: ...

    def has_activity(self, name: str) -> bool: ...

    def has_entity(self, name: str) -> bool: ...

    def orchestrator_names(self) -> Sequence[str]: ...

    def orchestrator_function(self, name: str) -> str:
        """The function's own name, for the log; `name` when there is no such orchestrator."""
        ...

    def activity_names(self) -> Sequence[str]: ...

    def entity_names(self) -> Sequence[str]: ...

    def alone(self) -> "AbstractAsyncContextManager[UserCode]":
        """The same code in a worker where nothing else runs. Raises `WorkItemAborted` when there is none to be had."""
        ...

    async def run_orchestrator(self, turn: OrchestratorTurn) -> OrchestratorAnswer | NumberedAnswer:
        """`numbers_its_actions` says which form the answer has. Raises `WorkItemAborted`."""
        ...

    def forget(self, instance_id: str, execution_id: str) -> None:
        """Drop the live session of an execution, if there is one."""
        ...

    async def run_activity(
        self, name: str, input: str | None, *, instance_id: str, task_id: int, trace: TraceContext | None = None
    ) -> ActivityOutcome:
        """`input` is the trigger string (docs/protocol/durable-activities.md#input). Raises `WorkItemAborted`."""
        ...

    async def run_entity(self, batch: EntityBatch, *, trace: TraceContext | None = None) -> EntityAnswer:
        """Raises `WorkItemAborted`."""
        ...


@runtime_checkable
class RunsActivityRequests(Protocol):
    """User code that wants all that is known of an activity's request, and gets it instead of `run_activity`."""

    async def run_activity_request(self, message: TaskMessage, trace: TraceContext | None) -> ActivityOutcome:
        """`message` has the TaskScheduled. Raises `WorkItemAborted`."""
        ...


def numbers_its_actions(code: UserCode) -> bool:
    """Whether the code answers with `NumberedAnswer`s, as that of the 2.x protocol does. Code says so with an attribute
    of this name.
    """
    return getattr(code, "numbers_its_actions", False) is True
