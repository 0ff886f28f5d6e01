"""The steps of one execution: each call of the code with its attempts and its result, in the order of the calls.

A step is an activity, a timer, a child, a call of an entity or a lock. The attempts of a call with retries are one
step. The history does not say that a call is a retry, so it is taken for one if it follows a failure of the same name
after a timer, as the retries of both SDKs do.
"""

from collections.abc import Container, Iterable
from typing import Literal

import msgspec

from durable_host.dashboard.views.history_step import (
    ExecutionSteps,
    HistoryStep,
    Kind,
    Outcome,
    StepAttempt,
    Suspension,
)
from durable_host.durable.engine.entity_request import UnreadableEntityMessage, read_request
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionSuspended,
    FailureDetails,
    HistoryEvent,
    OrchestratorStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)


def steps_of(events: Iterable[HistoryEvent], retries: Container[int] | None = None) -> ExecutionSteps:
    """Return the steps of one execution in the order in which they began.

    `retries` are the numbers of the open timers that delay the next attempt of a call, None if they are not known.
    """
    reader = _StepReader(retries)
    for ordinal, event in enumerate(events):
        reader.read(ordinal, event)
    return reader.result()


class _Open:
    """A step in progress, owned by the reader."""

    __slots__ = ("attempts", "details", "error", "gives_up", "last", "number", "request", "result", "retries", "step")

    def __init__(self, step: HistoryStep, request: str | None = None) -> None:
        self.step = step
        self.number = step.number
        self.attempts = [] if step.kind in {"timer", "lock"} else [StepAttempt(step.start)]
        self.last: int | None = None
        self.result: str | None = None
        self.error: str | None = None
        self.details: str | None = None
        self.request = request
        self.retries: list[_Open] = []
        self.gives_up: _Open | None = None

    def close(self, ordinal: int | None, end: int, outcome: Outcome) -> None:
        if self.attempts and self.attempts[-1].end is None:
            error = self.error if outcome == "Failed" else None
            self.attempts[-1] = msgspec.structs.replace(self.attempts[-1], end=end, error=error)
        self.last = ordinal if ordinal is not None else self.last
        self.step = msgspec.structs.replace(self.step, end=end, outcome=outcome)

    def begin_again(self, ordinal: int, number: int, start: int) -> None:
        self.attempts.append(StepAttempt(start))
        self.number, self.last = number, ordinal
        self.error = self.details = None
        self.step = msgspec.structs.replace(self.step, end=None, outcome="Running")

    def record(self) -> HistoryStep:
        return msgspec.structs.replace(
            self.step,
            number=self.number,
            ordinals=(self.step.ordinals[0], self.last),
            attempts=tuple(self.attempts),
            result=self.result,
            error=self.error,
            details=self.details,
        )


