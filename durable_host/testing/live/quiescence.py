"""Waits until a live host has nothing left to do at the current time."""

import asyncio
import time

from durable_host.host.app_switch import AppSwitch
from durable_host.storage import StorageError
from durable_host.testing.kit_patience import MOMENT, MORE_TIME, StillBusy
from durable_host.testing.live.shifted_clock import ShiftedClock
from durable_host.triggers.blob.scanner import BlobScanner
from durable_host.triggers.queue.listener import QueueListener

_LOOKS_EVERY = 0.01
_QUIET_LOOKS = 3


class Quiescence:
    """Knows whether the host that `server` serves is at rest. Messages that are hidden until a later time may wait."""

    def __init__(self, server: AppSwitch, clock: ShiftedClock) -> None:
        self._server = server
        self._clock = clock
        self.streams = 0
        """The number of calls that write responses which the test reads piece by piece: nobody waits for them."""
        self._reported: tuple[str, int] | None = None
        """The work for which StillBusy was raised, and how many calls had ended then."""

    @property
    def is_busy(self) -> bool:
        """Whether something runs in this process at the moment."""
        return self._work() is not None

    async def settle(self, patience: float | None) -> None:
        """Wait until nothing runs and no trigger has a message to process. Raises StillBusy after so many seconds.

        If that was raised before and no call has ended since, it is raised again after a moment.
        """
        begin = time.monotonic()
        quiet = 0
        while quiet < _QUIET_LOOKS:
            await asyncio.sleep(_LOOKS_EVERY)
            work = self._work()
            if work is None and quiet == _QUIET_LOOKS - 1:
                # A message may have been received while the queues were checked.
                work = await self._waiting_messages() or self._work()
            quiet = 0 if work else quiet + 1
            if not work or patience is None:
                continue
            state = work, self._server.invoker.ended
            limit = min(patience, MOMENT) if state == self._reported else patience
            if time.monotonic() > begin + limit:
                self._reported = state
                raise StillBusy(f"The host is still busy after {patience:g} s: {work}. {MORE_TIME}")
        self._reported = None

    def _work(self) -> str | None:
        """What this process does at the moment."""
        server, services = self._server, self._server.durable.services
        due = self._clock.next_due
        if due is not None and due <= self._clock.now():
            return "a timer fires"
        if server.invoker.running > self.streams or self._has_calls():
            return "a function runs"
        for listener in self._listeners():
            if isinstance(listener, QueueListener) and listener.is_busy:
                return f"messages of the queue '{listener.queue}' are processed"
            if isinstance(listener, BlobScanner) and listener.is_busy:
                return "blobs are checked"
        if services is not None and services.runtime.is_busy:
            running = ", ".join(f"'{one}'" for one in services.runtime.running_work_items)
            return f"Durable Functions process {running or 'messages'}"
        return None

    def _has_calls(self) -> bool:
        pool = self._server.pool
        return pool.is_busy and (not self.streams or pool.running_calls > self.streams)

    async def check_blobs(self) -> None:
        """Let blob triggers check all blobs soon, because the process of the test may have written some."""
        for listener in self._listeners():
            if isinstance(listener, BlobScanner):
                await listener.check_all()

    async def _waiting_messages(self) -> str | None:
        """The queue of a trigger that has a visible message."""
        try:
            for listener in self._listeners():
                if isinstance(listener, QueueListener) and await listener.check_now():
                    return f"the queue '{listener.queue}' has messages"
        except StorageError as error:
            return str(error)
        return None

    def _listeners(self) -> list[object]:
        server = self._server
        return [planned.listener for planned in server.app.triggers.listeners] if server.takes_events else []
