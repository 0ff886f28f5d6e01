"""What this process knows at first hand about instances: which it runs now, and when one of them ends.

The client API asks here before it asks storage. Owner of the contents: the session cache of the runtime.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager


class LiveInstances:
    """Instances whose committed, unfinished state is in this process's memory, and who waits for their end."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._awaiting_start: dict[str, set[asyncio.Event]] = {}
        self._on_removed: Callable[[str], None] | None = None

    def is_open(self, instance_id: str) -> bool:
        """True when the instance is known to exist and not to have ended; False says nothing."""
        return instance_id in self._open

    def last_updated(self, instance_id: str) -> int | None:
        """Ticks of the last committed episode of an open instance; its row in storage may be older."""
        return self._open.get(instance_id)

    def opened(self, instance_id: str, last_updated: int) -> None:
        """A state that has not ended was loaded or committed."""
        self._open[instance_id] = last_updated
        for event in self._awaiting_start.get(instance_id, ()):
            event.set()

    def closed(self, instance_id: str) -> None:
        """Forget the instance."""
        self._open.pop(instance_id, None)

    def ended(self, instance_id: str) -> None:
        """The end of the instance was committed."""
        self._open.pop(instance_id, None)
        for waiting in (self._waiting, self._awaiting_start):
            for event in waiting.get(instance_id, ()):
                event.set()

    def forget_all(self) -> None:
        """The runtime has lost what it had in memory."""
        self._open.clear()

    def removed(self, instance_id: str) -> None:
        """A client deleted the instance: what is in memory of it is of no use any more."""
        self.closed(instance_id)
        if self._on_removed is not None:
            self._on_removed(instance_id)

    def when_removed(self, forget: Callable[[str], None]) -> None:
        """The session cache's part of `removed`."""
        self._on_removed = forget

    @contextmanager
    def watch(self, instance_id: str, *, start: bool = False) -> Generator[asyncio.Event]:
        """An event that is set when the instance ends in this process while the context is open; with `start`, also
        when it is being worked on.
        """
        waiting = self._awaiting_start if start else self._waiting
        event = asyncio.Event()
        watchers = waiting.setdefault(instance_id, set())
        watchers.add(event)
        try:
            yield event
        finally:
            watchers.discard(event)
            if not watchers:
                waiting.pop(instance_id, None)
