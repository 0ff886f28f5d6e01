"""The pipe with the host's requests: read by a thread of its own, or by the event loop while that keeps up.

The thread goes on reading while user code blocks the event loop. But to pass a request on to the loop, it has to wake
the loop's thread and hand over Python's lock, which takes longer than the rest of a call. So it lends the pipe to the
loop while the requests are for the loop.

A loop that does not read in time loses the pipe, and does not get it again for a while. Until then, a request for a
thread waits for up to `LOOK_EVERY` and `PATIENCE`.

Signal handlers of user code run in the loop's thread and may raise an exception between any two steps. So in an app
that has some, only the thread reads.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import os
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from .frames import FrameParser

READ_SIZE = 256 * 1024
LOOK_EVERY = 0.02
"""The longest time in seconds between two checks of the thread whether a request waits for the loop."""
PATIENCE = 0.005
"""Seconds in which the loop then has to begin to read. Otherwise the thread reads."""
QUIET_AFTER = 8
"""After this many times `LOOK_EVERY` without a request, the thread waits for the next one."""
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds without a loan after the loop was blocked."""
SOON = 4
"""A loop that is blocked again within this many times the last pause gets a pause of twice the time."""
MOST_FOR_THREADS = 8
"""After this many reads without a request for the loop, it returns the pipe."""
CAN_LEND = sys.platform != "win32"
"""Event loops on Windows cannot wait for a pipe."""
SIGNALS = [int(number) for number in signal.valid_signals()]

Frames = list[tuple[dict[str, Any], bytes]]
Actions = list[Callable[[], None]]
Begin = Callable[[Frames], "Actions | None"]


class LoanPause:
    """The time without loans after the loop was blocked. It doubles while the loop is soon blocked again."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._until = 0.0

    def begin(self, now: float) -> None:
        is_soon = now < self._until + SOON * self._seconds
        self._seconds = min(LONGEST_PAUSE, 2 * self._seconds) if is_soon else SHORTEST_PAUSE
        self._until = now + self._seconds

    def is_over(self, now: float) -> bool:
        return now >= self._until


class RequestPipe:
    """Reads whole frames. At any time, either the thread reads or, under the current loan, the event loop.

    Create it before user code can handle signals.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parser = FrameParser()
        self._lock = threading.Lock()
        self._loan = 0
        self._reads = 0
        self._for_threads = 0
        self._returned = threading.Event()
        self._is_loop_blocked = False
        self._pause = LoanPause()
        self._chance = random.Random()
        self._signal_handlers = signal_handlers()
        self._error: BaseException | None = None

    def read(self) -> Frames:
        """Wait for frames, in the thread. An empty list means that the host has ended."""
        while True:
            data = self._read()
            if not data:
                return []
            if frames := self._parser.feed(data):
                return frames

    def lend(self, loop: asyncio.AbstractEventLoop, begin: Begin, run: Callable[[Actions], None]) -> None:
        """Let the loop read, and return when the thread has to read again.

        The loop passes frames to `begin` and its result to `run`; None returns the pipe, and so do an error, which is
        raised here, and the end of the host. The thread takes the pipe back if the loop does not read in time, if there
        are no requests for a while, or if user code handles signals. A loop that was blocked does not get the pipe
        before it has turned again and a pause is over.
        """
        if self._is_loop_blocked or not self._pause.is_over(time.monotonic()) or self._is_exposed():
            return
        self._for_threads = 0
        self._returned.clear()
        self._loan += 1
        loop.call_soon_threadsafe(self._borrow, loop, self._loan, begin, run)
        seen, quiet = self._reads, 0
        while not self._returned.wait(LOOK_EVERY * (1 - self._chance.random() / 2)):
            quiet = quiet + 1 if self._reads == seen else 0
            seen = self._reads
            is_late = is_readable(self._descriptor) and not self._returned.wait(PATIENCE) and self._reads == seen
            if not is_late and quiet < QUIET_AFTER and not self._is_exposed():
                continue
            with self._lock:
                if self._returned.is_set() or (self._reads != seen and not self._is_exposed()):
                    continue
                self._loan += 1
            if is_late:
                self._is_loop_blocked = True
                loop.call_soon_threadsafe(self._unblock)
            return
        if self._error is not None:
            raise RuntimeError("a request could not be read") from self._error

    def _is_exposed(self) -> bool:
        """True if a signal handler of user code could interrupt the loop while it reads."""
        return signal_handlers() != self._signal_handlers

    def _unblock(self) -> None:
        self._pause.begin(time.monotonic())
        self._is_loop_blocked = False

    def _borrow(self, loop: asyncio.AbstractEventLoop, loan: int, begin: Begin, run: Callable[[Actions], None]) -> None:
        if loan == self._loan:
            loop.add_reader(self._descriptor, self._read_on_loop, loop, loan, begin, run)

    def _read_on_loop(
        self, loop: asyncio.AbstractEventLoop, loan: int, begin: Begin, run: Callable[[Actions], None]
    ) -> None:
        actions: Actions | None = None
        with self._lock:
            if loan == self._loan:
                try:
                    actions = self._begin_next(begin)
                except BaseException as error:
                    self._error = error
                if actions is None or self._for_threads >= MOST_FOR_THREADS:
                    self._loan += 1
                    self._returned.set()
            if loan != self._loan:
                loop.remove_reader(self._descriptor)
        if actions:
            contextvars.copy_context().run(run, actions)  # the loop keeps one context for the whole loan

    def _begin_next(self, begin: Begin) -> Actions | None:
        self._reads += 1
        data = self._read()
        if not data:
            return None
        frames = self._parser.feed(data)
        if not frames:
            return []
        actions = begin(frames)
        self._for_threads = 0 if actions else self._for_threads + 1
        return actions

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, READ_SIZE)
        except OSError:
            return b""


def is_readable(descriptor: int) -> bool:
    return bool(select.select((descriptor,), (), (), 0)[0])


def signal_handlers() -> list[object]:
    return list(map(_getsignal, SIGNALS))


_getsignal: Callable[[int], object] = importlib.import_module("_signal").getsignal
"""`signal.getsignal` takes twenty times as long, because it returns enum members."""
