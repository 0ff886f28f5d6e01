"""Carries out what becomes of a message, whatever storage does meanwhile.

Source: docs/protocol/functions-host-queues.md#outcomes, docs/protocol/functions-host-queues.md#poison-queues
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from durable_host.storage.errors import InvalidRequest, NotFound, StorageError
from durable_host.storage.queues import QueueService
from durable_host.triggers.queue.outcome import Fate, poison_queue_of
from durable_host.triggers.queue.renewal import HeldMessage, VisibilityRenewal

_log = logging.getLogger("Host.Triggers.Queue")

HOLD_WITHOUT_POISON_QUEUE = 600.0
_REMEMBERED = 10_000
_TRIES = 5


class Settlement:
    """Deletes, releases and moves messages of one queue.

    A message whose delete could not be made is remembered: when it is delivered again, it is deleted instead of run.
    What storage refuses is warned of once, until it works again.
    """

    def __init__(
        self,
        service: QueueService,
        queue: str,
        renewal: VisibilityRenewal,
        visibility_timeout: float,
        put_elsewhere: Callable[[str], None],
    ) -> None:
        self._service = service
        self._queue = queue
        self._renewal = renewal
        self._visibility_timeout = visibility_timeout
        self._put_elsewhere = put_elsewhere
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._refused: set[str] = set()

    def is_finished(self, message_id: str) -> bool:
        """True for a message that ran to its end before and only could not be deleted."""
        return message_id in self._finished

    async def settle(self, held: HeldMessage, fate: Fate) -> None:
        match fate:
            case Fate.DELETE:
                await self._delete(held)
            case Fate.POISON:
                await self._move_to_poison(held)
            case Fate.HOLD:
                await self._hide(held, HOLD_WITHOUT_POISON_QUEUE)
            case Fate.RELEASE:
                await self._hide(held, self._visibility_timeout)
            case Fate.RUN:
                await self.give_back(held)

    async def give_back(self, held: HeldMessage) -> None:
        """Visible again at once; for messages that did not run because the host stops."""
        await self._hide(held, 0)

    async def _delete(self, held: HeldMessage) -> None:
        self._finished[held.message.id] = None
        await self._renewal.let_go(held)
        pause = 0.2
        for _ in range(_TRIES):
            try:
                await self._service.delete(self._queue, held.message.id, held.pop_receipt)
            except (NotFound, InvalidRequest) as error:
                _log.debug("Message '%s' of queue '%s' is already gone: %s", held.message.id, self._queue, error)
                if not isinstance(error, NotFound):
                    break
            except StorageError as error:
                self._warn(held, "deleted", error)
                await asyncio.sleep(pause)
                pause *= 2
                continue
            self._refused.discard("deleted")
            self._finished.pop(held.message.id, None)
            return
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
                if held.is_lost:
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
        await self._renewal.let_go(held)
        try:
            await self._service.update(self._queue, held.message.id, held.pop_receipt, seconds)
            self._refused.discard("released")
        except (NotFound, InvalidRequest) as error:
            _log.debug("Message '%s' of queue '%s' was not released: %s", held.message.id, self._queue, error)
        except StorageError as error:
            self._warn(held, "released", error)

    def _warn(self, held: HeldMessage, what: str, error: StorageError) -> None:
        if what not in self._refused:
            self._refused.add(what)
            _log.warning("The message '%s' of queue '%s' cannot be %s: %s", held.message.id, self._queue, what, error)
