"""A live orchestrator: drives the 1.x SDK's executor, context and generator event by event.

It does the same as `TaskOrchestrationExecutor.execute`, but in steps. If that is not possible, it raises `CannotDrive`,
and the caller uses the SDK's public `handle`.
"""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from types import GeneratorType
from typing import Any

from . import failures, scope
from .drivable import EXECUTOR_MODULE, CannotDrive, user_code_of
from .event_waits import EventWaits
from .likely_causes import never_resumes
from .open_timers import OpenTimers
from .orchestrator_errors import describe
from .places import position_of
from .sdk_speedups import executor_factory, speed_up_strict_mode, speed_up_timestamps
from .timer_notes import TimerNotes
from .witness import Witness

TIMER_FIRED = 11
LABEL = "\n\n$OutOfProcData$:"
_EXECUTOR_PARTS = (
    "current_task",
    "exception",
    "get_orchestrator_state_str",
    "has_execution_completed",
    "orchestrator_returned",
    "output",
    "process_event",
)
_CONTEXT_PARTS = (
    "_action_payload_v2",
    "_actions",
    "_replay_schema",
    "deferred_tasks",
    "open_tasks",
    "will_continue_as_new",
)


class UserBodyFailed(Exception):
    """The orchestrator raised before it returned a generator: an ordinary exception outside the protocol."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


class _EarlyEvents(dict[Any, Any]):
    """The SDK's early completions. Records which external events a wait has consumed.

    Some SDKs report no action for a wait that an early event ends immediately.
    """

    def __init__(self, early: dict[Any, Any]) -> None:
        super().__init__(early)
        self.taken: list[str] = []

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            self.taken.append(key)
        return super().__getitem__(key)


class LiveOrchestration:
    """The session of one execution. `seen` is the length of the history that it has received, including decisions.

    User code keeps its context variables from turn to turn, even on different threads. `witness` decides whether the
    next turn can use the session.
    """

    def __init__(self, function: Any, payload: str) -> None:
        self.function = function
        self.seen = 0
        self.has_ended = False
        self.witness = Witness()
        self._variables = contextvars.copy_context()
        self._timer_notes = TimerNotes()
        self._notes: list[dict[str, Any]] = []
        self._delivered: list[Any] = []
        self._reported = 0
        self._at: list[int] = []
        self._places: list[str | None] = []
        self._ended: int | None = None
        self._open_timers = OpenTimers()
        self._warnings: list[str] = []
        self._generator: Any = None
        self._abandoned: Any = None
        self._is_stuck = False
        self._waits: EventWaits | None = None
        try:
            self._prepare(payload)
        except (ImportError, AttributeError) as error:
            raise CannotDrive(str(error)) from error

    def _prepare(self, payload: str) -> None:
        models: Any = import_module("azure.durable_functions.models")
        executors: Any = import_module(EXECUTOR_MODULE)
        self._user_code: Any = user_code_of(self.function)
        self._event_type: Any = executors.HistoryEvent
        self._context: Any = models.DurableOrchestrationContext.from_json(payload)
        self._history: list[Any] = self._context._histories
        self._context._input_expected_type = getattr(self.function, "_df_input_type", None)
        self._executor: Any = _new_executor(executors.TaskOrchestrationExecutor)
        self._executor.context = self._context
        self._context.deferred_tasks = self._early = _EarlyEvents(self._context.deferred_tasks)
        for owner, parts in ((self._executor, _EXECUTOR_PARTS), (self._context, _CONTEXT_PARTS)):
            for part in parts:
                getattr(owner, part)
        if self._context._replay_schema.value < 1:
            raise CannotDrive("the SDK speaks replay schema V1 only")
        self.witness.watch(self._context)

    @property
    def own_error(self) -> BaseException | None:
        """The exception of the code, unless it comes from the task that it has just waited for."""
        error: BaseException | None = self._executor.exception
        while error is not None:
            if error in self._delivered:
                return None
            error = error.__cause__ or error.__context__
        return self._executor.exception

    def record_waits(self) -> None:
        """Add the waits for external events to the answer of `begin`."""
        self._waits = EventWaits(self._context)

    def begin(self, new_from: int) -> dict[str, Any]:
        """Run the code over the history in the payload. Raises UserBodyFailed and the SDK's exceptions."""
        return self._in_own_variables(lambda: self._begin(new_from))

    def advance(self, events: list[list[Any]], new_from: int) -> dict[str, Any]:
        """Feed new events, as `[index, event]`."""
        return self._in_own_variables(lambda: self._advance(events, new_from))

    def close(self) -> None:
        """Close the generator, in its own context."""
        if self._generator is not None:
            with suppress(BaseException):
                self._variables.run(self._generator.close)

    def _in_own_variables(self, turn: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        owner = scope.current.get()

        def run() -> dict[str, Any]:
            scope.current.set(owner)
            with self.witness.feeding(), self._timer_notes.collecting():
                return turn()

        return self._variables.run(run)

    def _begin(self, new_from: int) -> dict[str, Any]:
        history, executor = self._history, self._executor
        try:
            body = self._user_code(self._context)
        except BaseException as error:
            raise UserBodyFailed(error) from error
        if isinstance(body, GeneratorType):
            self._generator = body
            executor.generator = body
            is_played = bool(history[1].is_played) or new_from > 0
            executor.current_task.is_played = is_played
            executor._new_events_start_index = new_from
            self._feed(list(enumerate(history)), new_from, is_replay=True)
        else:
            self._end_without_generator(body)
        return self._answer()

    def _advance(self, events: list[list[Any]], new_from: int) -> dict[str, Any]:
        decoded = [(int(index), self._event_type(**event)) for index, event in events]
        self._history.extend(event for _, event in decoded)
        self._feed(decoded, new_from)
        return self._answer()

    def _feed(self, events: list[tuple[int, Any]], new_from: int, *, is_replay: bool = False) -> None:
        """Feed events. In a replay, record the position of the code for each action, in case the history differs."""
        executor, actions, at = self._executor, self._context._action_payload_v2, self._at
        known = len(actions)
        for index, event in events:
            executor._is_processing_new_events = index >= new_from
            if event.event_type == TIMER_FIRED:
                self._open_timers.fired(self._context.open_tasks.get(event.TimerId))
            if self._waits is not None:
                self._waits.index = index
            awaited = executor.current_task
            executor.process_event(event)
            self._notes.extend({**note, "at": index} for note in self._timer_notes.take())
            if len(actions) > known:
                at.extend([index] * (len(actions) - known))
                if is_replay:
                    self._places.extend([position_of(self._generator)] * (len(actions) - known))
                known = len(actions)
            if executor.has_execution_completed:
                self._ended = index
                result = getattr(awaited, "result", None)
                self._delivered = [result, getattr(result, "result", None)]
                return

    def _end_without_generator(self, body: Any) -> None:
        """End a plain function: its actions and its result belong to the ExecutionStarted event."""
        if inspect.iscoroutine(body) or inspect.isasyncgen(body):
            self._abandoned = body
            name = getattr(self._user_code, "__name__", "orchestrator")
            self._warnings.append(
                f"The orchestrator '{name}' is 'async def'. Orchestrators must be plain generator functions: write "
                "'def' and 'yield' instead of 'async def' and 'await'."
            )
        if not self._context.will_continue_as_new:
            self._executor.orchestrator_returned = True
            self._executor.output = body
        self._ended = 1
        self._at.extend([1] * len(self._context._action_payload_v2))

    def _answer(self) -> dict[str, Any]:
        first = self._reported
        actions: list[Any] = self._context._action_payload_v2
        fresh = actions[first:]
        canceled = self._open_timers.canceled()
        state, raised = self._state(actions, fresh)
        for offset, action in enumerate(fresh):
            self._open_timers.created(action, first + offset)
        self.witness.watch_code(self._generator)
        self._reported = len(actions)
        at, self._at = self._at, []
        self.has_ended = self._ended is not None
        answer: dict[str, Any] = {"state": state, "at": at, "first": first}
        if canceled:
            answer["canceled"] = canceled
        if self._ended is not None:
            answer["ended"] = self._ended
        position = position_of(self._generator)
        if position is not None:
            answer["position"] = position
        if any(self._places):
            known = {place: number for number, place in enumerate(dict.fromkeys(self._places))}
            answer["places"] = [list(known), [known[place] for place in self._places]]
        self._places = []
        if raised is not None:
            answer["stack"] = failures.stack_of(raised)
            answer["raised"] = describe(raised, self.function)
        elif self._generator is not None and self._ended is None:
            self._warn_of_no_return()
        if self._waits is not None:
            answer["waits"] = self._waits.notes()
            tasks = ((number, getattr(task, "parent", None)) for number, task in self._context.open_tasks.items())
            answer["parts"] = [number for number, whole in tasks if type(whole).__name__ == "LongTimerTask"]
        if self._notes:
            answer["notes"], self._notes = self._notes, []
        if self._early.taken:
            answer["early"], self._early.taken = self._early.taken, []
        if self._warnings:
            answer["warnings"], self._warnings = self._warnings, []
        if inspect.iscoroutine(self._abandoned):
            self._abandoned.close()
        return answer

    def _warn_of_no_return(self) -> None:
        warning = never_resumes(self._context, self._executor.current_task)
        if warning is not None and not self._is_stuck:
            self._is_stuck = True
            self._warnings.append(warning)

    def _state(self, actions: list[Any], fresh: list[Any]) -> tuple[str, BaseException | None]:
        """The SDK's answer with only the new actions, and the exception of user code."""
        context = self._context
        context._action_payload_v2 = fresh
        try:
            return self._executor.get_orchestrator_state_str(), None
        except Exception as error:
            text = str(error)
            label = text.find(LABEL)
            if label < 0 or self._executor.exception is None:
                raise
            return text[label + len(LABEL) :], self._executor.exception
        finally:
            context._action_payload_v2 = actions


_factories: dict[Any, Any] = {}


def _new_executor(executor_type: Any) -> Any:
    factory = _factories.get(executor_type)
    if factory is None:
        factory = _factories[executor_type] = executor_factory(executor_type)
        speed_up_timestamps()
        speed_up_strict_mode()
    return factory()
