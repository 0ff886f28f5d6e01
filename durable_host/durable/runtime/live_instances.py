"""What this process knows about instances without reading storage: which are in memory, and when they end.

The client API asks here first. The session cache of the runtime owns the contents.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from durable_host.durable.model.instance import InstanceUpdate

ChangeListener = Callable[[str, InstanceUpdate | None], None]


class LiveInstances:
    """Instances whose committed, unfinished state is in memory, and the callers that wait for their end."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._awaiting_start: dict[str, set[asyncio.Event]] = {}
        self._on_removed: Callable[[str], None] | None = None
        self._on_changed: ChangeListener | None = None

    def __len__(self) -> int:
        """The number of open instances."""
        return len(self._open)

    def is_open(self, instance_id: str) -> bool:
        """True when the instance is known to exist and has not ended. False means that nothing is known."""
        return instance_id in self._open

    def last_updated(self, instance_id: str) -> int | None:
        """Return the ticks of an open instance's last committed episode. Its row in storage may be older."""
        return self._open.get(instance_id)

    def opened(self, instance_id: str, last_updated: int) -> None:
        """Record that a state that has not ended was loaded or committed."""
        self._open[instance_id] = last_updated
        for event in self._awaiting_start.get(instance_id, ()):
            event.set()

    def closed(self, instance_id: str) -> None:
        """Forget the instance."""
        self._open.pop(instance_id, None)

    def ended(self, instance_id: str) -> None:
        """Record that the end of the instance was committed."""
        self._open.pop(instance_id, None)
        for waiting in (self._waiting, self._awaiting_start):
            for event in waiting.get(instance_id, ()):
                event.set()

    def forget_all(self) -> None:
        """Forget all instances, because the runtime has lost its memory of them."""
        self._open.clear()

    def removed(self, instance_id: str) -> None:
        """Record that a client deleted the instance, and discard its state in memory."""
        self.closed(instance_id)
        if self._on_removed is not None:
            self._on_removed(instance_id)
        self.changed(instance_id)

    def when_removed(self, forget: Callable[[str], None]) -> None:
        """Set the callback that `removed` calls with the instance ID, to discard its session."""
        self._on_removed = forget

    def changed(self, instance_id: str, update: InstanceUpdate | None = None) -> None:
        """Report a change of an instance that this process has made. `update` is None if it has to be read."""
        if self._on_changed is not None:
            self._on_changed(instance_id, update)

    def when_changed(self, listener: ChangeListener | None) -> None:
        """Set the listener that `changed` calls. There is none while nobody looks at the hub."""
        self._on_changed = listener

    @contextmanager
    def watch(self, instance_id: str, *, start: bool = False) -> Generator[asyncio.Event]:
        """Yield an event that is set when the instance ends in this process while the context is open.

        With `start`, the event is also set when the instance is loaded or committed.
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
