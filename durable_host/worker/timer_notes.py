"""Detects timers that do not do what the code says, because of bugs in the SDK, in Azure too.

`cancel()` of a timer of more than six days has no effect that the host can see. And a due time loses its UTC offset on
the way to the host.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from importlib import import_module
from typing import Any

from .places import calling_frame, code_place

CANCELED_WITHOUT_EFFECT = "canceled_without_effect"
OFFSET_DROPPED = "offset_dropped"

Note = dict[str, Any]
_collecting: ContextVar[TimerNotes | None] = ContextVar("durable_host_timer_notes", default=None)


class TimerNotes:
    """The notes about the timers in one run of an orchestrator, once for each place in the code.

    A note has `kind`, `text` and `position`.
    """

    def __init__(self) -> None:
        self._new: list[Note] = []
        self._reported: set[tuple[str, str]] = set()
        self._not_yet_scheduled: list[tuple[Any, str]] = []

    def collecting(self) -> _Collecting:
        """A context manager that collects the notes about code in this thread."""
        return _Collecting(self)

    def take(self) -> list[Note]:
        """The notes since the last call."""
        if self._not_yet_scheduled:
            waiting, self._not_yet_scheduled = self._not_yet_scheduled, []
            for timer, place in waiting:
                self.cancelled(timer, place)
        new, self._new = self._new, []
        return new

    def created(self, due: Any, place: str) -> None:
        """`create_timer(due)` was called."""
        offset = due.utcoffset() if isinstance(due, datetime) else None
        if offset:
            self._add(OFFSET_DROPPED, place, _offset_text(due, offset))

    def cancelled(self, timer: Any, place: str) -> None:
        """`cancel()` of a long timer was called."""
        if timer.is_completed:
            return
        if not timer._is_scheduled:
            self._not_yet_scheduled.append((timer, place))
            return
        open_parts = [part.action_repr.fire_at for part in timer.pending_tasks if not part.is_cancelled]
        if open_parts:
            self._add(CANCELED_WITHOUT_EFFECT, place, _cancel_text(max(open_parts), timer.action.fire_at))

    def _add(self, kind: str, place: str, text: str) -> None:
        if (kind, place) not in self._reported:
            self._reported.add((kind, place))
            self._new.append({"kind": kind, "text": text, "position": place})


class _Collecting:
    __slots__ = ("_notes", "_token")

    def __init__(self, notes: TimerNotes) -> None:
        self._notes = notes

    def __enter__(self) -> None:
        watch_timers()
        self._token = _collecting.set(self._notes)

    def __exit__(self, *_: object) -> None:
        _collecting.reset(self._token)


_watched: Any = None


def watch_timers() -> None:
    """Make the SDK's classes report timers. Does nothing if they already do, or have no such timers."""
    global _watched
    models: Any = sys.modules.get("azure.durable_functions.models")
    if models is not None and models is _watched:
        return
    models = import_module("azure.durable_functions.models")
    tasks: Any = import_module("azure.durable_functions.models.Task")
    _wrap(models.DurableOrchestrationContext, "create_timer", _after_creation)
    _wrap(getattr(tasks, "LongTimerTask", None), "cancel", _after_cancel)
    _watched = models  # Last: until then, other threads must not go on.


def _wrap(owner: Any, name: str, after: Callable[..., None]) -> None:
    """Call `after` with the notes, the place of the call and its arguments once the method has returned."""
    original = getattr(owner, name, None)
    if original is not None and getattr(original, "durable_host_original", None) is None:
        setattr(owner, name, _wrapped(original, after))


def _wrapped(original: Callable[..., Any], after: Callable[..., None]) -> Any:
    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        notes, frame = _collecting.get(), calling_frame()
        if notes is not None and frame is not None:
            after(notes, code_place(frame), *args, **kwargs)
        return result

    wrapper.durable_host_original = original  # pyright: ignore[reportAttributeAccessIssue]
    return wrapper


def _after_creation(notes: TimerNotes, place: str, context: Any, fire_at: Any) -> None:
    notes.created(fire_at, place)


def _after_cancel(notes: TimerNotes, place: str, timer: Any) -> None:
    notes.cancelled(timer, place)


def _cancel_text(open_until: datetime, due: datetime) -> str:
    return (
        f"cancel() has no effect on this timer, in Azure as well: it was created for more than six days (it is due at "
        f"{_sent(due)}), and the SDK splits such a timer into a chain of three-day timers. The instance stays Running "
        f"until {_sent(open_until)}, when the timer of the chain that is open now fires; if the code has not returned "
        f"by then, the chain continues, until {_sent(due)} at the latest. Wait in a loop of timers of at most six days "
        "instead: those can be cancelled."
    )


def _offset_text(due: datetime, offset: timedelta) -> str:
    hours = abs(offset) / timedelta(hours=1)
    return (
        f"create_timer() got a due time with the UTC offset {due.strftime('%z')[:3]}:{due.strftime('%z')[3:5]}. The "
        f"SDK drops the offset, in Azure as well, so the timer fires at {_sent(due)} instead of "
        f"{_sent(due.astimezone(timezone.utc))}: {hours:g} hours too {'late' if offset > timedelta(0) else 'early'}. "
        "Convert the time first: create_timer(due.astimezone(timezone.utc))."
    )


def _sent(time: datetime) -> str:
    """The time that the SDK sends, without its offset."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
