"""Logs when user code blocks the event loop, and makes sure that answers are still sent."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from types import FrameType
from typing import Any

from . import debugging, failures, logs, scope
from .channel import PipeChannel

BLOCKED_AFTER = 1.0
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_WORKER_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


class LoopWatchdog:
    """Watches the event loop while async calls are running; sleeps otherwise."""

    def __init__(self, loop: asyncio.AbstractEventLoop, channel: PipeChannel) -> None:
        self._loop = loop
        self._channel = channel
        self._loop_thread = threading.get_ident()
        self._running = 0
        self._wanted = threading.Event()
        self._scopes: dict[Any, scope.Scope] = {}
        self._thread: threading.Thread | None = None

    def begin(self, task: Any, owner: scope.Scope) -> None:
        self._scopes[task] = owner
        self._running += 1
        if self._thread is None:
            thread = threading.Thread(target=self._watch, name="durable-host-watchdog", daemon=True)
            self._thread = debugging.never_paused(thread)
            thread.start()
        if not self._wanted.is_set():
            self._wanted.set()

    def end(self, task: Any) -> None:
        self._scopes.pop(task, None)
        self._running -= 1

    def _watch(self) -> None:
        while True:
            self._wanted.wait()
            if not self._running:
                self._wanted.clear()
                if not self._running:
                    continue
            turned = threading.Event()
            try:
                self._loop.call_soon_threadsafe(turned.set)
            except RuntimeError:
                return
            if turned.wait(BLOCKED_AFTER):
                threading.Event().wait(BLOCKED_AFTER / 2)
                continue
            if not self._loop.is_running():
                continue  # The worker ends, and waits for threads.
            self._channel.flush()
            if not debugging.is_attached():
                try:
                    self._report()
                except Exception as error:
                    text = f"The event loop is blocked; the place is unknown: {failures.text_of(error)}"
                    logs.report(self._channel, logging.WARNING, text)
            turned.wait()

    def _report(self) -> None:
        frame = sys._current_frames().get(self._loop_thread)  # pyright: ignore[reportPrivateUsage]
        task = asyncio.current_task(self._loop)
        owner = self._scopes.get(task)
        what = f"async function '{owner[1]}'" if owner else "asynchronous code"
        logs.report(
            self._channel,
            logging.WARNING,
            f"The event loop has been blocked for more than {BLOCKED_AFTER:g} s by {what}{_place(frame)}. All other "
            "async functions wait: await an asynchronous call instead, hand blocking work to "
            "asyncio.to_thread, or declare the function with a plain def",
            owner,
        )


def _place(frame: FrameType | None) -> str:
    """The innermost line of user code in a blocked stack."""
    if frame is None:
        return ""
    stack = traceback.extract_stack(frame)
    for entry in reversed(stack):
        if not entry.filename.startswith((_STANDARD_LIBRARY, _WORKER_FOLDER, "<frozen")):
            return f' at File "{entry.filename}", line {entry.lineno}, in {entry.name}: {entry.line}'
    return ""
