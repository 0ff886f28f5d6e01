"""Adds to a history what official workers write and this host never does: a result, a timer or an event twice, and
episodes without any event.
"""

from random import Random
from typing import Any

from stored_hub import Row, StoredHub

from durable_host import timestamp
from durable_host.durable.taskhub.azure.names import SENTINEL, escape_key, row_key
from durable_host.testing.memory_storage.memory_account import MemoryAccount

DOUBLED = ("TaskCompleted", "TimerFired", "EventRaised")


def add_official_episode(storage: MemoryAccount, hub: StoredHub, instance_id: str, random: Random, now: int) -> str:
    """Append an episode to the history of an open instance; what it repeats, `nothing` when it repeats nothing."""
    history = hub.history(instance_id)
    candidates = [row for row in history if row["EventType"] in DOUBLED]
    repeated = random.choice([None, *candidates])
    execution = history[0]["ExecutionId"]
    when = timestamp.to_round_trip(now)

    def bare(kind: str) -> Row:
        return {
            "EventId": -1,
            "IsPlayed": False,
            "_Timestamp": when,
            "_Timestamp@odata.type": "Edm.DateTime",
            "EventType": kind,
            "ExecutionId": execution,
        }

    rows: list[Row] = [bare("OrchestratorStarted")]
    if repeated is not None:
        rows.append(dict(repeated))
    rows.append(bare("OrchestratorCompleted"))
    key = escape_key(instance_id)
    for ordinal, row in enumerate(rows, len(history)):
        where: dict[str, Any] = {"PartitionKey": key, "RowKey": row_key(ordinal)}
        storage.tables._write("PUT", hub.history_table, key, row_key(ordinal), {**row, **where}, None)
    mark = {
        "PartitionKey": key,
        "RowKey": SENTINEL,
        "ExecutionId": execution,
        "IsCheckpointComplete": True,
        "CheckpointCompletedTimestamp": when,
        "CheckpointCompletedTimestamp@odata.type": "Edm.DateTime",
    }
    storage.tables._write("MERGE", hub.history_table, key, SENTINEL, mark, "*")
    return "nothing" if repeated is None else repeated["EventType"]
