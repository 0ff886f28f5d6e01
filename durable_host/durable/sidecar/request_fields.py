"""Reads fields of requests: optional texts, times, statuses."""

from collections.abc import Iterable
from typing import Any

from durable_host.durable.api.errors import InvalidArgument
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.sdk import v2_values


def words_of(message: Any, field: str) -> str | None:
    """Return the optional text in `field`, or None if it is absent or empty."""
    return v2_values.text_of(message, field) or None


def optional_ticks(message: Any, field: str) -> int | None:
    """Return the time in `field`, or None if it is absent."""
    return v2_values.ticks_of(getattr(message, field)) if message.HasField(field) else None


def statuses_of(numbers: Iterable[int]) -> frozenset[OrchestrationStatus]:
    """Return the statuses with these numbers. Raises `InvalidArgument` for an unknown number."""
    try:
        return frozenset(OrchestrationStatus(number) for number in numbers)
    except ValueError as error:
        raise InvalidArgument(str(error)) from None
