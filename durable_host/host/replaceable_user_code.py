"""A `UserCode` whose code can be replaced, so that the runtime continues when the app is reloaded."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from durable_host.durable.user_code import (
    ActivityOutcome,
    CodeDialect,
    EntityAnswer,
    EntityBatch,
    NumberedAnswer,
    OrchestratorAnswer,
    OrchestratorTurn,
    UserCode,
    continues_core,
    continues_v1,
    dialect_of,
    first_number,
    numbers_its_actions,
    reading_code,
)


class ReplaceableUserCode:
    """Delegates to `code`. Live sessions belong to the code that created them and are not transferred."""

    def __init__(self, code: UserCode) -> None:
        self.code = code

    @property
    def numbers_its_actions(self) -> bool:
        return numbers_its_actions(self.code)

    @property
    def first_number(self) -> int:
        return first_number(self.code)

    @property
    def dialect(self) -> CodeDialect:
        return dialect_of(self.code)

    @property
    def continues_v1(self) -> bool:
        return continues_v1(self.code)

    @property
    def continues_core(self) -> bool:
        return continues_core(self.code)

    def has_orchestrator(self, name: str) -> bool:
        return self.code.has_orchestrator(name)

    def has_activity(self, name: str) -> bool:
        return self.code.has_activity(name)

    def has_entity(self, name: str) -> bool:
        return self.code.has_entity(name)

    def orchestrator_names(self) -> Sequence[str]:
        return self.code.orchestrator_names()

    def orchestrator_function(self, name: str) -> str:
        return self.code.orchestrator_function(name)

    def activity_names(self) -> Sequence[str]:
        return self.code.activity_names()

    def entity_names(self) -> Sequence[str]:
        return self.code.entity_names()

    def alone(self) -> AbstractAsyncContextManager[UserCode]:
        return self.code.alone()

    def reading(self) -> UserCode | None:
        """Return the code for replays for people, or None if it has no such replays."""
        return reading_code(self.code)

    async def run_orchestrator(self, turn: OrchestratorTurn) -> OrchestratorAnswer | NumberedAnswer:
        return await self.code.run_orchestrator(turn)

    def forget(self, instance_id: str, execution_id: str) -> None:
        self.code.forget(instance_id, execution_id)

    async def run_activity(self, name: str, input: str | None, **details: Any) -> ActivityOutcome:
        return await self.code.run_activity(name, input, **details)

    async def run_entity(self, batch: EntityBatch, **details: Any) -> EntityAnswer:
        return await self.code.run_entity(batch, **details)
