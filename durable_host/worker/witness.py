"""Detects when live orchestrator code reads something that would differ in a replay.

In Azure, each episode runs the code again from its first line. A live session gives the same result as long as the code
reads nothing that has another value in a replay: the whole history, `is_replaying`, or the context of another run. Code
that keeps its context in a global variable finds another run's context there after that run's turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from threading import get_ident
from typing import Any

from .fresh_code import reason_in
from .log_guards import is_log_guard
from .places import calling_frame, code_place

_KEY = "_durable_host_witness"
_SHARED = ("_current_utc_datetime", "_custom_status", "_input", "_instance_id", "_replay_schema")


class Witness:
    """The observations about one session.

    `obstacle` says why such code must be replayed in each episode, or is None. `question` is the place where the code
    read something that a replay would answer differently from the next episode on. `has_foreign_use` is true if the run
    used the context of another run, or the other way round. `thread` is the thread that runs the session now.
    """

    __slots__ = ("has_foreign_use", "obstacle", "question", "thread")

    def __init__(self) -> None:
        self.obstacle: str | None = None
        self.question: str | None = None
        self.has_foreign_use = False
        self.thread: int | None = None

    @property
    def is_current(self) -> bool:
        """True if the next episode can use the session."""
        return self.obstacle is None and self.question is None and not self.has_foreign_use

    def watch(self, context: Any) -> None:
        """Observe reads from the SDK's context."""
        context.__dict__[_KEY] = self
        context.__class__ = _watched_type(context.__class__)

    def watch_code(self, generator: Any) -> None:
        """Check a suspended generator and those that it delegates to."""
        while generator is not None and self.obstacle is None:
            frame = getattr(generator, "gi_frame", None)
            if frame is not None:
                self.obstacle = reason_in(frame.f_code, frame.f_globals)
            generator = getattr(generator, "gi_yieldfrom", None)

    def feeding(self) -> _Feeding:
        """A context manager that marks that this thread runs the session's code."""
        return _Feeding(self)


_running: dict[int, Witness] = {}


class _Feeding:
    __slots__ = ("_before", "_thread", "_witness")

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    def __enter__(self) -> None:
        thread = self._thread = self._witness.thread = get_ident()
        self._before = _running.get(thread)
        _running[thread] = self._witness

    def __exit__(self, *_: object) -> None:
        self._witness.thread = None
        if self._before is None:
            del _running[self._thread]
        else:
            _running[self._thread] = self._before


@lru_cache(maxsize=8)
def _watched_type(context_type: type) -> type:
    members: dict[str, Any] = {name: _watched(name, None) for name in _SHARED}
    members["_histories"] = _watched("_histories", _history_read)
    members["_is_replaying"] = _watched("_is_replaying", _replaying_read)
    members |= {"__module__": context_type.__module__, "__qualname__": context_type.__qualname__}
    members["__doc__"] = context_type.__doc__
    return type(context_type.__name__, (context_type,), members)


def _watched(name: str, note: Callable[[Witness, Any], None] | None) -> property:
    def read(context: Any) -> Any:
        values: dict[str, Any] = context.__dict__
        witness: Witness = values[_KEY]
        if name not in values:
            raise AttributeError(name)
        if witness.thread != get_ident():
            _note_foreign_use(witness)
        elif note is not None:
            note(witness, values[name])
        return values[name]

    def write(context: Any, value: Any) -> None:
        context.__dict__[name] = value

    return property(read, write)


def _history_read(witness: Witness, value: Any) -> None:
    if witness.obstacle is None:
        frame = calling_frame()
        witness.obstacle = "it reads context.histories" + (f" at {code_place(frame)}" if frame is not None else "")


def _replaying_read(witness: Witness, value: Any) -> None:
    if value or witness.question is not None:
        return
    frame = calling_frame()
    if frame is not None and not is_log_guard(frame):
        witness.question = code_place(frame)


def _note_foreign_use(owner: Witness) -> None:
    """Record that another run, or code outside any run, uses the context. Threads of its own run may use it."""
    other = _running.get(get_ident())
    if other is not None:
        other.has_foreign_use = owner.has_foreign_use = True
    elif owner.thread is None:
        owner.has_foreign_use = True
