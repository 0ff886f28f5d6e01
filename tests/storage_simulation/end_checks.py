"""Checks at the end of a run: instances, histories, entities, and the remaining contents of storage."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import hub_oracles
from program_app import ORCHESTRATOR
from programs import ENTITY
from stored_hub import Row

from durable_host.durable.engine import history_replay
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.sdk.v1 import V1UserCode
from durable_host.durable.taskhub.azure.history_rows import read_row
from durable_host.storage.table_codec import read_entity
from durable_host.worker.orchestrations_v1 import OrchestrationSessions

if TYPE_CHECKING:
    from simulated_world import World


async def check(world: "World") -> None:
    """Report everything that is wrong."""
    for problem in hub_oracles.after_clean_stop(world.hub, world.is_served):
        world.complain(f"in the end: {problem}")
    for driver in world.drivers:
        if driver.has_ended:
            for problem in driver.check():
                world.complain(problem)
    rewritten = {driver.id: driver.official_rows for driver in world.drivers}
    for instance_id in world.hub.instances():
        history, spare = world.hub.history(instance_id), rewritten.get(instance_id, 0)
        for problem in hub_oracles.of_history(instance_id, history, world.sent, spare):
            world.complain(problem)
        if not instance_id.startswith("@") and world.hub.status(instance_id) == "Completed":
            await _replay(world, instance_id, history)
    _check_ledgers(world)


class _Replaying:
    """The SDK alone: implements what a replay needs of `sdk.v1.Calls`."""

    async def orchestrate(
        self, function: str, payload: dict[str, Any], *, key: str, instance_id: str | None
    ) -> dict[str, Any]:
        return OrchestrationSessions().handle(payload, ORCHESTRATOR)


async def _replay(world: "World", instance_id: str, history: list[Row]) -> None:
    """Check that the real SDK makes the same decisions as the history."""
    events = [read_row(read_entity(dict(row))) for row in history if not row.get("InputBlobName")]
    if not events or len(events) < len(history):  # Purged from outside, or too large for the row.
        return
    code = V1UserCode(_Replaying(), orchestrators={"program": "program"}, activities={}, entities={})  # type: ignore[arg-type]
    turn = history_replay.turn_of(events)
    try:
        history_replay.check(turn, await code.run_orchestrator(turn), EngineOptions())
    except history_replay.ReplayFailed as failed:
        world.complain(f"{instance_id}: {failed}")


def _check_ledgers(world: "World") -> None:
    values: dict[str, list[str]] = {}
    for number in range(world.plan.entities):
        row = world.hub.instance(f"@{ENTITY.lower()}@ledger{number}")
        scheduler = json.loads(world.hub.text_of(row, "Input")) if row else {}
        values[f"ledger{number}"] = json.loads(scheduler.get("state") or "[]")
    starts = {driver.id: driver.starts for driver in world.drivers}
    for entity, found in values.items():
        for value, count in Counter(found).items():
            most = max(1, world.sent[value], starts.get(value.partition(".")[0], 1))
            if count > most and world.plan.is_strict:
                world.complain(f"{entity} counts {value} {count} times")
    for value, entity in world.signals.items():
        if value in world.acknowledged and value not in values[entity]:
            world.complain(f"the acknowledged signal {value} did not reach {entity}")
    for driver in world.drivers:
        if driver.has_ended and world.hub.status(driver.id) == "Completed":
            for entity, value in (*driver.program.calls, *driver.program.signals):
                if value not in values[entity]:
                    world.complain(f"{value} of {driver.id} did not reach {entity}")
