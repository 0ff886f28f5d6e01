"""What `wait_until` waits for."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from durable_host.durable.model.status import TERMINAL_STATUSES, OrchestrationStatus
from durable_host.testing.comparison_text import short_text
from durable_host.testing.history_row import HistoryRow
from durable_host.testing.instance_record import Instance
from durable_host.testing.instance_wait import InstanceWait
from durable_host.testing.sdk_json import matches

__tracebackhide__ = True

ANY: Final = object()
"""No value, where None is one."""

TERMINAL: Final = frozenset(status.name for status in TERMINAL_STATUSES)

_CALLS: Final = frozenset({"TaskScheduled", "SubOrchestrationInstanceCreated"})


def status_name(status: Any) -> str:
    """The name of a status: a text, or a member of an SDK's enumeration. Raises ValueError for other values."""
    text = str(getattr(status, "name", status))
    for known in OrchestrationStatus:
        if known.name.casefold() == text.casefold():
            return known.name
    names = ", ".join(known.name for known in OrchestrationStatus)
    raise ValueError(f"{text!r} is not a status of an instance. Expected one of {names}.")


def _is_call(row: HistoryRow, name: str) -> bool:
    if row.type == "EventSent":
        return str(row.fields.get("instanceId")).startswith(f"@{name.lower()}@")
    return row.type in _CALLS and row.name == name


class WaitCondition(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that must be true at the same time. `calls` and `waiting_for` are names."""

    status: str | None = None
    has_ended: bool = False
    waiting_for: str | None = None
    custom_status: Any = ANY
    calls: str | None = None

    @property
    def needs_history(self) -> bool:
        return self.waiting_for is not None or self.calls is not None

    def is_met_by(self, one: Instance) -> bool:
        """Whether the row of the instance is as it must be."""
        if self.has_ended and one.status not in TERMINAL:
            return False
        if self.status is not None and one.status != self.status:
            return False
        return self.custom_status is ANY or matches(self.custom_status, one.custom_status)

    def is_met_in(self, waits: list[InstanceWait], rows: list[HistoryRow]) -> bool:
        """Whether the waits and the history are as they must be."""
        if self.waiting_for is not None and all(wait.name != self.waiting_for for wait in waits):
            return False
        return self.calls is None or any(_is_call(row, self.calls) for row in rows)

    def __str__(self) -> str:
        return " and ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        if self.has_ended:
            yield "to end"
        if self.status is not None:
            yield f"to be {self.status}"
        if self.custom_status is not ANY:
            yield f"to have the custom status {short_text(self.custom_status)}"
        if self.waiting_for is not None:
            yield f"to wait for '{self.waiting_for}'"
        if self.calls is not None:
            yield f"to call '{self.calls}'"
