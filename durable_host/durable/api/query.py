"""Query parameters of the management API: names in any case, values checked.

Source: docs/protocol/durable-http-api.md#paths-and-query-parameters,
    docs/protocol/durable-http-api.md#listing-instances
"""

import re
from collections.abc import Iterable, Mapping

from durable_host.durable.api.errors import InvalidArgument
from durable_host.durable.api.query_time import read_time
from durable_host.durable.api.request_cautions import Cautions
from durable_host.durable.model.status import OrchestrationStatus

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?(?=[0-9.])[0-9,]*(\.[0-9]*)?(e[+-]?[0-9]+)?|[+-]?infinity", re.IGNORECASE)
_MAX_INT32 = 2**31 - 1


class QueryParameters:
    """The query of one request. A parameter that is given twice has both values, joined with a comma."""

    def __init__(self, pairs: Iterable[tuple[str, str]], cautions: Cautions) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name.lower(), []).append(value)
        self._values: Mapping[str, list[str]] = values
        self._cautions = cautions

    def text(self, name: str) -> str | None:
        values = self._values.get(name.lower())
        return ",".join(values) if values else None

    def words(self, name: str) -> str | None:
        """As `text`, but a blank value counts as absent."""
        value = self.text(name)
        return value if value and value.strip() else None

    def flag(self, name: str, default: bool) -> bool:
        """`true` or `false` in any case; anything else is the default, as in the reference."""
        value = (self.text(name) or "").strip().lower()
        return value == "true" if value in ("true", "false") else default

    def page_size(self, name: str, default: int) -> int:
        """0 or more. What cannot be read as a number is not obeyed. Raises `InvalidArgument` for a negative one."""
        value = self.text(name)
        if not value or not value.strip():
            return default
        number = int(value) if _INTEGER.fullmatch(value.strip()) else _MAX_INT32 + 1
        if not -_MAX_INT32 <= number <= _MAX_INT32:
            self._cautions.parameter_ignored(name, value)
            return default
        if number < 0:
            raise InvalidArgument(f"'{value}' is not a number of instances. (Parameter '{name}')")
        return number

    def seconds(self, name: str) -> float | None:
        """A number, with or without commas (`1,000`), maybe negative or infinite. What is none is not obeyed."""
        value = self.text(name)
        if not value or not value.strip():
            return None
        try:
            return float(_number_text(value))
        except ValueError:
            self._cautions.parameter_ignored(name, value)
            return None

    def time(self, name: str) -> int | None:
        """Ticks of a date or time; None when the parameter is missing or empty. Raises `InvalidArgument`."""
        value = self.text(name)
        if not value or not value.strip():
            return None
        try:
            return read_time(value)
        except ValueError as error:
            raise InvalidArgument(f"'{value}' is not a valid date and time. (Parameter '{name}')") from error

    def time_filter(self, name: str) -> int | None:
        """As `time`, for a filter of a listing: one that cannot be read is not obeyed, as in Azure."""
        try:
            return self.time(name)
        except InvalidArgument:
            self._cautions.parameter_ignored(name, self.text(name) or "")
            return None

    def statuses(self, name: str) -> list[str]:
        """The words of a repeated or comma separated parameter."""
        words = (word.strip() for value in self._values.get(name.lower(), ()) for word in value.split(","))
        return [word for word in words if word]


def _number_text(value: str) -> str:
    """`value` as Python writes numbers. Raises ValueError."""
    if _NUMBER.fullmatch(value.strip()) is None:
        raise ValueError(f"'{value}' is not a number")
    return value.replace(",", "")


def known_statuses(words: Iterable[str]) -> frozenset[OrchestrationStatus]:
    """Statuses named exactly; unknown words are left out."""
    return frozenset(OrchestrationStatus[word] for word in words if word in OrchestrationStatus.__members__)
