"""Recreates a table or queue of the hub that was deleted, as part of the request that misses it.

`healed` wraps a storage service, so that callers only notice that the request took longer. What was lost with the
resource is logged once.
"""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast

from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.storage import StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")

Service = TypeVar("Service")
_ITERATES = frozenset({"query_all"})


class Healing:
    """Recreates the hub's missing resources.

    `create` creates what is missing and returns the names. Healing is active from `begin` to `end` only: a hub that is
    not served here, or that this process has deleted, stays deleted.
    """

    def __init__(self, names: HubNames, create: Callable[[], Awaitable[list[str]]]) -> None:
        self._hub = names.hub
        self._lost = {
            names.history: " The histories in it are lost: instances that were running cannot continue.",
            names.instances: " The rows in it are lost: an instance is listed again when it continues.",
        }
        self._create = create
        self._lock = asyncio.Lock()
        self._active = False
        self.times = 0

    def begin(self) -> None:
        self._active = True

    def end(self) -> None:
        self._active = False

    async def heal(self, before: int) -> bool:
        """Return True when the resources exist (again). `before` is `times` when the failed request was sent."""
        if not self._active:
            return False
        async with self._lock:
            if self.times == before:
                made = await self._create()
                self.times += 1
                for name in made:
                    _log.warning(
                        "'%s' of task hub '%s' was missing and has been recreated.%s",
                        name,
                        self._hub,
                        self._lost.get(name, ""),
                    )
        return True


def healed(service: Service, healing: Healing) -> Service:
    """Return `service` wrapped so that a request that misses a resource is retried after it was recreated."""
    return cast("Service", _Healed(service, healing))


class _Healed:
    """A wrapper around a service of the storage account."""

    def __init__(self, service: Any, healing: Healing) -> None:
        self._service = service
        self._healing = healing

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._service, name)
        wrapped = self._pages(method) if name in _ITERATES else self._request(method)
        setattr(self, name, wrapped)
        return wrapped

    def _request(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        healing = self._healing

        @functools.wraps(method)
        async def request(*arguments: Any, **options: Any) -> Any:
            before = healing.times
            try:
                return await method(*arguments, **options)
            except StorageError as error:
                if not error.is_missing_resource or not await healing.heal(before):
                    raise
            return await method(*arguments, **options)

        return request

    def _pages(self, method: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        healing = self._healing

        async def pages(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
            before = healing.times
            try:
                async for item in method(*arguments, **options):
                    yield item
            except StorageError as error:
                if not error.is_missing_resource or not await healing.heal(before):
                    raise

        return pages
