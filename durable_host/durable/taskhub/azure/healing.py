"""A table or queue of the hub that somebody deleted is created again, by the request that misses it.

One place for all of them: `healed` wraps a storage service, so that whoever asks only sees that its request took
longer. What was lost with the resource is reported once.
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
    """Makes the hub's missing resources again; `create` makes what is missing and names it. Only from `begin` to
    `end`: a hub that nobody serves here, or that this process has deleted, is missing for good.
    """

    def __init__(self, names: HubNames, create: Callable[[], Awaitable[list[str]]]) -> None:
        self._hub = names.hub
        self._lost = {
            names.history: " The histories that it held are lost: instances that were running cannot go on.",
            names.instances: " The rows that it held are lost: an instance is listed again when it goes on.",
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
        """Whether the resources are there (again); `before` is `times` when the failed request was sent."""
        if not self._active:
            return False
        async with self._lock:
            if self.times == before:
                made = await self._create()
                self.times += 1
                for name in made:
                    _log.warning(
                        "'%s' of task hub '%s' was missing and is created again.%s",
                        name,
                        self._hub,
                        self._lost.get(name, ""),
                    )
        return True


def healed(service: Service, healing: Healing) -> Service:
    """`service`, with requests that miss a resource sent once more after it was made again."""
    return cast("Service", _Healed(service, healing))


class _Healed:
    """Stands in for a service of the storage account."""

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
