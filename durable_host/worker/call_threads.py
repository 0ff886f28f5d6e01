"""The threads in which plain functions and orchestrators run.

`ThreadPoolExecutor` does the same, but creates a future with a lock for each call. Nobody waits for these futures, and
they take a sixth of the worker's CPU time.
"""

from __future__ import annotations

import os
import queue
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

_T = TypeVar("_T")


class CallThreads:
    """Up to `limit` threads (None: Python's default for pools). A new one starts if all others are busy."""

    def __init__(self, limit: int | None, name: str) -> None:
        processors: int | None = getattr(os, "process_cpu_count", os.cpu_count)()
        self._limit = limit or min(32, (processors or 1) + 4)
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0
        self._threads: list[threading.Thread] = []

    def run(self, call: Callable[[], object]) -> None:
        """Run `call` in a thread; calls begin in order. Raises RuntimeError if no thread can be started."""
        with self._lock:
            if self._free:
                self._free -= 1
            elif len(self._threads) < self._limit:
                self._start()
        self._calls.put(call)

    def result_of(self, call: Callable[[], _T]) -> Future[_T]:
        """Run `call` in a thread. The future gets its result or error."""
        result: Future[_T] = Future()
        self.run(partial(_settle, result, call))
        return result

    def end(self, seconds: float) -> None:
        """Wait for the calls, for up to `seconds`, and end the threads."""
        until = time.monotonic() + seconds
        self._calls.put(None)
        for thread in self._threads:
            thread.join(max(0, until - time.monotonic()))

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}_{len(self._threads)}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except BaseException:
                traceback.print_exc()
            del call
            with self._lock:
                self._free += 1
        self._calls.put(None)


def _settle(result: Future[_T], call: Callable[[], _T]) -> None:
    if not result.set_running_or_notify_cancel():
        return
    try:
        result.set_result(call())
    except BaseException as error:
        result.set_exception(error)
    finally:
        del result, call  # The error refers to this frame, which would keep both until the next garbage collection.
