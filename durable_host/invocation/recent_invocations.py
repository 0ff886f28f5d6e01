"""The latest invocations of each function, for the dashboard."""

import asyncio
import time
from collections import deque
from typing import NamedTuple

from durable_host.invocation.attempt import Attempt
from durable_host.invocation.errors import ClientGone, FunctionFailed, WorkerLost
from durable_host.invocation.requests import InvocationResponse

KEPT = 100
"""Invocations per function."""


class RecentInvocation(NamedTuple):
    """An attempt that has ended. `started` is in seconds since 1970; `error` is None if it succeeded."""

    id: str
    started: float
    seconds: float
    error: str | None
    instance_id: str | None
    reason: str


class RecentInvocations:
    """A bounded ring per function. `version` grows with each invocation."""

    def __init__(self) -> None:
        self.version = 0
        self._rings: dict[str, deque[RecentInvocation]] = {}

    def add(
        self,
        attempt: Attempt,
        reason: str,
        seconds: float,
        *,
        response: InvocationResponse | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Keep an attempt that has just ended after `seconds`."""
        text = None if error is None else _error_text(error)
        if response is not None and response.failed_operations:
            text = response.failed_operations[0].text
        name = attempt.function.name
        ring = self._rings.get(name)
        if ring is None:
            ring = self._rings[name] = deque(maxlen=KEPT)
        self.version += 1
        ring.append(
            RecentInvocation(attempt.invocation_id, time.time() - seconds, seconds, text, attempt.instance_id, reason)
        )

    def of(self, function: str) -> list[RecentInvocation]:
        """The kept invocations of a function, newest first."""
        return list(reversed(self._rings.get(function, ())))


def _error_text(error: BaseException) -> str | None:
    if isinstance(error, FunctionFailed | WorkerLost):
        return str(error)
    if isinstance(error, ClientGone | asyncio.CancelledError):
        return "Canceled"
    return f"{type(error).__name__}: {error}" if isinstance(error, Exception) else None
