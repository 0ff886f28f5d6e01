"""The worker processes that have loaded one state of the app.

A reload starts new ones next to them; calls that began in the old ones finish there.
"""

import asyncio
import itertools
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager

from durable_host.invocation.language_worker import LanguageWorker
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.slot import CrashBudget, WorkerSlot
from durable_host.invocation.worker_options import WorkerOptions


class Workers:
    """Owns the slots for one state of the app. `index` is the result of indexing it in the first process.

    `debugs_at_start`: the debugger listens from the start; otherwise it listens after `open_debugger`.
    """

    def __init__(self, options: WorkerOptions, changed: Callable[[], None], *, debugs_at_start: bool = True) -> None:
        budget = CrashBudget(options.process_count)
        self._options = options
        self._slots = [
            WorkerSlot(options, budget, changed, is_debugged=debugs_at_start and number == 0)
            for number in range(options.process_count)
        ]
        self._turns = itertools.count()
        self._held = 0
        self._released = asyncio.Event()
        self.index = IndexResult()

    async def start(self) -> IndexResult:
        """Start the first process. Raises InterpreterUnusable, WorkerStartFailed; see `WorkerSlot.start`."""
        self.index = await self._slots[0].start()
        return self.index

    async def start_further(self) -> None:
        """Start the other processes, one after another. Those that fail to start are retried."""
        for slot in self._slots[1:]:
            await slot.begin()

    def held(self) -> AbstractContextManager["Workers"]:
        """Hold the processes for a call that is about to begin."""
        return self

    def __enter__(self) -> "Workers":
        self._held += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._held -= 1
        if not self._held:
            self._released.set()

    def processes(self) -> list[LanguageWorker]:
        """The processes that accept calls."""
        return [slot.process for slot in self._slots if slot.process is not None and not slot.process.exited.done()]

    def pids(self) -> list[int]:
        """The IDs of all running processes, including those that finish their last calls."""
        return [pid for slot in self._slots if (pid := slot.pid) is not None]

    def pick(self, key: str | None = None) -> LanguageWorker | None:
        """The next process in turn, or that of the session `key` if it is running. None if no process is running."""
        slots, count = self._slots, len(self._slots)
        first = next(self._turns) if key is None else slot_of(key, count)
        for offset in range(count):
            process = slots[(first + offset) % count].process
            if process is not None and process.takes_calls:
                return process
        return None

    def session_process(self, key: str) -> LanguageWorker | None:
        """The process with the session `key`, if it is running."""
        process = self._slots[slot_of(key, len(self._slots))].process
        return None if process is None or process.exited.done() else process

    def open_debugger(self) -> None:
        """Make the first process listen for a debugger, now and after each restart."""
        self._slots[0].open_debugger()

    async def retire(self) -> None:
        """End the processes when no calls run in them and nobody holds them."""
        while self._held:
            self._released.clear()
            await self._released.wait()
        await asyncio.gather(*(slot.retire() for slot in self._slots))

    async def stop(self, grace: float) -> None:
        """End the processes, and kill those that still run after `grace` seconds."""
        await asyncio.gather(*(slot.stop(grace) for slot in self._slots))


def slot_of(key: str, count: int) -> int:
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % count
