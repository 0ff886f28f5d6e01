"""Query parameters of the management API: names in any case, values checked.

Source: spec/durable-protocol.md, sections 8.1 to 8.5.
"""

import math
import re
from collections.abc import Iterable, Mapping

from durable_host.durable.api.errors import InvalidArgument
from durable_host.durable.model import timestamp
from durable_host.durable.model.status import OrchestrationStatus

_SHORT_OFFSET = re.compile(r" (\d\d:?\d\d)$")
_MAX_INT32 = 2**31 - 1


class QueryParameters:
    """The query of one request; every getter raises `InvalidArgument` for a value it cannot read."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name.lower(), []).append(value)
        self._values: Mapping[str, list[str]] = values

    def text(self, name: str) -> str | None:
        """The first value, or None."""
        values = self._values.get(name.lower())
        return values[0] if values else None

    def flag(self, name: str, default: bool) -> bool:
        """`true` or `false` in any case; anything else is the default, as in the reference."""
        value = (self.text(name) or "").strip().lower()
        return value == "true" if value in ("true", "false") else default

    def page_size(self, name: str, default: int) -> int:
        value = self.text(name)
        if not value:
            return default
        try:
            number = int(value)
        except ValueError:
            number = 0
        if not 1 <= number <= _MAX_INT32:
            raise InvalidArgument(f"'{value}' is not a positive number of instances. (Parameter '{name}')")
        return number

    def seconds(self, name: str) -> float | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds <= _MAX_INT32:
            raise InvalidArgument(f"'{value}' is not a number of seconds. (Parameter '{name}')")
        return seconds

    def time(self, name: str) -> int | None:
        """Ticks of a timestamp or date; None when the parameter is missing or empty."""
        value = self.text(name)
        if not value or not value.strip():
            return None
        try:
            return timestamp.parse(_SHORT_OFFSET.sub(r"+\1", value.strip()))
        except (ValueError, OverflowError) as error:
            raise InvalidArgument(f"'{value}' is not a valid date and time. (Parameter '{name}')") from error

    def statuses(self, name: str) -> list[str]:
        """The words of a repeated or comma separated parameter."""
        words = (word.strip() for value in self._values.get(name.lower(), ()) for word in value.split(","))
        return [word for word in words if word]


def known_statuses(words: Iterable[str]) -> frozenset[OrchestrationStatus]:
    """Statuses named exactly; unknown words are left out."""
    return frozenset(OrchestrationStatus[word] for word in words if word in OrchestrationStatus.__members__)