class _StepReader:
    def __init__(self, retries: Container[int] | None) -> None:
        self._retries = retries
        self._steps: list[_Open] = []
        self._by_number: dict[int, _Open] = {}
        self._requests: dict[str, _Open] = {}
        self._held: list[_Open] = []
        self._external: list[int] = []
        self._suspensions: list[Suspension] = []
        self._episodes: list[tuple[int, int]] = []
        self._failed: list[_Open] = []
        self._fired: list[_Open] = []
        self._now = 0
        self._start: int | None = None
        self._end: int | None = None

    def result(self) -> ExecutionSteps:
        if self._end is not None:
            for one in self._steps:
                if one.step.end is None:
                    one.close(None, self._end, "Canceled")
        else:
            self._mark_open_retries()
        self._mark_last_retries()
        return ExecutionSteps(
            steps=[one.record() for one in self._steps],
            external=self._external,
            suspensions=self._suspensions,
            episodes=self._episodes,
            start=self._start,
            end=self._end,
        )

    def read(self, ordinal: int, event: HistoryEvent) -> None:
        if self._start is None:
            self._start = event.timestamp
        match event:
            case OrchestratorStarted():
                self._now = event.timestamp
                self._episodes.append((ordinal, event.timestamp))
                self._failed, self._fired = [], []
            case TaskScheduled():
                self._call("activity", event, ordinal, event.input)
            case SubOrchestrationInstanceCreated():
                self._call("child", event, ordinal, event.input, event.instance_id)
            case TimerCreated():
                self._timer(event, ordinal)
            case EventSent():
                self._sent(event, ordinal)
            case TaskCompleted() | SubOrchestrationInstanceCompleted():
                self._completed(event, ordinal)
            case TaskFailed() | SubOrchestrationInstanceFailed():
                self._failed_call(event, ordinal)
            case TimerFired():
                if (one := self._by_number.get(event.timer_id)) is not None and one.step.end is None:
                    one.close(ordinal, self._now, "Completed")
                    self._fired.append(one)
            case EventRaised():
                self._raised(event, ordinal)
            case ExecutionSuspended():
                if not self._suspensions or self._suspensions[-1].end is not None:
                    self._suspensions.append(Suspension(self._now, None, event.reason))
            case ExecutionResumed():
                if self._suspensions and self._suspensions[-1].end is None:
                    self._suspensions[-1] = msgspec.structs.replace(self._suspensions[-1], end=self._now)
            case ExecutionCompleted():
                self._end = event.timestamp
            case _:
                pass

    def _add(self, step: HistoryStep, request: str | None = None) -> _Open:
        one = _Open(step, request)
        self._steps.append(one)
        self._by_number[step.number] = one
        return one

    def _call(
        self,
        kind: Literal["activity", "child"],
        event: TaskScheduled | SubOrchestrationInstanceCreated,
        ordinal: int,
        input: str | None,
        target: str | None = None,
    ) -> None:
        earlier = self._retried(kind, event)
        if earlier is not None:
            earlier.begin_again(ordinal, event.event_id, event.timestamp)
            self._by_number[event.event_id] = earlier
            if target is not None:
                earlier.step = msgspec.structs.replace(earlier.step, target=target)
            return
        self._add(
            HistoryStep(
                kind=kind,
                name=event.name,
                number=event.event_id,
                ordinals=(ordinal, None),
                start=event.timestamp,
                target=target,
                input=input,
            )
        )

    def _retried(self, kind: Kind, event: TaskScheduled | SubOrchestrationInstanceCreated) -> _Open | None:
        """Return the step of which this call is the next attempt, and mark the timer between them."""
        same = self._by_number.get(event.event_id)
        is_repeated = same is not None and same.step.kind == kind and same.step.outcome == "Failed"
        for timer in self._fired:
            for failed in timer.retries:
                fits = failed is same if is_repeated else _is_same_call(failed.step, kind, event.name)
                if fits and failed.step.outcome == "Failed":
                    self._mark(timer, failed)
                    self._fired.remove(timer)
                    return failed
        return same if is_repeated else None

    def _mark(self, timer: _Open, failed: _Open) -> None:
        timer.retries.remove(failed)
        timer.step = msgspec.structs.replace(
            timer.step, kind="retry", name=failed.step.name, retry_of=failed.step.ordinals[0]
        )
        timer.retries = []

    def _mark_open_retries(self) -> None:
        """Take timers that began with a failure and have not fired for the delays before the next attempts."""
        for timer in self._steps:
            is_known = self._retries is None or timer.number in self._retries
            if is_known and timer.step.kind == "timer" and timer.step.end is None:
                failed = next((one for one in timer.retries if one.step.outcome == "Failed"), None)
                if failed is not None:
                    self._mark(timer, failed)
                    failed.step = msgspec.structs.replace(failed.step, end=None, outcome="Running")

    def _mark_last_retries(self) -> None:
        """Take timers that were due at once after a failure for those with which an SDK gives up its retries."""
        for timer in self._steps:
            if timer.step.kind == "timer" and timer.gives_up is not None:
                failed = timer.gives_up.step
                timer.step = msgspec.structs.replace(
                    timer.step, kind="retry", name=failed.name, retry_of=failed.ordinals[0]
                )

    def _timer(self, event: TimerCreated, ordinal: int) -> None:
        timer = self._add(
            HistoryStep(
                kind="timer",
                name="timer",
                number=event.event_id,
                ordinals=(ordinal, None),
                start=event.timestamp,
                due=event.fire_at,
            )
        )
        timer.retries = self._failed
        if self._failed and event.fire_at <= event.timestamp:
            timer.gives_up = self._failed[0]

    def _sent(self, event: EventSent, ordinal: int) -> None:
        if not event.instance_id.startswith("@"):
            return
        if event.name == "release":
            for one in self._held:
                if one.step.end is None:
                    one.close(ordinal, event.timestamp, "Completed")
            self._held.clear()
            return
        try:
            request = read_request(event.input)
        except UnreadableEntityMessage:
            return
        if request.is_signal:
            return
        names = ", ".join(f"@{name}@{key}" for name, key in request.lock_set)
        step = HistoryStep(
            kind="lock" if request.is_lock else "entity",
            name=names if request.is_lock else request.operation or "",
            number=event.event_id,
            ordinals=(ordinal, None),
            start=event.timestamp,
            target=event.instance_id,
            input=request.input,
        )
        one = self._requests[request.id.casefold()] = self._add(step, request.id)
        if request.is_lock:
            one.attempts = [StepAttempt(step.start)]

    def _completed(self, event: TaskCompleted | SubOrchestrationInstanceCompleted, ordinal: int) -> None:
        one = self._by_number.get(event.task_scheduled_id)
        if one is not None and one.step.end is None:
            one.result = event.result
            one.close(ordinal, self._ended_at(event, one), "Completed")

    def _failed_call(self, event: TaskFailed | SubOrchestrationInstanceFailed, ordinal: int) -> None:
        one = self._by_number.get(event.task_scheduled_id)
        if one is not None and one.step.end is None:
            one.error = failure_text(event)
            structured = event.failure_details
            one.details = event.details or (None if structured is None else structured.stack_trace)
            one.close(ordinal, self._ended_at(event, one), "Failed")
            self._failed.append(one)

    def _ended_at(self, event: HistoryEvent, one: _Open) -> int:
        """Return when a call ended: a result has the time of its worker, which may be another machine."""
        began = one.attempts[-1].start
        return event.timestamp if began <= event.timestamp <= self._now else max(began, self._now)

    def _raised(self, event: EventRaised, ordinal: int) -> None:
        one = self._requests.pop(event.name.casefold(), None)
        if one is None:
            self._external.append(ordinal)
            return
        result, error = answer_of(event.input)
        if one.step.kind == "lock":
            one.attempts = [msgspec.structs.replace(one.attempts[0], end=self._now, error=error)]
            one.step = msgspec.structs.replace(one.step, granted=ordinal)
            self._held.append(one)
        else:
            one.result, one.error = result, error
            one.close(ordinal, self._now, "Completed" if error is None else "Failed")


def _is_same_call(step: HistoryStep, kind: Kind, name: str) -> bool:
    return step.kind == kind and step.name.casefold() == name.casefold()


def failure_text(event: TaskFailed | SubOrchestrationInstanceFailed) -> str:
    """Return the error of a failed call in one text."""
    return event.reason or _of_details(event.failure_details) or "The call failed."


def _of_details(details: FailureDetails | None) -> str | None:
    if details is None:
        return None
    return ": ".join(part for part in (details.error_type, details.error_message) if part) or None


class _Response(msgspec.Struct):
    result: str | None = None
    exceptionType: str | None = None  # noqa: N815
    failureDetails: dict[str, object] | None = None  # noqa: N815


_response = msgspec.json.Decoder(_Response)


def answer_of(text: str | None) -> tuple[str | None, str | None]:
    """Return the result and the error in the answer of an entity. One of them is None."""
    try:
        response = _response.decode(text or "{}")
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return text, None
    if response.failureDetails is not None:
        parts = (response.failureDetails.get(name) for name in ("ErrorType", "ErrorMessage"))
        return None, ": ".join(str(part) for part in parts if part) or "The operation failed."
    if response.exceptionType is not None:
        return None, response.result or response.exceptionType
    return response.result, None
