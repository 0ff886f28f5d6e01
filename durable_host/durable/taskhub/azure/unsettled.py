"""Instances whose commits are not settled: the checkpoint of each, and what its commits still owe.

An instance is kept only while something is owed, so there are few at a time.

Source: docs/protocol/task-hub-storage-additions.md#sentinel-columns
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager

import msgspec

from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.consumed import ConsumedMessages
from durable_host.durable.taskhub.azure.names import row_key
from durable_host.durable.taskhub.port import Checkpoint, Debt

TaskKey = tuple[str, str | None, int]
"""An activity: instance, execution, number."""


class Mark(msgspec.Struct, frozen=True):
    """What the sentinel marks as owed.

    `row` is the column `Owed`: the key of the first row for which something is owed. `commit` is the column `OwedBy`:
    the last commit that owes more than activities, as execution, first row and end.
    """

    row: str = ""
    commit: str = ""

    @classmethod
    def of(cls, ordinal: int | None) -> "Mark":
        return cls() if ordinal is None else cls(row_key(ordinal))

    @classmethod
    def read(cls, columns: Mapping[str, str]) -> "Mark":
        return cls(columns.get("Owed", ""), columns.get("OwedBy", ""))

    def by(self, execution_id: str, first: int, end: int) -> "Mark":
        """Return the mark of a commit that wrote the rows from `first` up to, but not including, `end`."""
        return Mark(self.row, f"{execution_id} {first} {end}")

    def changes(self, before: "Mark") -> dict[str, str]:
        """Return the columns to write when `before` is stored."""
        columns: dict[str, str] = {}
        if self.row != before.row:
            columns["Owed"] = self.row
        if self.commit != before.commit:
            columns["OwedBy"] = self.commit
        return columns

    def debt(self, messages: Sequence[TaskMessage]) -> Debt:
        try:
            execution_id, first, end = self.commit.rsplit(" ", 2)
            rows = range(int(first), int(end))
        except ValueError:
            execution_id, rows = None, range(0)
        return Debt(int(self.row, 16) if self.row else 0, execution_id, rows, messages)


NO_MARK = Mark()
IN_BLOB = "blob:"
"""Prefix of the column `OwedMessages` when its text is in a blob. The blob's name follows."""


class AzureCheckpoint(Checkpoint):
    """A checkpoint with this host's columns of the sentinel.

    `mark` is as stored; `has_messages` is true if the column `OwedMessages` is not empty, and `messages_blob` is the
    blob that it names. One object belongs to one commit or load, and is updated in place when a mark is cleared.
    """

    __slots__ = ("consumed", "consumed_text", "execution_id", "has_messages", "mark", "messages_blob")

    def __init__(
        self,
        etag: str,
        execution_id: str,
        consumed: ConsumedMessages,
        *,
        consumed_text: str = "",
        mark: Mark = NO_MARK,
        messages: str = "",
    ) -> None:
        super().__init__(etag)
        self.execution_id = execution_id
        self.consumed = consumed
        self.consumed_text = consumed_text
        self.mark = mark
        self.has_messages = bool(messages)
        self.messages_blob = messages.removeprefix(IN_BLOB) if messages.startswith(IN_BLOB) else None

    @classmethod
    def loaded(
        cls, etag: str, execution_id: str | None, columns: Mapping[str, str], *, served_since: int
    ) -> "AzureCheckpoint":
        """Create a checkpoint from a sentinel. `served_since`: when this process began to receive the instance's
        messages.
        """
        text = columns.get("Consumed", "")
        return cls(
            etag,
            execution_id or "",
            ConsumedMessages.read(text, served_since=served_since),
            consumed_text=text,
            mark=Mark.read(columns),
            messages=columns.get("OwedMessages", ""),
        )

    def knows(self, message: TaskMessage) -> bool:
        return message.id is not None and message.id in self.consumed

    @property
    def is_marked(self) -> bool:
        return self.mark != NO_MARK or self.has_messages


class UnsettledInstance:
    """One of these instances. `direct_activities` are those without messages, each with the ordinal of its row.

    `lock` is held while the sentinel is written and while what follows from that is done. `debt` is what an earlier
    process left, until it is settled.
    """

    __slots__ = ("checkpoint", "debt", "direct_activities", "instance_id", "lock", "since")

    def __init__(self, instance_id: str) -> None:
        self.instance_id = instance_id
        self.checkpoint: AzureCheckpoint | None = None
        self.direct_activities: dict[TaskKey, int] = {}
        self.debt: Debt | None = None
        self.lock = asyncio.Lock()
        self.since = time.monotonic()

    def first_direct(self, execution_id: str, without: Set[TaskKey] = frozenset()) -> int | None:
        """Return the ordinal of the first row of an execution that has an activity without a message."""
        ordinals = [row for key, row in self.direct_activities.items() if key[1] == execution_id and key not in without]
        return min(ordinals, default=None)

    @property
    def is_quiet(self) -> bool:
        """True when the last commit is settled, except for running activities."""
        return self.debt is None and not self.lock.locked()

    @property
    def owes(self) -> bool:
        is_marked = self.checkpoint is not None and self.checkpoint.is_marked
        return is_marked or bool(self.direct_activities) or not self.is_quiet


class UnsettledInstances:
    """Owns the unsettled instances, by ID."""

    def __init__(self) -> None:
        self._by_instance: dict[str, UnsettledInstance] = {}

    def __iter__(self) -> Iterator[UnsettledInstance]:
        return iter(list(self._by_instance.values()))

    def __len__(self) -> int:
        return len(self._by_instance)

    def get(self, instance_id: str) -> UnsettledInstance | None:
        return self._by_instance.get(instance_id)

    def of(self, instance_id: str) -> UnsettledInstance:
        """Return one of them, creating it if necessary."""
        instance = self._by_instance.get(instance_id)
        if instance is None:
            instance = self._by_instance[instance_id] = UnsettledInstance(instance_id)
        return instance

    @asynccontextmanager
    async def locked(self, instance_id: str) -> AsyncGenerator[UnsettledInstance]:
        """Yield one of them with its lock held."""
        instance = self.of(instance_id)
        await instance.lock.acquire()
        while self._by_instance.get(instance_id) is not instance:
            # Released or forgotten while this task waited for the lock.
            instance.lock.release()
            instance = self.of(instance_id)
            await instance.lock.acquire()
        try:
            yield instance
        finally:
            instance.lock.release()
            self.release(instance)

    def forget_activity(self, key: TaskKey | None) -> None:
        """Forget an activity of which this process has no more work."""
        instance = self._by_instance.get(key[0]) if key is not None else None
        if instance is not None and key is not None:
            instance.direct_activities.pop(key, None)

    def release(self, instance: UnsettledInstance) -> None:
        """Forget an instance that owes nothing."""
        if not instance.owes and self._by_instance.get(instance.instance_id) is instance:
            del self._by_instance[instance.instance_id]

    def forget(self, instance_id: str) -> None:
        """Forget an instance whose known state is outdated."""
        self._by_instance.pop(instance_id, None)
