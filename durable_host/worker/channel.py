"""The worker's end of the pipe to the host: writes whole frames, from any thread."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from typing import Any

from .frames import FrameBody, encode_frame


class PipeChannel:
    """Writes frames to `descriptor`.

    Answers from the event loop's thread are gathered and written once per iteration of the loop. Answers from other
    threads are posted: while one thread writes, the others leave theirs to it. Everything else is written immediately
    and in order, so that the last log line before a crash reaches the host.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.RLock()
        self._gathered = bytearray()
        self._posted: deque[bytes] = deque()
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
        self._posted.append(encode_frame(header, blob))
        self._write_posted()

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
        self._gathered.clear()
        self._posted.clear()
        os.close(self._descriptor)
        self._descriptor = -1

    def _write_posted(self) -> None:
        """Write what is posted. A thread that has the lock does this after it has released it."""
        while self._posted and self._lock.acquire(blocking=False):
            try:
                frames: list[bytes] = []
                while self._posted:
                    frames.append(self._posted.popleft())
                self._write(b"".join(frames))
            finally:
                self._lock.release()

    def _write_gathered(self) -> None:
        data = bytes(self._gathered)
        self._gathered.clear()
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self._descriptor < 0:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            self._descriptor = -1
