"""Fields of an NCRONTAB expression.

Source: docs/protocol/functions-host-timers.md#schedule-expressions
"""

import re
from collections.abc import Iterator

import msgspec

from durable_host.config.dotnet_format import MONTHS

_NUMBER = re.compile(r"[+-]?\d{1,9}")
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


class InvalidField(ValueError):
    """The text of a field is not valid."""


class FieldKind(msgspec.Struct, frozen=True):
    """A kind of field, with values from `least` to `most`; `names` are for the values from `least` on."""

    title: str
    least: int
    most: int
    names: tuple[str, ...] = ()


SECOND = FieldKind("second", 0, 59)
MINUTE = FieldKind("minute", 0, 59)
HOUR = FieldKind("hour", 0, 23)
DAY = FieldKind("day", 1, 31)
MONTH = FieldKind("month", 1, 12, MONTHS)
WEEKDAY = FieldKind("day of week", 0, 6, _WEEKDAYS)


class Field(msgspec.Struct, frozen=True):
    """The allowed values of a field, in order, at least one."""

    kind: FieldKind
    values: tuple[int, ...]

    @property
    def is_full(self) -> bool:
        """True if every value is allowed."""
        return len(self.values) == self.kind.most - self.kind.least + 1

    def expanded(self) -> str:
        """The field for the log: `*`, or a list of values and ranges `a-b`, with names of months and weekdays."""
        if self.is_full:
            return "*"
        return ",".join(
            self._name(first) if first == last else f"{self._name(first)}-{self._name(last)}"
            for first, last in self._runs()
        )

    def _runs(self) -> Iterator[tuple[int, int]]:
        first = last = self.values[0]
        for value in self.values[1:]:
            if value != last + 1:
                yield first, last
                first = value
            last = value
        yield first, last

    def _name(self, value: int) -> str:
        return self.kind.names[value - self.kind.least] if self.kind.names else str(value)


def parse_field(kind: FieldKind, text: str) -> Field:
    """Raises InvalidField."""
    values: set[int] = set()
    for part in text.split(",") if text.find(",") > 0 else [text]:
        values.update(_values(kind, part))
    return Field(kind, tuple(sorted(values)))


def _values(kind: FieldKind, text: str) -> range:
    body, slash, every = text.partition("/") if text.find("/") > 0 else (text, "", "")
    step = max(1, _step(kind, every)) if slash else 1
    if body == "*":
        return range(kind.least, kind.most + 1, step)
    if body.find("-") > 0:
        first, _, last = body.partition("-")
        ends = sorted((_value(kind, first), _value(kind, last)))
        return range(ends[0], ends[1] + 1, step)
    value = _value(kind, body)
    return range(value, (kind.most if slash else value) + 1, step)


def _step(kind: FieldKind, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise InvalidField(f"'{text}' is not a step of the {kind.title} field")
    return int(text)


def _value(kind: FieldKind, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10:
        value = int(text)
        if kind.least <= value <= kind.most:
            return value
        raise InvalidField(f"{value} is not within {kind.least}-{kind.most} of the {kind.title} field")
    if text and text[0] not in "0123456789":
        for number, name in enumerate(kind.names, kind.least):
            if name.lower().startswith(text.lower()):
                return number
    raise InvalidField(f"'{text}' is not a value of the {kind.title} field")
