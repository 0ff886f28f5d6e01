"""What chaos adds to one run of an app in memory."""

import logging

from durable_host.clock import Clock
from durable_host.durable.runtime import DurableRuntime
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.durable.user_code import UserCode
from durable_host.supervision import Tasks
from durable_host.testing.chaos.chaos_run import ChaosRun
from durable_host.testing.chaos.mortal_hub import MortalHub
from durable_host.testing.chaos.numbered_instances import NumberedInstances
from durable_host.testing.chaos.turn_taking_code import TurnTakingCode
from durable_host.testing.chaos.turns import Turns

_log = logging.getLogger("Host.Chaos")


class ChaosStage:
    """The hub and the code of an app, with the faults of `run`. A host that has ended starts again."""

    def __init__(self, run: ChaosRun, hub: SqliteTaskHub, clock: Clock) -> None:
        self._names = NumberedInstances()
        self._turns = Turns(run.injector)
        self._tasks = Tasks(_log)
        self.hub = MortalHub(hub, run.injector, clock, self._names)

    @property
    def is_busy(self) -> bool:
        """Whether time must stand still."""
        return self._turns.is_busy or self.hub.ended.is_set()

    def code(self, code: UserCode) -> UserCode:
        """Return the code as the runtime should use it."""
        return TurnTakingCode(code, self._turns, self._names)

    def start(self, runtime: DurableRuntime) -> None:
        """Grant turns, and start the runtime again whenever it has ended."""
        self._tasks.keep_running("turns of functions", self._turns.serve)
        self._tasks.keep_running("restarts of the host", lambda: self._restart(runtime))

    async def stop(self) -> None:
        """End everything that `start` has begun. Functions no longer wait for turns."""
        await self._tasks.stop()
        self._turns.close()

    async def _restart(self, runtime: DurableRuntime) -> None:
        while True:
            await self.hub.ended.wait()
            await runtime.end_at_once()
            await self.hub.revive()
            await runtime.start()
