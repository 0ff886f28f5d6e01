"""The contents of a hub's storage: raw rows, and the messages in the queues."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from azure.data.tables import TableServiceClient

_HISTORY = ["PartitionKey", "RowKey", "EventType", "EventId", "ExecutionId", "Name", "TaskScheduledId", "TimerId"]
_INSTANCES = ["PartitionKey", "ExecutionId", "RuntimeStatus", "CustomStatus"]


class StorageView:
    """Rows of the hub as `refresh` found them. `history` holds the rows of the current execution of each instance."""

    def __init__(self, connection: str, hub: str) -> None:
        self.connection = connection
        self.hub = hub
        self._tables = TableServiceClient.from_connection_string(connection)
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.sentinels: dict[str, dict[str, Any]] = {}
        self.instances: dict[str, dict[str, Any]] = {}

    def refresh(self, *, whole: bool = False) -> None:
        """Read the tables; with `whole` all columns."""
        history: dict[str, list[dict[str, Any]]] = {}
        for row in self._rows("History", None if whole else _HISTORY):
            history.setdefault(row["PartitionKey"], []).append(row)
        self.sentinels = {
            instance: row for instance, rows in history.items() for row in rows if row["RowKey"] == "sentinel"
        }
        self.history = {
            instance: [row for row in history[instance] if row is not sentinel and _is_of(row, sentinel)]
            for instance, sentinel in self.sentinels.items()
        }
        self.instances = {row["PartitionKey"]: row for row in self._rows("Instances", None if whole else _INSTANCES)}

    def has(self, instance: str, counts: Mapping[str, int]) -> bool:
        rows = self.history.get(instance, [])
        found = Counter(row["EventType"] for row in rows)
        return bool(rows) and all(found[kind] >= count for kind, count in counts.items())

    def status(self, instance: str) -> str | None:
        return self.instances.get(instance, {}).get("RuntimeStatus")

    def custom_status(self, instance: str) -> Any:
        return json.loads(self.instances.get(instance, {}).get("CustomStatus") or "null")

    def owners(self) -> Counter[str]:
        """Number of partitions by owner."""
        rows = self._rows("Partitions", None)
        return Counter(row["CurrentOwner"] for row in rows if row.get("CurrentOwner"))

    def dump(self, instance: str) -> str:
        """The rows of an instance, of its children and of the entities with its ID."""
        lines: list[str] = []
        for one in sorted(self.instances.keys() | self.history.keys()):
            if instance in one:
                lines.append(f"{one}: {self.instances.get(one)}")
                lines += [
                    " ".join(str(row.get(name)) for name in _HISTORY[1:] if row.get(name) is not None)
                    for row in self.history.get(one, [])
                ]
        return "\n".join(lines)

    def close(self) -> None:
        self._tables.close()

    def _rows(self, table: str, select: list[str] | None) -> list[dict[str, Any]]:
        rows = self._tables.get_table_client(f"{self.hub}{table}").list_entities(select=select)
        return [dict(row) for row in rows]


def _is_of(row: Mapping[str, Any], sentinel: Mapping[str, Any]) -> bool:
    return row.get("ExecutionId") == sentinel.get("ExecutionId")
