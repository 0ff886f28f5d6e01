"""Notifies queue listeners of messages that this process puts."""

import asyncio
from contextlib import suppress


class QueueSignals:
    """One event per queue that has a listener. Writers call `notify`, so that the listener polls immediately."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], list[asyncio.Event]] = {}

    def subscribe(self, account: str, queue: str) -> asyncio.Event:
        """The event that `notify` sets; the listener clears it."""
        event = asyncio.Event()
        self._events.setdefault((account, queue), []).append(event)
        return event

    def unsubscribe(self, account: str, queue: str, event: asyncio.Event) -> None:
        self._events.get((account, queue), []).remove(event)

    async def wait(self, account: str, queue: str, event: asyncio.Event, seconds: float) -> None:
        """Wait until it is time to poll: until the event, or for `seconds`, because other processes put messages too.

        `account` and `queue` are those of the subscription.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    def notify(self, account: str, queue: str) -> None:
        for event in self._events.get((account, queue), ()):
            event.set()
