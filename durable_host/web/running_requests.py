"""Counts the requests that run in functions."""

import asyncio
import contextlib


class RunningRequests:
    """A context manager around each request; `wait_none` waits until none is left."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def wait_none(self, patience: float) -> None:
        """Wait until no request runs, at most `patience` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._count:
                    self._idle.clear()
                    await self._idle.wait()
