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


class RunningInvocation:
    """Keeps an attempt in `recent` when it has ended. The caller sets `response` if there is one."""

    __slots__ = ("_attempt", "_began", "_reason", "_recent", "response")

    def __init__(self, recent: "RecentInvocations", attempt: Attempt, reason: str) -> None:
        self.response: InvocationResponse | None = None
        self._recent = recent
        self._attempt = attempt
        self._reason = reason

    def __enter__(self) -> "RunningInvocation":
        self._began = time.perf_counter()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        seconds = time.perf_counter() - self._began
        attempt, text = self._attempt, None if error is None else _error_text(error)
        if error is None and self.response is not None and self.response.failed_operations:
            text = self.response.failed_operations[0].text
        started = time.time() - seconds
        ended = RecentInvocation(attempt.invocation_id, started, seconds, text, attempt.instance_id, self._reason)
        self._recent.keep(attempt.function.name, ended)


class RecentInvocations:
    """A bounded ring per function. `version` grows with each invocation."""

    def __init__(self) -> None:
        self.version = 0
        self._rings: dict[str, deque[RecentInvocation]] = {}

    def recorded(self, attempt: Attempt, reason: str) -> RunningInvocation:
        """A context manager around an attempt, which keeps it when it has ended."""
        return RunningInvocation(self, attempt, reason)

    def of(self, function: str) -> list[RecentInvocation]:
        """The kept invocations of a function, newest first."""
        return list(reversed(self._rings.get(function, ())))

    def keep(self, function: str, ended: RecentInvocation) -> None:
        ring = self._rings.get(function)
        if ring is None:
            ring = self._rings[function] = deque(maxlen=KEPT)
        self.version += 1
        ring.append(ended)


def _error_text(error: BaseException) -> str | None:
    if isinstance(error, FunctionFailed | WorkerLost):
        return str(error)
    if isinstance(error, ClientGone | asyncio.CancelledError):
        return "Canceled"
    return f"{type(error).__name__}: {error}" if isinstance(error, Exception) else None
