"""Deletes consumed messages in the background, waiting out outages."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from durable_host.durable.taskhub.azure.held_hub_message import HeldHubMessage
from durable_host.storage import MessageLeases, StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")
_PARALLEL = 8
_RETRY_SECONDS = 0.5


class MessageDeletes:
    """Owns the pending deletes.

    Each message is passed to `forget` when its delete is done or given up, and to `gone` when its lease is lost.
    """

    def __init__(
        self, leases: MessageLeases, *, gone: Callable[[HeldHubMessage], None], forget: Callable[[HeldHubMessage], None]
    ) -> None:
        self._leases = leases
        self._gone = gone
        self._forget = forget
        self._waiting: deque[HeldHubMessage] = deque()
        self._deleting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._patience_ends: float | None = None

    def add(self, held: HeldHubMessage) -> None:
        """Delete a message from its queue in the background."""
        self._waiting.append(held)
        if self._deleting < _PARALLEL:
            self._deleting += 1
            task = asyncio.get_running_loop().create_task(self._delete_waiting())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def drain(self, patience: float) -> None:
        """Wait until all deletes are done. If storage does not respond, give up after `patience` seconds."""
        self._patience_ends = time.monotonic() + patience
        try:
            while self._tasks:
                await asyncio.gather(*self._tasks)
        finally:
            self._patience_ends = None

    async def done(self) -> None:
        """Wait until all deletes requested so far are done."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _delete_waiting(self) -> None:
        try:
            while self._waiting:
                held = self._waiting.popleft()
                try:
                    await self._delete(held)
                except Exception:
                    _log.exception(
                        "Message %s of queue '%s' was not deleted and will be delivered again", held.id, held.queue
                    )
                    self._forget(held)
        finally:
            self._deleting -= 1

    async def _delete(self, held: HeldHubMessage) -> None:
        """Delete a message, retrying until that is done.

        If the lease is lost, the queue delivers the message again. Its entry stays until then, so that it is not
        mistaken for a new message.
        """
        assert held.lease is not None
        while True:
            try:
                is_deleted = await self._leases.delete(held.lease)
            except StorageError as error:
                if self._patience_ends is not None and time.monotonic() > self._patience_ends:
                    _log.warning("Message %s of queue '%s' could not be deleted: %s", held.id, held.queue, error)
                    self._forget(held)
                    return
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if not is_deleted:
                self._gone(held)
                return
            if held.on_deleted is not None:
                held.on_deleted()
            self._forget(held)
            return
