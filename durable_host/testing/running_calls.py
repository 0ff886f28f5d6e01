"""Ends the wait for functions that never end and would block a test forever."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager

import msgspec

from durable_host.testing.kit_patience import MORE_TIME, StillBusy, has_debugger

_LOOKS_EVERY = 0.5


class _BegunCall(msgspec.Struct, frozen=True, eq=False):
    """A call that has been running since then; `what` names it in a sentence."""

    what: str
    since: float


class RunningCalls:
    """The calls of an app's functions that run, and how long a test waits for them: `patience` seconds of real time.

    `streams` are the responses that the test reads piece by piece: when each was requested, and when it began. Nobody
    waits for the calls that write them.
    """

    def __init__(self, patience: float, streams: Callable[[], Iterable[tuple[float, float]]] = tuple) -> None:
        self._patience = patience
        self._streams = streams
        self._begun: dict[_BegunCall, None] = {}
        self._reported: set[_BegunCall] = set()
        self._last_change = time.monotonic()

    @contextmanager
    def running(self, what: str) -> Generator[None, None, None]:
        """In this block, a function runs: `what` names it in a sentence."""
        call = _BegunCall(what, time.monotonic())
        self._begun[call] = None
        try:
            yield
        finally:
            del self._begun[call]
            self._reported.discard(call)
            self._last_change = time.monotonic()

    @property
    def never_end(self) -> bool:
        """Whether StillBusy was raised for calls that do not end, and they still run."""
        return bool(self._reported)

    @asynccontextmanager
    async def limit(self) -> AsyncGenerator[None]:
        """End the block if a call, or the app without any call, takes longer than the test waits. Raises StillBusy."""
        async with self._limit(()):
            yield

    @asynccontextmanager
    async def limit_to_read(self) -> AsyncGenerator[None]:
        """Like `limit`, for a step that changes nothing: calls for which StillBusy was raised before do not count."""
        async with self._limit(frozenset(self._reported)):
            yield

    @asynccontextmanager
    async def _limit(self, known: Collection[_BegunCall]) -> AsyncGenerator[None]:
        loop = asyncio.get_running_loop()
        begin = time.monotonic()
        reason: str | None = None

        def check() -> None:
            nonlocal reason, handle
            reason = None if has_debugger() else self._reason(begin, known)
            if reason is None:
                handle = loop.call_later(_LOOKS_EVERY, check)
            else:
                limit.reschedule(loop.time())

        handle = loop.call_later(_LOOKS_EVERY, check)
        try:
            async with asyncio.timeout(None) as limit:
                yield
        except TimeoutError:
            if reason is None:
                raise
            raise StillBusy(reason) from None
        finally:
            handle.cancel()

    def _reason(self, begin: float, known: Collection[_BegunCall]) -> str | None:
        """Why the wait that began at `begin` is given up, or None."""
        end = time.monotonic() - self._patience
        awaited = self._awaited(known)
        overdue = [call for call in awaited if call.since <= end]
        self._reported.update(overdue)
        if overdue:
            return (
                f"{overdue[0].what} has been running for {self._patience:g} s. Time stands still while a function "
                f"runs, so the test would wait without end. Let the function end, or give it a double. {MORE_TIME}"
            )
        if not awaited and max(begin, self._last_change) < end:
            others = "no function runs" if not known else "no other function runs"
            return f"The app did not come to rest within {self._patience:g} s, although {others}. {MORE_TIME}"
        return None

    def _awaited(self, known: Collection[_BegunCall]) -> list[_BegunCall]:
        """The calls that a test waits for. A stream is written by the first call between its request and its begin."""
        calls = list(self._begun)
        for requested, began in self._streams():
            writer = next((call for call in calls if requested <= call.since <= began), None)
            if writer is not None:
                calls.remove(writer)
        return [call for call in calls if call not in known]
