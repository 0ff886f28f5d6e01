"""Runs orchestrators with the SDK's public `handle`: a full replay each time.

`handle` returns which actions were requested, but not when. The event of each action is found by running it on shorter
histories, cut after events that can resume user code. The number of actions grows with the history, so a binary search
is enough.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from . import failures
from .orchestrator_errors import describe
from .timer_notes import Note, TimerNotes

RESUMING_EVENTS = frozenset({0, 5, 6, 8, 9, 11, 15})
LABEL = "\n\n$OutOfProcData$:"


class _Trigger:
    """The argument of an orchestrator, with the payload text as `body`."""

    def __init__(self, body: str) -> None:
        self.body = body


class _HandleRun:
    """One run of `handle`: the SDK's answer, or the exception outside the protocol."""

    def __init__(self, function: Callable[..., Any], payload: str) -> None:
        self.state: str | None = None
        self.error: BaseException | None = None
        self.notes: list[Note] = []
        self.stack: str | None = None
        self.raised: BaseException | None = None
        timers = TimerNotes()
        try:
            with timers.collecting():
                self.state = function(_Trigger(payload))
        except BaseException as error:
            text = failures.text_of(error)
            label = text.find(LABEL)
            if label < 0:
                self.error = error
                return
            self.state = text[label + len(LABEL) :]
            self.raised = error.__cause__ or error
            self.stack = failures.stack_of(self.raised)
        self.notes = timers.take()
        try:
            answer: Any = json.loads(self.state or "")
            actions = answer["actions"]
            self.action_count = len(actions[0]) if answer.get("schemaVersion") else len(actions)
            self.has_ended = bool(answer["isDone"]) or self.stack is not None
        except (ValueError, TypeError, LookupError):
            self.state, self.error = None, ValueError("Out of proc orchestrators must return a valid JSON schema")


def replay(function: Callable[..., Any], payload: str) -> dict[str, Any]:
    """The answer to a request with the whole history, in the form of `OrchestrationSessions.handle`."""
    run = _HandleRun(function, payload)
    if run.error is not None:
        return {"failed": describe(run.error, function)}
    cuts = _Cuts(function, payload, run)
    answer: dict[str, Any] = {
        "state": run.state,
        "at": [cuts.first_with(number + 1) for number in range(run.action_count)],
        "first": 0,
    }
    if run.has_ended:
        answer["ended"] = cuts.first_ended()
    if run.raised is not None:
        answer["stack"] = run.stack
        answer["raised"] = describe(run.raised, function)
    if run.notes:
        answer["notes"] = [{**note, "at": cuts.first_noting(n + 1)} for n, note in enumerate(run.notes)]
    return answer


class _Cuts:
    """Runs on shortened histories, cached by their length."""

    def __init__(self, function: Callable[..., Any], payload: str, whole: _HandleRun) -> None:
        self._function = function
        self._payload: dict[str, Any] = json.loads(payload)
        self._history: list[dict[str, Any]] = self._payload["history"]
        self._points = [index for index, event in enumerate(self._history) if event["EventType"] in RESUMING_EVENTS]
        self._runs: dict[int, _HandleRun] = {len(self._points) - 1: whole}

    def first_with(self, action_count: int) -> int:
        """The index of the event during which that many actions had been requested."""
        return self._first(lambda run: run.error is None and run.action_count >= action_count)

    def first_noting(self, note_count: int) -> int:
        """The index of the event during which there were that many notes about the code's timers."""
        return self._first(lambda run: run.error is None and len(run.notes) >= note_count)

    def first_ended(self) -> int:
        return self._first(lambda run: run.error is None and run.has_ended)

    def _first(self, holds: Callable[[_HandleRun], bool]) -> int:
        low, high = 0, len(self._points) - 1
        while low < high:
            middle = (low + high) // 2
            if holds(self._run(middle)):
                high = middle
            else:
                low = middle + 1
        return self._points[low]

    def _run(self, point: int) -> _HandleRun:
        run = self._runs.get(point)
        if run is None:
            run = self._runs[point] = _HandleRun(self._function, self._cut_behind(self._points[point]))
        return run

    def _cut_behind(self, index: int) -> str:
        """The history up to `index` as a replay: all events are played, and another episode has begun.

        So code that checks `is_replaying` does not log.
        """
        events = [{**event, "IsPlayed": True} for event in self._history[: index + 1]]
        begun = next(event for event in reversed(events) if event["EventType"] == 12)
        return json.dumps({**self._payload, "isReplaying": True, "history": [*events, {**begun, "IsPlayed": False}]})
