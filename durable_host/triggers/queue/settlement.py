"""Deletes, releases or moves messages after they have run, and handles storage errors.

Source: docs/protocol/functions-host-queues.md#outcomes, docs/protocol/functions-host-queues.md#poison-queues
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from durable_host.storage import MessageLeases, NotFound, QueueService, StorageError
from durable_host.triggers.queue.disposition import Disposition, poison_queue_of
from durable_host.triggers.queue.held_message import HeldMessage

_log = logging.getLogger("Host.Triggers.Queue")

HOLD_WITHOUT_POISON_QUEUE = 600.0
_REMEMBERED = 10_000
_TRIES = 5


class Settlement:
    """Deletes, releases and moves messages of one queue.

    If a message cannot be deleted, it is remembered: when it is redelivered, it is deleted instead of run. Refused
    requests are logged once, until they succeed again.
    """

    def __init__(
        self,
        service: QueueService,
        queue: str,
        leases: MessageLeases,
        visibility_timeout: float,
        put_elsewhere: Callable[[str], None],
    ) -> None:
        self._service = service
        self._queue = queue
        self._leases = leases
        self._visibility_timeout = visibility_timeout
        self._put_elsewhere = put_elsewhere
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._refused: set[str] = set()

    def is_finished(self, message_id: str) -> bool:
        """True for a message that has already run to its end but could not be deleted."""
        return message_id in self._finished

    async def settle(self, held: HeldMessage, disposition: Disposition) -> None:
        match disposition:
            case Disposition.DELETE:
                await self._delete(held)
            case Disposition.POISON:
                await self._move_to_poison(held)
            case Disposition.HOLD:
                await self._hide(held, HOLD_WITHOUT_POISON_QUEUE)
            case Disposition.RELEASE:
                await self._hide(held, self._visibility_timeout)
            case Disposition.RUN:
                await self.give_back(held)

    async def give_back(self, held: HeldMessage) -> None:
        """Make a message visible again immediately, if it did not run because the host stops."""
        await self._hide(held, 0)

    async def _delete(self, held: HeldMessage) -> None:
        self._finished[held.message.id] = None
        pause = 0.2
        for _ in range(_TRIES):
            try:
                is_deleted = await self._leases.delete(held.lease)
            except StorageError as error:
                self._warn(held, "deleted", error)
                await asyncio.sleep(pause)
                pause *= 2
                continue
            self._refused.discard("deleted")
            if is_deleted:
                self._finished.pop(held.message.id, None)
            else:
                _log.debug("Message '%s' of queue '%s' is no longer held by this host", held.message.id, self._queue)
            break
        while len(self._finished) > _REMEMBERED:
            self._finished.popitem(last=False)

    async def _move_to_poison(self, held: HeldMessage) -> None:
        poison = poison_queue_of(self._queue) or self._queue
        pause = 0.2
        while True:
            try:
                await self._put(poison, held.message.text)
                break
            except StorageError as error:
                if held.lease.is_lost:
                    return
                self._warn(held, f"moved to '{poison}'", error)
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)
        self._refused.discard(f"moved to '{poison}'")
        self._put_elsewhere(poison)
        await self._delete(held)

    async def _put(self, queue: str, text: str) -> None:
        try:
            await self._service.put(queue, text)
        except NotFound:
            await self._service.create(queue)
            await self._service.put(queue, text)

    async def _hide(self, held: HeldMessage, seconds: float) -> None:
        try:
            is_hidden = await self._leases.release(held.lease, seconds)
        except StorageError as error:
            self._warn(held, "released", error)
            return
        self._refused.discard("released")
        if not is_hidden:
            _log.debug("Message '%s' of queue '%s' is no longer held by this host", held.message.id, self._queue)

    def _warn(self, held: HeldMessage, what: str, error: StorageError) -> None:
        if what not in self._refused:
            self._refused.add(what)
            _log.warning("The message '%s' of queue '%s' cannot be %s: %s", held.message.id, self._queue, what, error)
