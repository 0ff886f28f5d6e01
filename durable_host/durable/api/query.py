"""Query parameters of the management API. Names are not case-sensitive; values are checked.

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
    """The query of one request. If a parameter is given twice, its values are joined with a comma."""

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
        """Return the text of a parameter, or None if it is missing or blank."""
        value = self.text(name)
        return value if value and value.strip() else None

    def flag(self, name: str, default: bool) -> bool:
        """Return the value of `true` or `false` (not case-sensitive), otherwise the default, as in the reference."""
        value = (self.text(name) or "").strip().lower()
        return value == "true" if value in ("true", "false") else default

    def page_size(self, name: str, default: int) -> int:
        """Return 0 or more. A value that is not a number is ignored. Raises `InvalidArgument` for a negative number."""
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
        """Return a number, with or without commas (`1,000`), perhaps negative or infinite. Other values are ignored."""
        value = self.text(name)
        if not value or not value.strip():
            return None
        try:
            return float(_number_text(value))
        except ValueError:
            self._cautions.parameter_ignored(name, value)
            return None

    def time(self, name: str) -> int | None:
        """Return the ticks of a date or time, or None if it is missing or empty. Raises `InvalidArgument`."""
        value = self.text(name)
        if not value or not value.strip():
            return None
        try:
            return read_time(value)
        except ValueError as error:
            raise InvalidArgument(f"'{value}' is not a valid date and time. (Parameter '{name}')") from error

    def time_filter(self, name: str) -> int | None:
        """Return the ticks of a date or time in a filter. Values that cannot be parsed are ignored, as in Azure."""
        try:
            return self.time(name)
        except InvalidArgument:
            self._cautions.parameter_ignored(name, self.text(name) or "")
            return None

    def statuses(self, name: str) -> list[str]:
        """Return the words of a repeated or comma-separated parameter."""
        words = (word.strip() for value in self._values.get(name.lower(), ()) for word in value.split(","))
        return [word for word in words if word]


def _number_text(value: str) -> str:
    """Return `value` in Python's number format. Raises ValueError."""
    if _NUMBER.fullmatch(value.strip()) is None:
        raise ValueError(f"'{value}' is not a number")
    return value.replace(",", "")


def known_statuses(words: Iterable[str]) -> frozenset[OrchestrationStatus]:
    """Return the statuses with exactly these names. Unknown words are ignored."""
    return frozenset(OrchestrationStatus[word] for word in words if word in OrchestrationStatus.__members__)
