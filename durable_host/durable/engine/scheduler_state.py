"""The state of an entity's scheduler, stored as the Input of the entity's ExecutionStarted.

The order of members and the omission of defaults match the reference.

Source: docs/protocol/task-hub-storage-entities.md#scheduler-state,
    docs/protocol/task-hub-storage-entities.md#core-dialect
"""

from collections import deque
from typing import Any, cast

import msgspec

from durable_host import timestamp
from durable_host.durable.engine.entity_messages import Moment, SendLabels
from durable_host.durable.engine.entity_request import (
    EntityRequest,
    UnreadableEntityMessage,
    read_moment,
    request_of,
    request_record,
)
from durable_host.durable.engine.sorter import MessageSorter, Source


class SchedulerState:
    """The state of one entity's scheduler: mutable, owned by the entity's work item. `state` is JSON text."""

    __slots__ = ("exists", "labels", "locked_by", "queue", "sorter", "state", "suspended")

    def __init__(self) -> None:
        self.exists = False
        self.state: str | None = None
        self.queue: deque[EntityRequest] = deque()
        self.locked_by: str | None = None
        self.suspended = False
        self.sorter = MessageSorter()
        self.labels = SendLabels()

    @classmethod
    def from_json(cls, text: str | None) -> "SchedulerState":
        """Parse a stored state; None gives a new one. Raises `UnreadableEntityMessage`."""
        scheduler = cls()
        if text is None:
            return scheduler
        try:
            fields = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise UnreadableEntityMessage(f"the entity's scheduler state is not a JSON object ({error})") from error
        state = fields.get("state")
        scheduler.state = state if isinstance(state, str) else None
        if "exists" in fields:
            scheduler.exists = bool(fields["exists"])
        else:
            # Core never writes `exists`. The legacy dialect omits it when false, and then keeps the state `null`.
            scheduler.exists = scheduler.state not in (None, "null")
        scheduler.queue = deque(request_of(each) for each in cast("list[Any]", fields.get("queue") or []))
        scheduler.locked_by = fields.get("lockedBy")
        scheduler.suspended = bool(fields.get("suspended"))
        sorter = _members(fields.get("sorter"))
        scheduler.sorter = MessageSorter(
            {name: _source(each) for name, each in _members(sorter.get("ReceivedFromInstance")).items()},
            read_moment(sorter.get("ReceiveHorizon")).ticks,
        )
        scheduler.labels = SendLabels(
            {target: read_moment(last) for target, last in _members(sorter.get("LastSentToInstance")).items()},
            read_moment(sorter.get("SendHorizon")).ticks,
        )
        return scheduler

    def to_json(self) -> str:
        members: dict[str, Any] = {
            "exists": self.exists,
            "state": self.state,
            "queue": [request_record(request, with_type=False) for request in self.queue],
            "lockedBy": self.locked_by,
            "suspended": self.suspended,
        }
        return _encode(_without_defaults(members) | {"sorter": self._sorter_members()})

    def custom_status(self) -> str:
        """JSON text of the instance's custom status (docs/protocol/task-hub-storage-entities.md#entity-rows)."""
        members = {"entityExists": self.exists, "queueSize": len(self.queue), "lockedBy": self.locked_by}
        return _encode(_without_defaults(members))

    def may_run(self, request: EntityRequest) -> bool:
        return self.locked_by is None or request.parent == self.locked_by

    @property
    def has_work(self) -> bool:
        """True when the first request of the queue may run now."""
        return bool(self.queue) and not self.suspended and self.may_run(self.queue[0])

    def _sorter_members(self) -> dict[str, Any]:
        return _without_defaults(
            {
                "LastSentToInstance": {target: str(last) for target, last in self.labels.last_sent.items()},
                "ReceivedFromInstance": {name: _source_members(each) for name, each in self.sorter.sources.items()},
                "ReceiveHorizon": _horizon_text(self.sorter.horizon),
                "SendHorizon": _horizon_text(self.labels.horizon),
            }
        )


def _source(value: Any) -> Source:
    fields = _members(value)
    buffered = [request_of(each) for each in _members(fields.get("Buffered")).values()]
    return Source(
        fields.get("ExecutionId"),
        read_moment(fields.get("Last")),
        {request.timestamp.ticks: request for request in buffered},
    )


def _source_members(source: Source) -> dict[str, Any]:
    optional = {
        "ExecutionId": source.execution_id,
        "Buffered": {
            str(source.buffered[label].timestamp): request_record(source.buffered[label], with_type=False)
            for label in sorted(source.buffered)
        },
    }
    return {"Last": str(source.last)} | _without_defaults(optional)


def _horizon_text(ticks: int) -> str | None:
    return str(Moment(ticks)) if ticks != timestamp.MIN_TICKS else None


def _without_defaults(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value or value == ""}


def _members(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _encode(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
