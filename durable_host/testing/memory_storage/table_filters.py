"""The part of the OData filter language that the product uses: comparisons, `and`, `or`, `not`, parentheses."""

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Row = dict[str, Any]
Predicate = Callable[[Row], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<paren>[()])|(?P<date>datetime'[^']*')|(?P<guid>guid'[^']*')|(?P<text>'(?:[^']|'')*')"
    r"|(?P<number>-?\d+(?:\.\d+)?L?)|(?P<word>[A-Za-z_]\w*))"
)
_COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


@lru_cache(maxsize=4096)
def predicate(text: str) -> Predicate:
    """Whether a row matches. Raises ValueError for what is not in the language."""
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
    def __init__(self, text: str) -> None:
        tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
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
        value = _value(*self.tokens.pop())

        def holds(row: Row) -> bool:
            stored = row.get(text)
            return stored is not None and type(stored) is type(value) and compare(stored, value)

        return holds

    def _next_is(self, word: str) -> bool:
        if self.tokens and self.tokens[-1][1] == word:
            self.tokens.pop()
            return True
        return False


def _or(left: Predicate, right: Predicate) -> Predicate:
    return lambda row: left(row) or right(row)


def _and(left: Predicate, right: Predicate) -> Predicate:
    return lambda row: left(row) and right(row)


def _value(kind: str, text: str) -> Any:
    if kind == "text":
        return text[1:-1].replace("''", "'")
    if kind == "date":
        return _normal_date(text[9:-1])
    if kind == "guid":
        return text[5:-1]
    if kind == "number":
        return float(text) if "." in text else int(text.rstrip("L"))
    if text in ("true", "false"):
        return text == "true"
    raise ValueError(f"{text} is not a value")


def _normal_date(text: str) -> str:
    """Seven decimals, so that texts compare as the times do."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return f"{whole}.{fraction.ljust(7, '0')}Z"
