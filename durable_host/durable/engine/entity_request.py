"""A request to an entity as the receiver reads it: an operation call, a signal or a lock.

Source: docs/protocol/task-hub-storage-entities.md#entity-messages,
    docs/protocol/task-hub-storage-entities.md#core-dialect
"""

from typing import Any, cast

import msgspec

from durable_host import timestamp
from durable_host.durable.engine.entity_messages import Moment
from durable_host.durable.model.events import TraceContext
from durable_host.durable.model.ids import is_too_long, is_well_formed

NEVER = Moment(0, is_utc=False)
_TYPE = "Microsoft.Azure.WebJobs.Extensions.DurableTask.{}, Microsoft.Azure.WebJobs.Extensions.DurableTask"


class UnreadableEntityMessage(ValueError):
    """The text is not an entity message. The exception text says why."""


class EntityRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An operation call, a signal, or (with `operation` None) a lock request.

    `input` is JSON text; `lock_set` holds (name, key) pairs; `request_time` is the sender's wall clock as text. `trace`
    comes from the event and is not stored in the entity's queue.
    """

    operation: str | None
    id: str
    input: str | None = None
    is_signal: bool = False
    parent: str | None = None
    parent_execution: str | None = None
    due: Moment | None = None
    timestamp: Moment = NEVER
    predecessor: Moment = NEVER
    lock_set: tuple[tuple[str, str], ...] = ()
    position: int = 0
    request_time: str | None = None
    trace: TraceContext | None = None

    @property
    def is_lock(self) -> bool:
        return self.operation is None


def read_request(text: str | None, trace: TraceContext | None = None) -> EntityRequest:
    """Return the request in the input of an `op` event. Raises `UnreadableEntityMessage`."""
    return request_of(_object(text), trace)


def request_of(record: Any, trace: TraceContext | None = None) -> EntityRequest:
    """Return the request in decoded JSON. Raises `UnreadableEntityMessage`."""
    if not isinstance(record, dict):
        raise UnreadableEntityMessage("it is not a JSON object")
    fields = cast("dict[str, Any]", record)
    request_id = fields.get("id")
    if not isinstance(request_id, str) or not _can_be_id(request_id):
        raise UnreadableEntityMessage("it has no id")
    operation = fields.get("op")
    position = fields.get("pos") or 0
    request_time = fields.get("requestTime")
    lock_set = _lock_set(fields.get("lockset"))
    return EntityRequest(
        operation=None if operation is None or fields.get("IsLockRequest") is True else str(operation),
        id=request_id,
        input=_json_text(fields.get("input")),
        is_signal=bool(fields.get("signal")),
        parent=_id(fields.get("parent")),
        parent_execution=_id(fields.get("parentExecution")),
        due=None if fields.get("due") is None else read_moment(fields["due"]),
        timestamp=read_moment(fields.get("Timestamp")),
        predecessor=read_moment(fields.get("Predecessor")),
        lock_set=lock_set,
        position=position if isinstance(position, int) and 0 <= position <= len(lock_set) else 0,
        request_time=request_time if isinstance(request_time, str) else None,
        trace=trace,
    )


def request_record(request: EntityRequest, *, with_type: bool) -> dict[str, Any]:
    """Return the request as an object to encode, with members in order and defaults omitted."""
    record: dict[str, Any] = {"$type": _TYPE.format("RequestMessage")} if with_type else {}
    record["op"] = request.operation
    if request.is_signal:
        record["signal"] = True
    optional: dict[str, Any] = {"input": request.input}
    record |= {name: value for name, value in optional.items() if value is not None}
    record["id"] = request.id
    optional = {
        "parent": request.parent,
        "parentExecution": request.parent_execution,
        "due": None if request.due is None else str(request.due),
    }
    record |= {name: value for name, value in optional.items() if value is not None}
    record["Timestamp"] = str(request.timestamp)
    record["Predecessor"] = str(request.predecessor)
    if request.lock_set:
        entity_type = {"$type": _TYPE.format("EntityId")} if with_type else {}
        record["lockset"] = [{**entity_type, "name": name, "key": key} for name, key in request.lock_set]
    if request.position:
        record["pos"] = request.position
    if request.request_time is not None:
        record["requestTime"] = request.request_time
    return record


def read_release(text: str | None) -> str | None:
    """Return the instance that releases the lock, from the input of a `release` event. Raises
    `UnreadableEntityMessage`.
    """
    return _id(_object(text).get("parent"))


def read_moment(value: Any) -> Moment:
    """Return a label; `NEVER` for None. Raises `UnreadableEntityMessage`."""
    if value is None:
        return NEVER
    if not isinstance(value, str):
        raise UnreadableEntityMessage(f"{value!r:.100} is not a time")
    try:
        return Moment(timestamp.parse(value), is_utc=value[-1:] in "Zz" or "+" in value)
    except ValueError as error:
        raise UnreadableEntityMessage(f"{value!r:.100} is not a time") from error


def _object(text: str | None) -> dict[str, Any]:
    try:
        record = msgspec.json.decode(text or "null")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableEntityMessage(f"it is not JSON ({error})") from error
    if not isinstance(record, dict):
        raise UnreadableEntityMessage("it is not a JSON object")
    return cast("dict[str, Any]", record)


def _lock_set(value: Any) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UnreadableEntityMessage("its lock set is not an array")
    return tuple(_entity(each) for each in cast("list[Any]", value))


def _entity(value: Any) -> tuple[str, str]:
    if not isinstance(value, dict):
        raise UnreadableEntityMessage("an element of its lock set is not an entity id")
    fields = cast("dict[str, Any]", value)
    name, key = str(fields.get("name", "")), str(fields.get("key", ""))
    if not _can_be_id(f"@{name}@{key}"):
        raise UnreadableEntityMessage("an element of its lock set is not an entity id")
    return name, key


def _json_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def _id(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if not _can_be_id(value):
        raise UnreadableEntityMessage("the ID of its sender is invalid")
    return value


def _can_be_id(text: str) -> bool:
    return is_well_formed(text) and not is_too_long(text)
