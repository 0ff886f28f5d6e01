"""The worker processes that loaded one state of the app.

A reload makes new ones beside them; calls that began with the old ones end there.
"""

import asyncio
import contextlib
import itertools
import zlib
from collections.abc import Callable, Generator

from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.slot import CrashBudget, WorkerSlot
from durable_host.invocation.worker_options import WorkerOptions
from durable_host.invocation.worker_process import WorkerProcess


class Workers:
    """Owns the slots of one state of the app. `index` is what the first process found in it.

    `debugs_at_start`: the debugger listens from the start on; else `open_debugger` makes it listen.
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
        """Start the other processes, one after the other; those that do not come up are tried again and again."""
        for slot in self._slots[1:]:
            await slot.begin()

    @contextlib.contextmanager
    def held(self) -> Generator["Workers"]:
        """Keep the processes for a call that is about to be made."""
        self._held += 1
        try:
            yield self
        finally:
            self._held -= 1
            if not self._held:
                self._released.set()

    def processes(self) -> list[WorkerProcess]:
        """Those that take calls."""
        return [slot.process for slot in self._slots if slot.process is not None and not slot.process.exited.done()]

    def pids(self) -> list[int]:
        """The IDs of all running processes, including those that finish their last calls."""
        return [pid for slot in self._slots if (pid := slot.pid) is not None]

    def pick(self, key: str | None = None) -> WorkerProcess | None:
        """The next process in turn, or that of the session `key`; another one when that is not up. None without any."""
        slots, count = self._slots, len(self._slots)
        first = next(self._turns) if key is None else slot_of(key, count)
        for offset in range(count):
            process = slots[(first + offset) % count].process
            if process is not None and process.takes_calls:
                return process
        return None

    def session_process(self, key: str) -> WorkerProcess | None:
        """The process that holds the session `key`, if it is up."""
        process = self._slots[slot_of(key, len(self._slots))].process
        return None if process is None or process.exited.done() else process

    def open_debugger(self) -> None:
        """Have the first process listen for a debugger, now and after each restart."""
        self._slots[0].open_debugger()

    async def retire(self) -> None:
        """End the processes when nothing runs in them any more and nobody holds them."""
        while self._held:
            self._released.clear()
            await self._released.wait()
        await asyncio.gather(*(slot.retire() for slot in self._slots))

    async def stop(self, grace: float) -> None:
        """End the processes, whatever they are doing after `grace` seconds."""
        await asyncio.gather(*(slot.stop(grace) for slot in self._slots))


def slot_of(key: str, count: int) -> int:
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % count
