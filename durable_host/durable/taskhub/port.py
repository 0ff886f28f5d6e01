"""The port that every task hub implements: what the runtime and the client API need from storage.

Two adapters implement it (`azure`, `sqlite`), and one conformance suite (`tests/taskhub`) tests both.

Roles. A *client* creates instances, sends messages and queries. A *worker* also receives messages: it pulls control
messages and activity requests, loads histories and commits episodes. `start` begins the worker role.

Delivery. At least once. A received message belongs to the receiver until it is consumed by a commit or a completion, or
released by `abandon`. Until then the hub keeps it invisible to others (renewing what has to be renewed) and never
delivers it twice to a live receiver. After a crash it is delivered again.

Unreadable messages. An invalid message (`validity.check`) is never delivered: the hub removes it from the queue, logs a
warning, and keeps it with the reason.

Wake-up. A message that this process sends to an instance (or activity queue) it serves reaches the receiver without a
polling delay.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import EndedQuery, InstancePage, InstanceQuery, InstanceState, InstanceUpdate
from durable_host.durable.model.instance_search import InstanceSearch, SearchPage
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus


class ReceivedMessage:
    """A message that this process has received.

    `id` is unique among the messages of the hub and stays the same on redelivery. `dequeue_count` starts at 1.
    `received_time` is in ticks. `receipt` belongs to the adapter: other code must not use or replace it.
    """

    __slots__ = ("dequeue_count", "id", "message", "receipt", "received_time")

    def __init__(self, id: str, message: TaskMessage, dequeue_count: int, received_time: int, receipt: Any) -> None:
        self.id = id
        self.message = message
        self.dequeue_count = dequeue_count
        self.received_time = received_time
        self.receipt = receipt


class Checkpoint:
    """The state of an instance's history when this process last read or wrote it. It guards the next commit.

    It belongs to the adapter, which may update it: other code must not look inside or create one.
    """

    __slots__ = ("etag",)

    def __init__(self, etag: str) -> None:
        self.etag = etag

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checkpoint) and other.etag == self.etag

    def __hash__(self) -> int:
        return hash(self.etag)

    def knows(self, message: TaskMessage) -> bool:
        """True when the effect of this message is already in the history, so that it is a copy to be discarded."""
        return False


class Debt(msgspec.Struct, frozen=True):
    """What a commit still owes because its process ended too early.

    It consists of the activities without a result among the history rows from `first_ordinal` on, everything that
    follows from the rows at `ordinals` of the execution `execution_id`, and `messages`, which cannot be derived from
    rows.
    """

    first_ordinal: int
    execution_id: str | None = None
    ordinals: range = range(0)
    messages: Sequence[TaskMessage] = ()


class LoadedHistory(msgspec.Struct, frozen=True):
    """The history of the current execution, in order. It is empty when there is none.

    `execution_id` is None when the instance has no history. `checkpoint` guards the next commit; None means that there
    was never a commit. `debt` must be settled before the next commit.
    """

    events: list[HistoryEvent]
    execution_id: str | None
    checkpoint: Checkpoint | None
    debt: Debt | None = None


class EpisodeCommit(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one episode changes. The order of effects is fixed: history, instance, outbound, consumed.

    `events` are the new history events, and `first_ordinal` is the position of the first one in the execution
    `execution_id`. After a continue-as-new, `events` is the whole history of the new execution, `first_ordinal` is 0,
    and `replaced_execution_id` is the old execution. `checkpoint` is from the load or the previous commit. `update` is
    None when no change of the instance row has to be visible now.

    A commit without `events` only repairs the row. It requires that the history still matches `checkpoint` and that the
    row is still `expected_row` (None: there was no row).
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
    expected_row: InstanceState | None = None


class CommitConflict(Exception):
    """Another host has committed this instance's history since it was loaded, or changed the row to be repaired.

    Drop the session and release its messages after `delay` seconds (see `TaskHub.abandon`): the next delivery loads the
    history again.
    """

    def __init__(self, text: str, *, delay: float | None = None) -> None:
        super().__init__(text)
        self.delay = delay


class MessageWithdrawn(CommitConflict):
    """A message of the episode could not be stored, and its sender knows, so the episode must not be committed.

    The other messages are delivered again.
    """


class InstanceExists(Exception):
    """An instance with this ID exists and must not be replaced, because of its `status`."""

    def __init__(self, instance_id: str, status: OrchestrationStatus) -> None:
        super().__init__(f"An Orchestration instance with the status {status.name} already exists.")
        self.instance_id = instance_id
        self.status = status


class TaskHub(Protocol):
    """One task hub.

    Every method may raise `TaskHubUnavailable` if its storage does not respond, and `TaskHubRefused` if it rejects the
    request.
    """

    @property
    def name(self) -> str:
        """The hub's name as configured."""
        ...

    # Life cycle

    async def create(self) -> None:
        """Create the resources of the hub that are missing. Idempotent."""
        ...

    async def delete(self) -> None:
        """Delete the hub with all its data."""
        ...

    async def start(self) -> None:
        """Start the worker role: acquire partitions, poll, keep received messages invisible. Calls `create`."""
        ...

    async def works_alone(self) -> bool:
        """True while this process has the worker role and no other worker has it too, or requests a part of it."""
        ...

    async def stop(self) -> None:
        """End the worker role: stop receiving, finish background deletes, release partitions.

        Messages that were received but not consumed become visible again at once.
        """
        ...

    async def close(self) -> None:
        """Release connections. If `start` was called, `stop` must be called first."""
        ...

    # Client role

    async def exists(self) -> bool:
        """True when the hub's resources exist."""
        ...

    async def create_instance(
        self, start: TaskMessage, *, dedupe_statuses: frozenset[OrchestrationStatus]
    ) -> InstanceState:
        """Create or replace the instance described by the ExecutionStarted in `start`.

        `event.generation` is set here: 0, or 1 more than that of the replaced instance. Raises `InstanceExists` when
        the existing instance's status is in `dedupe_statuses`. Once this returns, the start survives any crash.
        """
        ...

    async def send(self, message: TaskMessage) -> None:
        """Send one control message. Once this returns, the message survives any crash."""
        ...

    async def get_instance(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        """Return the committed state of one instance, or None."""
        ...

    async def query_instances(self, query: InstanceQuery) -> InstancePage:
        """Return one page of instances, ordered by instance ID."""
        ...

    async def list_ended(self, query: EndedQuery) -> list[tuple[int, str]]:
        """Return a page of ended orchestrations: when each one ended, and its ID, in this order."""
        ...

    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        """Return the committed history of the current execution, or an empty list."""
        ...

    async def purge_instance(self, instance_id: str) -> bool:
        """Delete rows, history and blobs of one instance, whatever its status and whatever its commits owe.

        Returns False when it does not exist.
        """
        ...

    def ended_pages(self, ended_before: int) -> AsyncIterator[list[str]]:
        """Yield the IDs of the orchestrations that ended before this time (ticks), page by page, in one pass.

        The caller may purge the instances of a page before it asks for the next one.
        """
        ...

    async def purge_ended(self, instance_id: str, ended_before: int, pause: Callable[[], Awaitable[None]]) -> bool:
        """Purge an instance if it ended before this time and its commits owe nothing. Returns False if it was kept.

        Nobody waits for it: storage is used in small steps, and `pause` is called between two steps. Meanwhile the
        instance may be listed without a history. A purge that was interrupted can be repeated.
        """
        ...

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        """Rewind a failed instance in place and wake it.

        The caller has checked that its status is Failed, or that an earlier rewind was interrupted.

        Source: docs/protocol/task-hub-storage-clients.md#rewind
        """
        ...

    async def set_aside(self) -> dict[str, int]:
        """Return the number of messages that were set aside as unreadable, by queue name."""
        ...

    # Worker role

    async def next_control_messages(self) -> list[ReceivedMessage]:
        """Wait for control messages and return those that are there (at least one), in order of arrival."""
        ...

    async def next_activities(self, most: int) -> list[ReceivedMessage]:
        """Wait for activity requests and return those that are there, at least one and at most `most`."""
        ...

    async def load_history(self, instance_id: str) -> LoadedHistory:
        """Return the history of the instance's current execution, as needed to run an episode."""
        ...

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        """Make an episode durable. Raises `CommitConflict`; raises nothing else once the history may have been written.

        The history is written first: nothing of the episode is visible or runs before that. The instance row and the
        outbound messages follow, with retries. If a crash interrupts them, the rest is the `debt` of the next load.
        After that, consumed messages are deleted in the background.
        """
        ...

    async def next_owed(self) -> list[str]:
        """Wait for instances of this process whose last commit still owes something. Load each one and settle its debt.

        Such instances are found after a start and when a partition was claimed. Another call means that the instances
        returned before are being loaded.
        """
        ...

    async def owed_listed(self) -> None:
        """Wait until `next_owed` has returned everything that can be found so far."""
        ...

    async def settle(self, instance_id: str, checkpoint: Checkpoint, messages: Sequence[TaskMessage]) -> None:
        """Pay the debt from `load_history` by sending `messages`."""
        ...

    async def touch_instance(self, instance_id: str, last_updated_time: int) -> None:
        """Write a LastUpdatedTime that commits deferred (`update=None`). Best effort."""
        ...

    async def complete_activity(self, request: ReceivedMessage, result: TaskMessage) -> None:
        """Send the result, and delete the request once the result is durable.

        A result for an instance that this process serves goes directly to `next_control_messages`. Its request is
        deleted by the commit that consumes the result.
        """
        ...

    async def discard(self, messages: Sequence[ReceivedMessage], /) -> None:
        """Delete messages that are no longer needed."""
        ...

    async def abandon(self, messages: Sequence[ReceivedMessage], /, *, delay: float | None = None) -> None:
        """Release messages. They are delivered again after `delay` seconds.

        By default, the delay grows with their dequeue count
        (docs/protocol/task-hub-storage-queues.md#released-messages).
        """
        ...

    async def recall(self, instance_id: str) -> list[ReceivedMessage]:
        """Receive at once the messages that this process released for an instance and that are not due yet.

        Use it when what they waited for has arrived. Best effort: the others are delivered when they are due.
        """
        ...

    async def withdraw_timers(self, instance_id: str, execution_id: str, timer_ids: Iterable[int]) -> None:
        """Forget timers of this execution that are no longer waited for. Best effort: one may still fire.

        Call it after the commit that cancelled them.
        """
        ...

    async def restore_timer(self, message: TaskMessage) -> None:
        """Report an open timer found in a history at start. `message` is the TimerFired it waits for.

        The hub delivers it soon after it is due, unless the timer's own message was delivered by then. This is for
        storage that may lose or withhold delayed messages.
        """
        ...

    async def hasten_timer(self, message: TaskMessage) -> bool:
        """Deliver an open timer now instead of when it is due. `message` is the TimerFired it waits for.

        Returns False, and changes nothing, if this process cannot deliver it: it was delivered already, or another
        process serves the instance. The timer's own message is not delivered again.
        """
        ...

    async def restore_start(self, instance: InstanceState) -> None:
        """Report a pending instance found at start.

        The hub starts it soon, or when it is due, unless its start message is delivered before. This is for storage
        that may contain the row of an instance without its message.
        """
        ...


@runtime_checkable
class SearchableHub(Protocol):
    """A hub whose storage filters and sorts instances itself. Reads do not delay the commits of this process.

    Raises `TaskHubUnavailable` like `TaskHub`.
    """

    async def search(self, wanted: InstanceSearch) -> SearchPage:
        """Return one page of orchestrations."""
        ...

    async def search_failed(self, wanted: InstanceSearch) -> list[InstanceState]:
        """Return the latest failed orchestrations that match, at most as many as fit on the page."""
        ...

    async def changes(self) -> int:
        """Return a number that changes when another process writes to the hub."""
        ...


class NotAToken(ValueError):
    """The continuation token of a query has not the form of this hub's tokens."""

    def __init__(self, token: str) -> None:
        super().__init__(f"'{token}' is not a continuation token of this task hub.")


class UnreadableHistory(Exception):
    """The stored history of an instance cannot be read. The text names instance, row and reason.

    Raised by `load_history` and `get_history`. Release the messages and log a warning; other instances are not
    affected.
    """


class TaskHubUnavailable(Exception):
    """The storage of the task hub does not respond. This is temporary, so retry. The text says which service, and why.

    `public_text` is returned to HTTP callers instead of a text with file names of this machine. `is_unreachable` is
    true when storage did not respond at all, for example while it restarts. `kind` distinguishes faults that get a log
    line each.
    """

    def __init__(
        self, text: str, *, public_text: str | None = None, is_unreachable: bool = False, kind: str = ""
    ) -> None:
        super().__init__(text)
        self.public_text = public_text
        self.is_unreachable = is_unreachable
        self.kind = kind


class TaskHubRefused(TaskHubUnavailable):
    """The storage of the task hub rejects the request. Retrying does not help for long.

    `is_about_data` is true when it rejects the data to be stored, `is_about_access` when it rejects the credentials,
    and `is_final` when it rejects every request, so that nothing can work.
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
