"""The code of an app whose functions run one at a time."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from durable_host.chaos.message_words import InstanceNames
from durable_host.durable.user_code import (
    ActivityOutcome,
    EntityAnswer,
    EntityBatch,
    NumberedAnswer,
    OrchestratorAnswer,
    OrchestratorTurn,
    UserCode,
    WorkItemAborted,
)
from durable_host.host.replaceable_user_code import ReplaceableUserCode
from durable_host.testing.chaos.turns import Turns


class TurnTakingCode(ReplaceableUserCode):
    """Delegates to `code`, when it is the function's turn. A turn that has lost its worker lasts `until_replaced`."""

    def __init__(
        self, code: UserCode, turns: Turns, names: InstanceNames, until_replaced: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(code)
        self._turns = turns
        self._names = names
        self._until_replaced = until_replaced

    async def run_orchestrator(self, turn: OrchestratorTurn) -> OrchestratorAnswer | NumberedAnswer:
        async with self._turn(f"orchestrator '{turn.name}' of instance '{self._names.name(turn.instance_id)}'"):
            return await super().run_orchestrator(turn)

    async def run_activity(self, name: str, input: str | None, **details: Any) -> ActivityOutcome:
        instance = self._names.name(details["instance_id"])
        async with self._turn(f"activity '{name}' (task {details['task_id']}) of instance '{instance}'"):
            return await super().run_activity(name, input, **details)

    async def run_entity(self, batch: EntityBatch, **details: Any) -> EntityAnswer:
        async with self._turn(f"entity '@{batch.name.casefold()}@{batch.key}'"):
            return await super().run_entity(batch, **details)

    @asynccontextmanager
    async def _turn(self, target: str) -> AsyncGenerator[None]:
        async with self._turns.turn(target):
            try:
                yield
            except WorkItemAborted:
                await self._until_replaced()
                raise
