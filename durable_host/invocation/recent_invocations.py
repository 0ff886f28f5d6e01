"""The latest invocations of each function, for the dashboard."""

import asyncio
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
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
    __slots__ = ("response",)

    def __init__(self) -> None:
        self.response: InvocationResponse | None = None


class RecentInvocations:
    """A bounded ring per function. `version` grows with each invocation."""

    def __init__(self) -> None:
        self.version = 0
        self._rings: dict[str, deque[RecentInvocation]] = {}

    @contextmanager
    def recorded(self, attempt: Attempt, reason: str) -> Generator[RunningInvocation]:
        """Keep an attempt when it has ended. The caller sets `response` if there is one."""
        began, running = time.perf_counter(), RunningInvocation()
        error: str | None = None
        try:
            yield running
            response = running.response
            if response is not None and response.failed_operations:
                error = response.failed_operations[0].text
        except (FunctionFailed, WorkerLost) as failure:
            error = str(failure)
            raise
        except (ClientGone, asyncio.CancelledError):
            error = "Canceled"
            raise
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            raise
        finally:
            self._keep(attempt, time.perf_counter() - began, error, reason)

    def of(self, function: str) -> list[RecentInvocation]:
        """The kept invocations of a function, newest first."""
        return list(reversed(self._rings.get(function, ())))

    def _keep(self, attempt: Attempt, seconds: float, error: str | None, reason: str) -> None:
        name = attempt.function.name
        ring = self._rings.get(name)
        if ring is None:
            ring = self._rings[name] = deque(maxlen=KEPT)
        self.version += 1
        ring.append(
            RecentInvocation(attempt.invocation_id, time.time() - seconds, seconds, error, attempt.instance_id, reason)
        )
