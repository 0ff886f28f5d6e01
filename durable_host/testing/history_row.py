"""The rows of a history, and the patterns that describe them in tests."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from durable_host.config.suggestion import closest
from durable_host.dashboard.views.history_table import HistoryTable, record_names
from durable_host.durable.model.events import EVENT_CLASS_BY_NAME, HistoryEvent
from durable_host.testing.json_values import as_json, received_value
from durable_host.testing.sdk_json import matches

__tracebackhide__ = True

RowPattern = str | Mapping[str, Any]
"""`"TimerFired"`, `"TaskScheduled charge"`, or a mapping such as `{"type": "EventRaised", "data": {"ok": True}}`."""

EPISODE_ROWS = frozenset({"OrchestratorStarted", "OrchestratorCompleted"})
"""The types of rows that only begin and end an episode."""

_LONGEST = 100
_IN_OTHER_MEMBERS = frozenset({"input", "result", "reason"})


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a history.

    `type` is its name in DurableTask.Core, such as TaskScheduled. `name` is that of the orchestrator, activity or event
    that it is about. `data` is the input or the result, decoded from its JSON; `error` the text of a failure. `fields`
    has everything else, such as `fireAt`.
    """

    type: str
    time: datetime
    name: str | None = None
    task_id: int | None = None
    data: Any = None
    error: str | None = None
    fields: Mapping[str, Any] = {}

    def __str__(self) -> str:
        text = f"{self.type} {self.name}" if self.name and self.name != "timer" else self.type
        if self.error is not None:
            text += f" ! {self.error.splitlines()[0] if self.error else ''}"
        elif self.data is not None:
            text += f" {as_json(self.data)}"
        elif "fireAt" in self.fields:
            text += f" {self.fields['fireAt']}"
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def history_rows(events: Sequence[HistoryEvent], *, encodes_twice: bool) -> list[HistoryRow]:
    """The rows of a history. `encodes_twice`: see `json_values.received_value`."""
    records, _ = HistoryTable(events).page(-1, sys.maxsize, is_full=True)
    return [_row(record, encodes_twice) for record in records]


def is_match(pattern: RowPattern, row: HistoryRow) -> bool:
    """Whether the row has everything that the pattern names."""
    if isinstance(pattern, str):
        kind, _, name = pattern.partition(" ")
        return row.type == kind and (not name or row.name == name)
    return all(matches(value, _field(row, name)) for name, value in pattern.items())


def check_pattern(pattern: RowPattern) -> None:
    """Raise ValueError for a type that no event has, or for a member that no row has: nothing would match."""
    kind = pattern_type(pattern)
    if kind is not None and kind not in EVENT_CLASS_BY_NAME:
        raise ValueError(f"'{kind}' is not a type of events.{_hint(kind, EVENT_CLASS_BY_NAME)}")
    for name in () if isinstance(pattern, str) else pattern:
        if name not in _MEMBERS:
            raise ValueError(f"'{name}' is not a member of the rows of a history.{_hint(name, _MEMBERS)}")


def pattern_type(pattern: RowPattern) -> str | None:
    """The type of the rows that a pattern describes; None if it names none."""
    kind = pattern.partition(" ")[0] if isinstance(pattern, str) else pattern.get("type")
    return None if kind is None else str(kind)


def pattern_text(pattern: RowPattern) -> str:
    """The pattern as a failure shows it."""
    if isinstance(pattern, str):
        return pattern
    head = " ".join(str(pattern[name]) for name in ("type", "name") if name in pattern)
    rest = {name: value for name, value in pattern.items() if name not in ("type", "name")}
    return " ".join(filter(None, (head, ", ".join(f"{name}={value!r}" for name, value in rest.items()))))


def _row(record: dict[str, Any], encodes_twice: bool) -> HistoryRow:
    rest = dict(record)
    kind: str = rest.pop("type")
    text = rest.pop("input", None) or rest.pop("result", None)
    rest.pop("ordinal")
    return HistoryRow(
        type=kind,
        time=datetime.fromisoformat(rest.pop("time")),
        name=rest.pop("name"),
        task_id=rest.pop("taskId"),
        data=received_value(text, encodes_twice=encodes_twice and kind == "ExecutionStarted"),
        error=rest.pop("reason", None),
        fields=rest,
    )


def _field(row: HistoryRow, name: str) -> Any:
    if name in row.__struct_fields__ and name != "fields":
        return getattr(row, name)
    return cast("Any", row.fields.get(name))


_MEMBERS = frozenset(HistoryRow.__struct_fields__) - {"fields"} | record_names() - _IN_OTHER_MEMBERS


def _hint(name: str, known: Iterable[str]) -> str:
    near = closest(name, known)
    return f" Did you mean {near}?" if near else ""
