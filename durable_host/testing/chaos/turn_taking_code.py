"""The code of an app whose functions run one at a time."""

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
)
from durable_host.host.replaceable_user_code import ReplaceableUserCode
from durable_host.testing.chaos.turns import Turns


class TurnTakingCode(ReplaceableUserCode):
    """Delegates to `code`, when it is the function's turn."""

    def __init__(self, code: UserCode, turns: Turns, names: InstanceNames) -> None:
        super().__init__(code)
        self._turns = turns
        self._names = names

    async def run_orchestrator(self, turn: OrchestratorTurn) -> OrchestratorAnswer | NumberedAnswer:
        async with self._turns.turn(f"orchestrator '{turn.name}' of instance '{self._names.name(turn.instance_id)}'"):
            return await super().run_orchestrator(turn)

    async def run_activity(self, name: str, input: str | None, **details: Any) -> ActivityOutcome:
        instance = self._names.name(details["instance_id"])
        async with self._turns.turn(f"activity '{name}' (task {details['task_id']}) of instance '{instance}'"):
            return await super().run_activity(name, input, **details)

    async def run_entity(self, batch: EntityBatch, **details: Any) -> EntityAnswer:
        async with self._turns.turn(f"entity '@{batch.name.casefold()}@{batch.key}'"):
            return await super().run_entity(batch, **details)
