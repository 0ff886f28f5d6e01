"""Query parameters of the management API: names in any case, values checked.

Source: docs/protocol/durable-http-api.md#paths-and-query-parameters,
    docs/protocol/durable-http-api.md#listing-instances
"""

import logging
import math
from collections.abc import Iterable, Mapping

from durable_host.durable.api.errors import InvalidArgument
from durable_host.durable.api.query_time import read_time
from durable_host.durable.model.status import OrchestrationStatus

_log = logging.getLogger("Host.Triggers.DurableTask")
_MAX_INT32 = 2**31 - 1


class QueryParameters:
    """The query of one request. A parameter that is given twice has both values, joined with a comma."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name.lower(), []).append(value)
        self._values: Mapping[str, list[str]] = values

    def text(self, name: str) -> str | None:
        values = self._values.get(name.lower())
        return ",".join(values) if values else None

    def flag(self, name: str, default: bool) -> bool:
        """`true` or `false` in any case; anything else is the default, as in the reference."""
        value = (self.text(name) or "").strip().lower()
        return value == "true" if value in ("true", "false") else default

    def page_size(self, name: str, default: int) -> int:
        """0 or more. What cannot be read as a number is not obeyed. Raises `InvalidArgument` for a negative one."""
        value = self.text(name)
        if not value or not value.strip():
            return default
        try:
            number = int(value)
        except ValueError:
            number = _MAX_INT32 + 1
        if number < 0:
            raise InvalidArgument(f"'{value}' is not a number of instances. (Parameter '{name}')")
        if number > _MAX_INT32:
            self._not_obeyed(name, value)
            return default
        return number

    def seconds(self, name: str) -> float | None:
        """Raises `InvalidArgument`."""
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
            self._not_obeyed(name, self.text(name) or "")
            return None

    def _not_obeyed(self, name: str, value: str) -> None:
        _log.warning("The parameter %s of a listing cannot be parsed and is ignored, as in Azure: %.100r", name, value)

    def statuses(self, name: str) -> list[str]:
        """The words of a repeated or comma separated parameter."""
        words = (word.strip() for value in self._values.get(name.lower(), ()) for word in value.split(","))
        return [word for word in words if word]


def known_statuses(words: Iterable[str]) -> frozenset[OrchestrationStatus]:
    """Statuses named exactly; unknown words are left out."""
    return frozenset(OrchestrationStatus[word] for word in words if word in OrchestrationStatus.__members__)
