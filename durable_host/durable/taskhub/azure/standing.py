"""What this process knows of an instance between two commits: its checkpoint, and what its commits still owe.

Kept only while something is owed, so there are few at a time.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping

from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.consumed import ConsumedMessages
from durable_host.durable.taskhub.port import Checkpoint, Debt

TaskKey = tuple[str, str | None, int]
"""An activity: instance, execution, number."""


class AzureCheckpoint(Checkpoint):
    """`mark` is the `Owed` column as stored, `has_messages` tells whether `OwedMessages` is not empty. One object
    belongs to one commit or load; clearing a mark brings it up to date in place.
    """

    __slots__ = ("consumed", "consumed_text", "execution_id", "has_messages", "mark")

    def __init__(
        self,
        etag: str,
        execution_id: str,
        consumed: ConsumedMessages,
        *,
        consumed_text: str = "",
        mark: str = "",
        has_messages: bool = False,
    ) -> None:
        super().__init__(etag)
        self.execution_id = execution_id
        self.consumed = consumed
        self.consumed_text = consumed_text
        self.mark = mark
        self.has_messages = has_messages

    @classmethod
    def loaded(cls, etag: str, execution_id: str | None, columns: Mapping[str, str]) -> "AzureCheckpoint":
        """What a sentinel says."""
        text = columns.get("Consumed", "")
        return cls(
            etag,
            execution_id or "",
            ConsumedMessages.read(text),
            consumed_text=text,
            mark=columns.get("Owed", ""),
            has_messages=bool(columns.get("OwedMessages")),
        )

    def knows(self, message: TaskMessage) -> bool:
        return message.id is not None and message.id in self.consumed

    @property
    def is_marked(self) -> bool:
        return bool(self.mark) or self.has_messages


class Standing:
    """One instance. `in_hand` are its activities without messages, each with the ordinal of its row.

    `lock` is held while the sentinel is written and what follows from it is done. `debt` is what an earlier process
    left, until it is settled.
    """

    __slots__ = ("checkpoint", "debt", "in_hand", "instance_id", "lock", "since")

    def __init__(self, instance_id: str) -> None:
        self.instance_id = instance_id
        self.checkpoint: AzureCheckpoint | None = None
        self.in_hand: dict[TaskKey, int] = {}
        self.debt: Debt | None = None
        self.lock = asyncio.Lock()
        self.since = time.monotonic()

    @property
    def is_settled(self) -> bool:
        """Whether all that was owed is done or in a queue; only the mark may still say otherwise."""
        return not self.in_hand and self.debt is None and not self.lock.locked()

    @property
    def owes(self) -> bool:
        is_marked = self.checkpoint is not None and self.checkpoint.is_marked
        return is_marked or not self.is_settled


class Standings:
    """Owner of the standings, by instance."""

    def __init__(self) -> None:
        self._by_instance: dict[str, Standing] = {}

    def __iter__(self) -> Iterator[Standing]:
        return iter(list(self._by_instance.values()))

    def __len__(self) -> int:
        return len(self._by_instance)

    def get(self, instance_id: str) -> Standing | None:
        return self._by_instance.get(instance_id)

    def of(self, instance_id: str) -> Standing:
        """The standing of an instance, a new one when there is none."""
        standing = self._by_instance.get(instance_id)
        if standing is None:
            standing = self._by_instance[instance_id] = Standing(instance_id)
        return standing

    def release(self, standing: Standing) -> None:
        """Forget a standing that owes nothing."""
        if not standing.owes and self._by_instance.get(standing.instance_id) is standing:
            del self._by_instance[standing.instance_id]

    def forget(self, instance_id: str) -> Standing | None:
        """What is known of the instance does not hold any more."""
        return self._by_instance.pop(instance_id, None)
