"""The contents of a task hub in the modelled storage, seen from outside."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from durable_host.durable.taskhub.azure import envelope
from durable_host.durable.taskhub.azure.names import SENTINEL, escape_key, unescape_key
from durable_host.testing.memory_storage.memory_account import MemoryAccount

Row = dict[str, Any]
TERMINAL = frozenset({"Completed", "Failed", "Terminated", "Canceled"})


@dataclass(frozen=True)
class StoredMessage:
    """A message in a queue. `envelope` is its JSON, read from its blob if it lies there. `visible_from` in ticks."""

    queue: str
    text: str
    envelope: Row
    visible_from: int

    @property
    def event(self) -> Row:
        return self.envelope["TaskMessage"]["Event"]

    @property
    def kind(self) -> str:
        """The class of the event: `TaskScheduled`, ..."""
        return self.event["$type"].rpartition(".")[2].removesuffix("Event")

    @property
    def target(self) -> Row:
        return self.envelope["TaskMessage"]["OrchestrationInstance"]


class StoredHub:
    """Reads one hub of an account."""

    def __init__(self, storage: MemoryAccount, name: str) -> None:
        self._storage = storage
        self._name = name

    @property
    def history_table(self) -> str:
        return f"{self._name}History"

    def instances(self) -> dict[str, Row]:
        """Rows of orchestrations and entities by instance ID."""
        return {unescape_key(row["PartitionKey"]): row for row in self._storage.tables.rows(f"{self._name}Instances")}

    def instance(self, instance_id: str) -> Row | None:
        """The row of one instance."""
        return self._storage.tables.partition(f"{self._name}Instances", escape_key(instance_id)).get("")

    def status(self, instance_id: str) -> str | None:
        row = self.instance(instance_id)
        return row.get("RuntimeStatus") if row is not None else None

    def sentinel(self, instance_id: str) -> Row | None:
        return self._storage.tables.partition(self.history_table, escape_key(instance_id)).get(SENTINEL)

    def history(self, instance_id: str) -> list[Row]:
        """Rows of the current execution in order."""
        rows = self._storage.tables.partition(self.history_table, escape_key(instance_id))
        sentinel = rows.pop(SENTINEL, None)
        found: list[Row] = []
        for row in rows.values():
            if sentinel is None or row.get("ExecutionId") != sentinel.get("ExecutionId"):
                break
            found.append(row)
        return found

    def queues(self) -> list[str]:
        return [name for name in self._storage.queues.queues if name.startswith(f"{self._name.lower()}-")]

    def messages(self) -> Iterator[StoredMessage]:
        """All messages of all queues."""
        for queue in self.queues():
            for message in self._storage.queues.queues[queue].values():
                read: Row = json.loads(message.text)
                if (blob := read.get("CompressedBlobName")) is not None:
                    read = json.loads(self.blob_text(blob))
                yield StoredMessage(queue, message.text, read, message.visible_from)

    def text_of(self, row: Row, column: str) -> str:
        """A column of an instance row, read from its blob if it lies there."""
        text: str = row.get(column) or ""
        if text.startswith("http") and text.endswith(".json.gz"):
            return self.blob_text(unquote(text.partition(f"/{self._name.lower()}-largemessages/")[2]))
        return text

    def blob_text(self, name: str) -> str:
        """A large text."""
        container = self._storage.blobs.containers[f"{self._name.lower()}-largemessages"]
        return gzip.decompress(container.blobs[name].data).decode()


def is_identity(text: Any) -> bool:
    """Whether the ActivityId of an envelope names the message."""
    try:
        envelope._activity_id(text)
    except envelope.UnreadableMessage:
        return False
    return isinstance(text, str) and text.strip("0-") != ""
