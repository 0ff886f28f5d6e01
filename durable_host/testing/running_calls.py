"""Ends the wait for functions that do not end, which would keep a test from ever continuing."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

from durable_host.testing.kit_patience import MORE_TIME, StillBusy

_LOOKS_EVERY = 0.5
_DEBUGGERS = ("pydevd", "debugpy")


class RunningCalls:
    """The calls of an app's functions that run, and how long a test waits for them: `patience` seconds of real time.

    `streams` is the number of calls that nobody waits for: the test reads their responses piece by piece.
    """

    def __init__(self, patience: float, streams: Callable[[], int] = lambda: 0) -> None:
        self._patience = patience
        self._streams = streams
        self._begun: dict[object, tuple[str, float]] = {}
        self._last_change = time.monotonic()
        self._has_failed = False

    @contextmanager
    def running(self, what: str) -> Generator[None, None, None]:
        """In this block, a function runs: `what` names it in a sentence."""
        call = object()
        self._begun[call] = (what, time.monotonic())
        try:
            yield
        finally:
            del self._begun[call]
            self._last_change = time.monotonic()

    @property
    def never_end(self) -> bool:
        """Whether a test has been told that calls do not end, and they still run."""
        return self._has_failed and self._overdue() is not None

    @asynccontextmanager
    async def limit(self) -> AsyncGenerator[None]:
        """End the block if a call, or the app without any call, takes longer than the test waits. Raises StillBusy."""
        loop = asyncio.get_running_loop()
        begin = time.monotonic()
        reason: str | None = None

        def look() -> None:
            nonlocal reason, handle
            reason = None if _has_debugger() else self._reason(begin)
            if reason is None:
                handle = loop.call_later(_LOOKS_EVERY, look)
            else:
                limit.reschedule(loop.time())

        handle = loop.call_later(_LOOKS_EVERY, look)
        try:
            async with asyncio.timeout(None) as limit:
                yield
        except TimeoutError:
            if reason is None:
                raise
            self._has_failed = True
            raise StillBusy(reason) from None
        finally:
            handle.cancel()

    def _reason(self, begin: float) -> str | None:
        """Why the wait that began then is hopeless, or None."""
        if (call := self._overdue()) is not None:
            return (
                f"{call} has been running for {self._patience:g} s. Time stands still while a function runs, so the "
                f"test would wait without end. Let the function end, or give it a double. {MORE_TIME}"
            )
        if not self._begun and time.monotonic() > max(begin, self._last_change) + self._patience:
            return f"The app did not come to rest within {self._patience:g} s, although no function runs. {MORE_TIME}"
        return None

    def _overdue(self) -> str | None:
        """The call that has been running too long, in a sentence."""
        end = time.monotonic() - self._patience
        overdue = [what for what, since in self._begun.values() if since <= end]
        others = overdue[self._streams() :]
        return others[0] if others else None


def _has_debugger() -> bool:
    """Whether a person may be looking at a function of the test that the app waits for."""
    return any(name in sys.modules for name in _DEBUGGERS)
