"""Retries a write that follows from a commit, with back-off, for as long as an outage lasts."""

import asyncio
from types import TracebackType
from typing import Self

from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.storage import StorageError

_SHORTEST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
MAX_REFUSALS = 4
"""How often storage may reject data before other data is written in its place."""


class Attempts:
    """Reports the attempts of `source` to `outage`, and forgets them at the end of the `with` block."""

    def __init__(self, outage: Outage, source: str) -> None:
        self._outage = outage
        self._source = source
        self._failures = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._outage.forget(self._source)

    def failed(self, error: StorageError) -> None:
        """Record a failed attempt."""
        self._failures += 1
        self._outage.failed(self._source, error)

    async def pause(self) -> None:
        """Wait before the next attempt: half a second at first, at most ten seconds."""
        await asyncio.sleep(min(_SHORTEST_PAUSE * 2 ** min(self._failures - 1, 6), _LONGEST_PAUSE))

    def succeeded(self) -> None:
        """Record that the write succeeded."""
        if self._failures:
            self._outage.recovered(self._source)
