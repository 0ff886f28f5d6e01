"""The port every task hub implements: what the runtime and the client API need from storage.

Two adapters implement it (`azure`, `sqlite`); one conformance suite (`tests/taskhub`) holds them to it.

Roles. A *client* creates instances, sends messages, queries. A *worker* additionally receives messages: it pulls
control messages and activity requests, loads histories and commits episodes. `start` begins the worker role.

Delivery. At least once. A received message belongs to the receiver until it is consumed by a commit or a
completion, or given back by `abandon`; the hub keeps it invisible for others meanwhile (renewing what has to be
renewed) and never delivers the same message twice to a live receiver. After a crash it is delivered again.

Unreadable messages. What cannot be a message (`validity.check`) is never delivered: the hub takes it out of the
queue, says so, and keeps it with the reason.

Wake-up. A message sent by this process to an instance (or activity queue) that this process serves reaches the
receiver without any polling delay.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import InstancePage, InstanceQuery, InstanceState, InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus


class ReceivedMessage:
    """A message in the hands of this process.

    `id` is unique among the messages of the hub and equal on redelivery. `dequeue_count` starts at 1.
    `received_time` is in ticks. `receipt` belongs to the adapter: nobody else looks inside or replaces it.
    """

    __slots__ = ("dequeue_count", "id", "message", "receipt", "received_time")

    def __init__(self, id: str, message: TaskMessage, dequeue_count: int, received_time: int, receipt: Any) -> None:
        self.id = id
        self.message = message
        self.dequeue_count = dequeue_count
        self.received_time = received_time
        self.receipt = receipt


class Checkpoint:
    """Where the history of one instance stands, as this process read or wrote it last: it guards the next commit.

    Belongs to the adapter, which may bring it up to date; nobody else looks inside or makes one.
    """

    __slots__ = ("etag",)

    def __init__(self, etag: str) -> None:
        self.etag = etag

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checkpoint) and other.etag == self.etag

    def __hash__(self) -> int:
        return hash(self.etag)

    def knows(self, message: TaskMessage) -> bool:
        """True when the history holds the effect of this message already: it is a copy, to be discarded."""
        return False


class Debt(msgspec.Struct, frozen=True):
    """What a commit still owes, because its process ended too early.

    Activities without a result among the history rows from `first_ordinal` on; all that follows from the rows at
    `ordinals` of the execution `execution_id`; and `messages`, which cannot be derived from rows.
    """

    first_ordinal: int
    execution_id: str | None = None
    ordinals: range = range(0)
    messages: Sequence[TaskMessage] = ()


class LoadedHistory(msgspec.Struct, frozen=True):
    """History of the current execution, in order; empty when there is none.

    `execution_id` is None when the instance has no history. `checkpoint` guards the next commit; None means that no
    commit was ever made. `debt` has to be settled before the next commit.
    """

    events: list[HistoryEvent]
    execution_id: str | None
    checkpoint: Checkpoint | None
    debt: Debt | None = None


class EpisodeCommit(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one episode changes. The order of effects is fixed: history, instance, outbound, consumed.

    `events` are the new history events and `first_ordinal` the position of the first of them in the execution
    `execution_id`. After a continue-as-new `events` is the whole history of the new execution, `first_ordinal` is 0
    and `replaced_execution_id` names the old one. `checkpoint` is that of the load or of the previous commit.
    `update` is None when nothing in the instance row changed that must be visible now.

    Without `events` only the row is repaired, as the history of `checkpoint` says: if that is still the history, and
    the row is still the one that was `judged` (None: there was none).
    """

    instance_id: str
    execution_id: str
    checkpoint: Checkpoint | None
    first_ordinal: int
    events: Sequence[HistoryEvent]
    outbound: Sequence[TaskMessage]
    update: InstanceUpdate | None
    consumed: Sequence[ReceivedMessage]
    replaced_execution_id: str | None = None
    judged: InstanceState | None = None


class CommitConflict(Exception):
    """Another host committed this instance's history since it was loaded, or changed the row that was to be repaired.
    The messages of the episode were given back; drop the session and let the next delivery load the history again.
    """


class InstanceExists(Exception):
    """An instance with this ID exists in a state that must not be replaced; `status` tells which."""

    def __init__(self, instance_id: str, status: OrchestrationStatus) -> None:
        super().__init__(f"An Orchestration instance with the status {status.name} already exists.")
        self.instance_id = instance_id
        self.status = status


