"""Notifies blob triggers of blobs that this process writes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

Notified = Callable[[str, str], None]
"""Called with the container and the name of a blob."""


class BlobSignals:
    """Listeners for blobs that this process has written, by blob endpoint."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Notified]] = {}

    def subscribe(self, endpoint: str, notified: Notified) -> None:
        self._listeners.setdefault(endpoint, []).append(notified)

    def unsubscribe(self, endpoint: str, notified: Notified) -> None:
        self._listeners.get(endpoint, []).remove(notified)

    async def wait(self, event: asyncio.Event, seconds: float, *, retries: bool = False) -> None:
        """Wait until it is time to scan: until the event, or for `seconds`, because other processes write blobs too.

        `retries`: the last scan has failed.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    def notify(self, endpoint: str, container: str, name: str) -> None:
        """Notify the listeners that a blob was written."""
        for notified in self._listeners.get(endpoint, ()):
            notified(container, name)
