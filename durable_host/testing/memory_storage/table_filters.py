"""The OData filters of the table service: comparisons, `and`, `or`, `not`, parentheses."""

import base64
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from durable_host.testing.memory_storage.table_batch import Row

Predicate = Callable[[Row], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<paren>[()])|(?P<date>datetime'[^']*')|(?P<guid>guid'[^']*')|(?P<binary>(?:X|binary)'[0-9A-Fa-f]*')"
    r"|(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?L?)|(?P<word>[A-Za-z_]\w*))"
)
_COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_ANNOTATION = "@odata.type"


class DateText(str):
    """A date with seven decimals, so that texts compare as the times do."""

    __slots__ = ()


class GuidText(str):
    """A GUID in lower case."""

    __slots__ = ()


@lru_cache(maxsize=4096)
def predicate(text: str) -> Predicate:
    """Whether a row matches. Raises ValueError, KeyError or IndexError for what is not in the language."""
    parser = _Parser(text)
    found = parser.either()
    if parser.tokens:
        raise ValueError(f"'{text}' goes on after its end: {parser.tokens[-1]}")
    return found


@lru_cache(maxsize=4096)
def partition_of(text: str) -> str | None:
    """The partition key, when the filter names one and nothing else."""
    found = re.fullmatch(r"PartitionKey eq '((?:[^']|'')*)'", text)
    return found.group(1).replace("''", "'") if found else None


class _Parser:
    """Tokens are in reverse order."""

    def __init__(self, text: str) -> None:
        tokens: list[tuple[str, str]] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None:
                raise ValueError(f"not a filter: {text[at:]}")
            tokens.append((match.lastgroup or "", match.group().strip()))
            at = match.end()
        self.tokens = tokens[::-1]

    def either(self) -> Predicate:
        left = self.both()
        while self._next_is("or"):
            left = _or(left, self.both())
        return left

    def both(self) -> Predicate:
        left = self.one()
        while self._next_is("and"):
            left = _and(left, self.one())
        return left

    def one(self) -> Predicate:
        kind, text = self.tokens.pop()
        if text == "not":
            inner = self.one()
            return lambda row: not inner(row)
        if text == "(":
            found = self.either()
            self.tokens.pop()
            return found
        if kind != "word":
            raise ValueError(f"expected a property, not {text}")
        compare = _COMPARE[self.tokens.pop()[1]]
        value = _literal(*self.tokens.pop())
        kind_of_value = _kind(value)

        def holds(row: Row) -> bool:
            stored = _stored_value(row, text)
            return stored is not None and _kind(stored) is kind_of_value and compare(stored, value)

        return holds

    def _next_is(self, word: str) -> bool:
        if self.tokens and self.tokens[-1] == ("word", word):
            self.tokens.pop()
            return True
        return False


def _or(left: Predicate, right: Predicate) -> Predicate:
    return lambda row: left(row) or right(row)


def _and(left: Predicate, right: Predicate) -> Predicate:
    return lambda row: left(row) and right(row)


def _kind(value: Any) -> type[Any]:
    """Values compare only with those of the same kind; all numbers are of one kind."""
    return float if type(value) is int else cast(type[Any], type(value))


def _literal(kind: str, text: str) -> Any:
    if kind == "text":
        return text[1:-1].replace("''", "'")
    if kind == "date":
        return _date(text[9:-1])
    if kind == "guid":
        return GuidText(text[5:-1].lower())
    if kind == "binary":
        return bytes.fromhex(text.partition("'")[2][:-1])
    if kind == "number":
        return float(text) if any(mark in text for mark in ".eE") else int(text.rstrip("L"))
    if text in ("true", "false"):
        return text == "true"
    raise ValueError(f"{text} is not a value")


def _stored_value(row: Row, name: str) -> Any:
    value = row.get(name)
    kind = row.get(name + _ANNOTATION) if value is not None else None
    if kind is None:
        return value
    reader = _READERS.get(kind)
    return value if reader is None else reader(value)


def _date(text: str) -> DateText:
    whole, _, fraction = text.rstrip("Z").partition(".")
    return DateText(f"{whole}.{fraction.ljust(7, '0')}Z")


_READERS: dict[str, Callable[[Any], Any]] = {
    "Edm.Int64": int,
    "Edm.Double": float,
    "Edm.DateTime": _date,
    "Edm.Guid": lambda value: GuidText(str(value).lower()),
    "Edm.Binary": base64.b64decode,
}
