"""Messages to entities from the sender's side: request IDs, labels for the message sorter, JSON.

Source: docs/protocol/task-hub-storage-entities.md#entity-event-names,
    docs/protocol/task-hub-storage-entities.md#entity-messages,
    docs/protocol/task-hub-storage-entities.md#request-ids,
    docs/protocol/task-hub-storage-entities.md#message-sorter
"""

import uuid
from collections.abc import Mapping, Sequence

import msgspec

from durable_host import timestamp
from durable_host.timestamp import TICKS_PER_MINUTE, TICKS_PER_SECOND

REQUEST_NAMESPACE = uuid.UUID("9e952959-5e33-4daf-827f-2fa12937b875")
NO_PREDECESSOR = "0001-01-01T00:00:00"
LONGEST_DELAY = 6 * 24 * 60 * TICKS_PER_MINUTE
HOP = 3 * 24 * 60 * TICKS_PER_MINUTE

_TYPE_PREFIX = "Microsoft.Azure.WebJobs.Extensions.DurableTask."
_ASSEMBLY = ", Microsoft.Azure.WebJobs.Extensions.DurableTask"


def deterministic_guid(instance_id: str, now: int, counter: int) -> str:
    """Return the ID of request number `counter` that `instance_id` makes at its time `now` (ticks)."""
    return str(uuid.uuid5(REQUEST_NAMESPACE, f"{instance_id}_{timestamp.to_round_trip(now)}_{counter}"))


class Moment(msgspec.Struct, frozen=True):
    """A sort label. A label that was advanced by a tick has lost its time zone and is written without `Z`."""

    ticks: int
    is_utc: bool = True

    def __str__(self) -> str:
        return timestamp.to_text(self.ticks) if self.is_utc else timestamp.to_unspecified_text(self.ticks)


class SendLabels:
    """Labels the outgoing messages of one sender so that receivers can order them (the sender side of the message
    sorter).

    `last_sent` maps a target instance to the label of the last message to it. Windows and times are in ticks; a window
    of 0 disables labels.
    """

    __slots__ = ("horizon", "last_sent")

    def __init__(self, last_sent: Mapping[str, Moment] | None = None, horizon: int = 0) -> None:
        self.last_sent: dict[str, Moment] = dict(last_sent or {})
        self.horizon = horizon

    def label(self, target: str, now: int, window: int) -> tuple[str, str]:
        """Return `Timestamp` and `Predecessor` for the next message to `target`."""
        if window <= 0:
            return NO_PREDECESSOR, NO_PREDECESSOR
        if self.horizon + window + 10 * TICKS_PER_SECOND < now:
            self.horizon = now - window
            self.last_sent = {key: last for key, last in self.last_sent.items() if last.ticks >= self.horizon}
        last = self.last_sent.get(target)
        label = Moment(now) if last is None or now > last.ticks else Moment(last.ticks + 1, is_utc=False)
        self.last_sent[target] = label
        return str(label), NO_PREDECESSOR if last is None else str(last)


def request_event_name(due: int | None, now: int) -> str:
    """Return `op`, or `op@{time}` for a delayed request. A delay of more than six days is split into hops of three
    days.
    """
    if due is None:
        return "op"
    return f"op@{timestamp.to_round_trip(due if due <= now + LONGEST_DELAY else now + HOP)}"


def request_json(
    *,
    operation: str | None,
    request_id: str,
    input: str | None = None,
    is_signal: bool = False,
    parent: str | None = None,
    parent_execution: str | None = None,
    due: int | None = None,
    timestamp_label: str = NO_PREDECESSOR,
    predecessor: str = NO_PREDECESSOR,
    lock_set: Sequence[tuple[str, str]] = (),
    position: int = 0,
    request_time: int | None = None,
    with_type: bool = True,
) -> str:
    """Return the JSON of a RequestMessage. `input` is JSON text, `lock_set` holds (name, key) pairs, and `operation`
    None requests a lock.

    `request_time` is the wall clock of an orchestration that calls or signals; other senders omit it.
    """
    message: dict[str, object] = {"$type": _type_name("RequestMessage")} if with_type else {}
    message["op"] = operation
    if is_signal:
        message["signal"] = True
    if input is not None:
        message["input"] = input
    message["id"] = request_id
    if parent is not None:
        message["parent"] = parent
    if parent_execution is not None:
        message["parentExecution"] = parent_execution
    if due is not None:
        message["due"] = timestamp.to_text(due)
    message["Timestamp"] = timestamp_label
    message["Predecessor"] = predecessor
    if lock_set:
        message["lockset"] = [_entity_id(name, key, with_type) for name, key in lock_set]
    if position:
        message["pos"] = position
    if request_time is not None:
        message["requestTime"] = timestamp.to_offset_text(request_time)
    return msgspec.json.encode(message).decode()


def response_json(result: str | None, *, is_error: bool = False, with_type: bool = True) -> str:
    """Return the JSON of a ResponseMessage. `result` is JSON text; for an error, that of its message."""
    message: dict[str, object] = {"$type": _type_name("ResponseMessage")} if with_type else {}
    message["result"] = result
    if is_error:
        message["exceptionType"] = "Error"
    return msgspec.json.encode(message).decode()


class _HasId(msgspec.Struct):
    id: str | None = None


_has_id = msgspec.json.Decoder(_HasId)


def request_id_of(event_input: str | None) -> str | None:
    """Return the `id` in the input of an EventSent or request event, or None."""
    if not event_input:
        return None
    try:
        return _has_id.decode(event_input).id
    except msgspec.MsgspecError:
        return None


def entity_name_of(instance_id: str) -> str:
    """Return the entity name in an instance ID `@name@key`."""
    return instance_id[1:].partition("@")[0]


def _entity_id(name: str, key: str, with_type: bool) -> dict[str, str]:
    value = {"$type": _type_name("EntityId")} if with_type else {}
    return {**value, "name": name, "key": key}


def _type_name(cls: str) -> str:
    return f"{_TYPE_PREFIX}{cls}{_ASSEMBLY}"
