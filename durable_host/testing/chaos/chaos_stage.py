"""What chaos adds to one run of an app in memory."""

import logging
from contextlib import suppress

from durable_host.chaos.fault import AFTER
from durable_host.clock import Clock
from durable_host.durable.runtime.runtime import DurableRuntime
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.durable.user_code import UserCode
from durable_host.invocation.errors import WorkerLost
from durable_host.invocation.kills import Kill
from durable_host.invocation.pool import WorkerPool
from durable_host.supervision import Tasks
from durable_host.testing.chaos.chaos_run import ChaosRun
from durable_host.testing.chaos.faulty_storage import FaultyStorage
from durable_host.testing.chaos.mortal_hub import MortalHub
from durable_host.testing.chaos.numbered_instances import NumberedInstances
from durable_host.testing.chaos.turn_taking_code import TurnTakingCode
from durable_host.testing.chaos.turns import Turns
from durable_host.testing.memory_storage.memory_storage import MemoryStorage

_log = logging.getLogger("Host.Chaos")
_MOST_WAITS = 4


class ChaosStage:
    """The hub and the code of an app, with the faults of `run`. A host that has ended starts again."""

    def __init__(self, run: ChaosRun, hub: SqliteTaskHub, clock: Clock) -> None:
        self._injector = run
        self._names = NumberedInstances()
        self._turns = Turns(run)
        self._tasks = Tasks(_log)
        self._pool: WorkerPool | None = None
        self.hub = MortalHub(hub, run, clock, self._names)

    @property
    def is_busy(self) -> bool:
        """Whether time must stand still."""
        return self._turns.is_busy or self.hub.ended.is_set()

    def code(self, code: UserCode) -> UserCode:
        """Return the code as the runtime should use it."""
        return TurnTakingCode(code, self._turns, self._names, self._until_worker_accepts_calls)

    def start(self, runtime: DurableRuntime, pool: WorkerPool, storage: MemoryStorage) -> None:
        """Grant turns, kill workers, let storage fail, and start the runtime again whenever it has ended."""
        self._pool, pool.kills = pool, self._kills
        storage.answer_to_host = FaultyStorage(self._injector, storage, self._names).answer
        self._tasks.keep_running("turns of functions", self._turns.serve)
        self._tasks.keep_running("restarts of the host", lambda: self._restart(runtime))

    async def stop(self) -> None:
        """End everything that `start` has begun. Functions no longer wait for turns."""
        if self._pool is not None:
            self._pool.kills = None
        await self._tasks.stop()
        self._turns.close()

    def _kills(self, function: str, instance_id: str | None) -> Kill | None:
        """Decide whether a call kills its worker. Only the calls of instances do, because these are repeated."""
        if not instance_id:
            return None
        target = f"function '{function}' of instance '{self._names.name(instance_id)}'"
        fault = self._injector.happens("kill-worker", target, instance_id=instance_id)
        if fault is None:
            return None
        return "after" if fault.variant == AFTER else "instead"

    async def _until_worker_accepts_calls(self) -> None:
        """Wait for the next worker, so that the test does not look at the app without one."""
        pool = self._pool
        if pool is None:
            return
        for _ in range(_MOST_WAITS):
            with suppress(WorkerLost):
                await pool.ready()
                break

    async def _restart(self, runtime: DurableRuntime) -> None:
        while True:
            await self.hub.ended.wait()
            await runtime.end_at_once()
            await self.hub.revive()
            await runtime.start()