class TaskHub(Protocol):
    """One task hub. Every method may raise `TaskHubUnavailable` when the storage behind it does not answer, and
    `TaskHubRefused` when it refuses.
    """

    @property
    def name(self) -> str:
        """The hub's name as configured."""
        ...

    # Life cycle

    async def create(self) -> None:
        """Create what is missing of the hub's resources. Idempotent."""
        ...

    async def delete(self) -> None:
        """Delete the hub with all it holds."""
        ...

    async def start(self) -> None:
        """Begin the worker role: acquire partitions, poll, keep received messages invisible. Calls `create`."""
        ...

    async def stop(self) -> None:
        """End the worker role: stop receiving, finish background deletes, release partitions. Messages received
        and not consumed become visible again at once.
        """
        ...

    async def close(self) -> None:
        """Release connections. `stop` has been called before if `start` was."""
        ...

    # Client role

    async def exists(self) -> bool:
        """Whether the hub's resources were created."""
        ...

    async def create_instance(
        self, start: TaskMessage, *, dedupe_statuses: frozenset[OrchestrationStatus]
    ) -> InstanceState:
        """Create, or replace, the instance that the ExecutionStarted in `start` describes.

        `event.generation` is filled in here (0, or the replaced instance's + 1). Raises `InstanceExists` when the
        existing instance's status is in `dedupe_statuses`. When this returns, the start survives any crash.
        """
        ...

    async def send(self, message: TaskMessage) -> None:
        """Send one control message. When this returns, the message survives any crash."""
        ...

    async def get_instance(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        """Committed state of one instance, or None."""
        ...

    async def query_instances(self, query: InstanceQuery) -> InstancePage:
        """One page of instances, ordered by instance ID."""
        ...

    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        """Committed history of the current execution; empty when there is none."""
        ...

    async def purge_instance(self, instance_id: str) -> bool:
        """Delete rows, history and blobs of one instance, whatever its status; False when it does not exist."""
        ...

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        """Rewind a failed instance in place and wake it. The caller has checked that its status is Failed, or that
        an earlier rewind of it was interrupted.

        Source: docs/protocol/task-hub-storage-clients.md#rewind
        """
        ...

    async def set_aside(self) -> dict[str, int]:
        """How many messages were set aside because nobody can read them, by the name of their queue."""
        ...

    # Worker role

    async def next_control_messages(self) -> list[ReceivedMessage]:
        """Wait for control messages and return what is there now (at least one), in arrival order."""
        ...

    async def next_activity(self) -> ReceivedMessage:
        """Wait for one activity request. Called only when a slot to run it is free."""
        ...

    async def load_history(self, instance_id: str) -> LoadedHistory:
        """History of the instance's current execution, as needed to run an episode."""
        ...

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        """Make an episode durable. Raises `CommitConflict`, and nothing else when the history may have been written.

        The history is written first: nothing of the episode is seen or runs before. Then follow the instance row and
        the outbound messages, for as long as that takes; what a crash leaves undone of it is the `debt` of the next
        load. Consumed messages are deleted in the background when all of that is done.
        """
        ...

    async def next_owed(self) -> list[str]:
        """Wait for instances, served by this process, whose last commit still owes something: load each of them and
        settle its debt. After a start, and when a partition was taken over. Asking again says that those named before
        are being loaded.
        """
        ...

    async def owed_named(self) -> None:
        """Wait until `next_owed` has named all that could be found by now."""
        ...

    async def settle(self, instance_id: str, checkpoint: Checkpoint, messages: Sequence[TaskMessage]) -> None:
        """Do what the debt of `load_history` named: send `messages`."""
        ...

    async def touch_instance(self, instance_id: str, last_updated_time: int) -> None:
        """Write a LastUpdatedTime that commits held back (`update=None`). Best effort."""
        ...

    async def complete_activity(self, request: ReceivedMessage, result: TaskMessage) -> None:
        """Hand over the result, and delete the request when the result is durable.

        A result for an instance that this process serves goes straight to `next_control_messages`; its request is
        deleted with the commit that consumes it.
        """
        ...

    async def discard(self, messages: Sequence[ReceivedMessage], /) -> None:
        """Delete messages that nobody can use any more."""
        ...

    async def abandon(self, messages: Sequence[ReceivedMessage], /, *, delay: float | None = None) -> None:
        """Give messages back: delivered again after `delay` seconds, by default after a back-off that grows with
        their dequeue count (docs/protocol/task-hub-storage-queues.md#messages-given-back).
        """
        ...

    async def recall(self, instance_id: str) -> list[ReceivedMessage]:
        """Receive at once what this process gave back for an instance and is not due yet: what it waited for is here.
        Best effort: the rest comes when it is due.
        """
        ...

    async def withdraw_timers(self, instance_id: str, execution_id: str, timer_ids: Iterable[int]) -> None:
        """Forget timers of this execution that nobody waits for any more. Best effort: one may still fire.

        Call it after the commit that cancelled them.
        """
        ...

    async def restore_timer(self, message: TaskMessage) -> None:
        """Tell of an open timer found in a history at start; `message` is the TimerFired it waits for.

        The hub delivers it soon after it is due unless the timer's own message was delivered meanwhile. For storage
        that may lose or withhold delayed messages.
        """
        ...

    async def restore_start(self, instance: InstanceState) -> None:
        """Tell of a pending instance found at start.

        The hub starts it soon, or when its time has come, unless its start message is delivered meanwhile. For storage
        that may hold the row of an instance without its message.
        """
        ...


class UnreadableHistory(Exception):
    """The stored history of an instance cannot be read; the text names instance, row and reason.

    Raised by `load_history` and `get_history`. Give the messages back and warn; other instances are not affected.
    """


class TaskHubUnavailable(Exception):
    """The storage behind the task hub does not answer; the text says which service and why. It will pass: try again.

    `public_text` is what callers over HTTP get instead of a text that names files of this machine. `is_unreachable`
    when the storage gave no answer at all, as while it is being started again. `kind` tells faults apart that deserve a
    log line each.
    """

    def __init__(
        self, text: str, *, public_text: str | None = None, is_unreachable: bool = False, kind: str = ""
    ) -> None:
        super().__init__(text)
        self.public_text = public_text
        self.is_unreachable = is_unreachable
        self.kind = kind


class TaskHubRefused(TaskHubUnavailable):
    """The storage behind the task hub refuses what was asked: trying again does not help for long.

    `is_about_data` when it does not accept what was to be stored, `is_about_access` when it does not accept the
    credentials; `is_final` when that holds for every request, so that nothing can work.
    """

    def __init__(
        self,
        text: str,
        *,
        public_text: str | None = None,
        kind: str = "",
        is_about_data: bool = False,
        is_about_access: bool = False,
        is_final: bool = False,
    ) -> None:
        super().__init__(text, public_text=public_text, kind=kind)
        self.is_about_data = is_about_data
        self.is_about_access = is_about_access
        self.is_final = is_final
