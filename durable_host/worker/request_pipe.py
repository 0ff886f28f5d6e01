"""The pipe with the host's requests: read by a thread of its own, or by the event loop while that keeps up.

The thread goes on reading while user code blocks the event loop. But to pass a request on to the loop, it has to wake
the loop's thread and hand over Python's lock, which takes longer than the rest of a call. So it lends the pipe to the
loop while the requests are for the loop.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Any

from .frames import FrameParser

READ_SIZE = 256 * 1024
PATIENCE = 0.02
"""Seconds in which the loop has to begin to read a request. Then the thread reads it."""
QUIET_AFTER = 50
"""After this many times `PATIENCE` without a request, the thread waits for the next one."""
MOST_FOR_THREADS = 8
"""After so many reads without a request for the loop, it returns the pipe."""
CAN_LEND = sys.platform != "win32"
"""Event loops on Windows cannot wait for a pipe."""

Frames = list[tuple[dict[str, Any], bytes]]
Actions = list[Callable[[], None]]
Begin = Callable[[Frames], "Actions | None"]


class RequestPipe:
    """Reads whole frames. At any time, either the thread reads or, under the current loan, the event loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parser = FrameParser()
        self._lock = threading.Lock()
        self._loan = 0
        self._reads = 0
        self._for_threads = 0
        self._returned = threading.Event()
        self._is_loop_blocked = False
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
        raised here, and the end of the host. The thread takes the pipe back if the loop does not begin to read, or if
        there are no requests for a while. A loop that is still blocked then does not get the pipe.
        """
        if self._is_loop_blocked:
            return
        self._for_threads = 0
        self._returned.clear()
        self._loan += 1
        loop.call_soon_threadsafe(self._borrow, loop, self._loan, begin, run)
        seen, quiet = self._reads, 0
        while not self._returned.wait(PATIENCE):
            if self._reads != seen:
                seen, quiet = self._reads, 0
                continue
            quiet += 1
            if quiet < QUIET_AFTER and not select.select((self._descriptor,), (), (), 0)[0]:
                continue
            with self._lock:
                if self._reads != seen or self._returned.is_set():
                    continue
                self._loan += 1
            if quiet < QUIET_AFTER:
                self._is_loop_blocked = True
                loop.call_soon_threadsafe(self._unblock)
            return
        if self._error is not None:
            raise RuntimeError("a request could not be read") from self._error

    def _unblock(self) -> None:
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
            run(actions)

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
