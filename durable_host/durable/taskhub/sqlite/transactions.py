"""The transactions of the embedded hub that use several tables: create, purge, commit.

Functions run inside the caller's transaction.
"""

from sqlite3 import Connection

import msgspec

from durable_host.durable.model.events import EVENT_CLASS_BY_NAME, ExecutionStarted
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import Checkpoint, EpisodeCommit, InstanceExists, ReceivedMessage
from durable_host.durable.taskhub.sqlite import history, instances, messages, schema
from durable_host.durable.taskhub.sqlite.jobs import LOWEST_COST

_MANY_EVENTS = 2000
_LONG_TEXTS = 4_000_000
_LONG_FIELDS = {
    kind: tuple(name for name in ("input", "result", "data") if name in kind.__struct_fields__)
    for kind in EVENT_CLASS_BY_NAME.values()
}
"""The fields of each kind of event that may be long."""


def create_instance(
    connection: Connection, start: TaskMessage, dedupe: frozenset[OrchestrationStatus], now: int
) -> InstanceState:
    """Write the row and the start message. Raises InstanceExists if the existing instance's status is in `dedupe`."""
    event = start.event
    if not isinstance(event, ExecutionStarted):
        raise TypeError(f"an instance starts with ExecutionStarted, not with {event.event_name}")
    instance_id = start.target.instance_id
    existing = instances.read(connection, instance_id, fetch_input=False, fetch_output=False)
    if existing is not None:
        if existing.runtime_status in dedupe:
            raise InstanceExists(instance_id, existing.runtime_status)
        messages.delete_of_execution(connection, existing.instance_id, existing.execution_id)
    generation = 0 if existing is None else (existing.generation or 0) + 1
    event = msgspec.structs.replace(event, generation=generation)
    state = InstanceState(
        instance_id=instance_id,
        execution_id=event.orchestration_instance.execution_id,
        name=event.name,
        version=event.version,
        runtime_status=OrchestrationStatus.Pending,
        created_time=event.timestamp,
        last_updated_time=now,
        scheduled_start_time=event.scheduled_start_time,
        input=event.input,
        generation=generation,
        tags=event.tags,
    )
    messages.insert(connection, [msgspec.structs.replace(start, event=event)], now)
    instances.replace(connection, state)
    return state


def purge_instance(connection: Connection, instance_id: str, ended_before: int | None = None) -> bool:
    """Delete an instance with its waiting messages, and begin to delete its history.

    Returns False when it does not exist or, with `ended_before` (ticks), has not ended before that.
    """
    connection.execute(schema.DISCARDED)  # Files of earlier versions do not have the table.
    existing = instances.read(connection, instance_id, fetch_input=False, fetch_output=False)
    if existing is None:
        return False
    if ended_before is not None and not (existing.runtime_status.is_terminal and existing.ended_time < ended_before):
        return False
    messages.delete_of_execution(connection, existing.instance_id, existing.execution_id)
    history.discard(connection, instance_id)
    return instances.delete(connection, instance_id)


class Committed(msgspec.Struct, frozen=True):
    """The new checkpoint, and the activity requests that this process has taken."""

    checkpoint: Checkpoint
    taken: list[ReceivedMessage]


def cost(episode: EpisodeCommit) -> float:
    """Return the cost of a commit: more than 1 if it takes so long (10 ms or more) that the event loop should not wait
    for it.
    """
    length = 0
    for event in (*episode.events, *[message.event for message in episode.outbound]):
        for name in _LONG_FIELDS[type(event)]:
            length += len(getattr(event, name) or "")
    rows = len(episode.events) + len(episode.outbound)
    return LOWEST_COST + rows / _MANY_EVENTS + length / _LONG_TEXTS


def commit(connection: Connection, episode: EpisodeCommit, now: int, takes: int) -> Committed:
    """Write an episode. This process takes its first `takes` activity requests at once. Raises CommitConflict."""
    checkpoint = episode.checkpoint or Checkpoint("")
    if not episode.events:
        history.check(connection, episode.instance_id, episode.checkpoint)
        instances.check(connection, episode.instance_id, episode.expected_row)
    else:
        checkpoint = history.append(
            connection,
            episode.instance_id,
            episode.execution_id,
            episode.checkpoint,
            episode.first_ordinal,
            episode.events,
        )
    taken = messages.insert(connection, episode.outbound, now, takes=takes)
    if episode.update is not None:
        instances.merge(connection, episode.instance_id, episode.update)
    messages.delete(connection, episode.consumed)
    return Committed(checkpoint, taken)
