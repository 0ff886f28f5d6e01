"""The worker's end of the pipe to the host: writes whole frames, from any thread."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from typing import Any

from .frames import FrameBody, encode_frame

MOST_LEFT = 65_536
"""Bytes that wait for the thread that is writing. If there are more, `post` waits for it. Also the size of a batch."""


class PipeChannel:
    """Writes frames to `descriptor`.

    Answers from the event loop's thread are gathered and written once per iteration of the loop. Answers from other
    threads are posted: while one thread writes, the others leave theirs to it, unless it has much to write. Everything
    else is written immediately and in order, so that the last log line before a crash reaches the host.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.RLock()
        self._gathered = bytearray()
        self._posted: deque[bytes] = deque()
        self._posted_size = 0
        self._posting = threading.RLock()
        self._writing = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def send(self, header: dict[str, Any], blob: FrameBody | None = None) -> None:
        frame = encode_frame(header, blob)
        with self._lock:
            if self._gathered:
                self._gathered += frame
                self._write_gathered()
            else:
                self._write(frame)
        self._write_posted()

    def post(self, header: dict[str, Any], blob: FrameBody | None = None) -> None:
        """Write a frame, or leave it to a thread that is writing. Call it from any thread except the event loop's."""
        frame = encode_frame(header, blob)
        with self._posting:
            self._posted.append(frame)
            self._posted_size += len(frame)
        self._write_posted(wait=self._posted_size + self._writing > MOST_LEFT)

    def gather(self, header: dict[str, Any], blob: FrameBody | None = None) -> None:
        """Queue a frame for the end of the loop's iteration. Call it only from the event loop's thread."""
        frame = encode_frame(header, blob)
        with self._lock:
            is_first = not self._gathered
            self._gathered += frame
        if is_first and self._loop is not None:
            self._loop.call_soon(self.flush)
        self._write_posted()

    def flush(self) -> None:
        with self._lock:
            if self._gathered:
                self._write_gathered()
        self._write_posted()

    def after_fork(self) -> None:
        """Make a forked child of user code stop writing to the host's pipe."""
        self._lock = threading.RLock()
        self._posting = threading.RLock()
        self._gathered.clear()
        self._posted.clear()
        self._posted_size = 0
        self._writing = 0
        os.close(self._descriptor)
        self._descriptor = -1

    def _write_posted(self, *, wait: bool = False) -> None:
        """Write what is posted. A thread that has the lock does this after it has released it.

        With `wait`, everything that was posted before the call has been written when it returns.
        """
        while (self._posted or self._writing) and self._lock.acquire(blocking=wait):
            try:
                if self._writing:  # by this thread: a finalizer or a signal handler has interrupted it
                    return
                self._write(self._next_batch())
            except BaseException:
                self._writing = 0
                self._write_posted()
                raise
            finally:
                self._lock.release()

    def _next_batch(self) -> bytes:
        frames: list[bytes] = []
        size = 0
        with self._posting:
            while self._posted and (not frames or size + len(self._posted[0]) <= MOST_LEFT):
                frames.append(self._posted.popleft())
                size += len(frames[-1])
            self._writing = size
            self._posted_size -= size
        return b"".join(frames)

    def _write_gathered(self) -> None:
        data = bytes(self._gathered)
        self._gathered.clear()
        self._write(data)

    def _write(self, data: bytes) -> None:
        """Write all of `data`, even if a signal handler of user code raises an exception meanwhile."""
        interruption: BaseException | None = None
        self._writing = len(data)
        try:
            view = memoryview(data)
            while view and self._descriptor >= 0:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except OSError:
                    self._descriptor = -1
                except BaseException as error:
                    interruption = error
        finally:
            self._writing = 0
        if interruption is not None:
            raise interruption
