"""Notifies queue listeners of messages that this process puts."""

import asyncio


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

    def notify(self, account: str, queue: str) -> None:
        for event in self._events.get((account, queue), ()):
            event.set()
