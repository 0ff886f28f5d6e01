"""Queue messages that arrive twice: the host has run their function, but could not delete them."""

import re
from dataclasses import replace

from durable_host.chaos.injector import Injector
from durable_host.testing.memory_storage.memory_storage import MemoryStorage
from durable_host.testing.memory_storage.storage_exchange import StorageRequest

_MESSAGE = re.compile(r"/?(?P<queue>[^/]+)/messages/(?P<id>[^/]+)")


class RepeatedMessages:
    """Makes some messages visible again, where the host deletes them."""

    def __init__(self, injector: Injector, storage: MemoryStorage) -> None:
        self._injector = injector
        self._storage = storage

    def instead_of(self, account: str, request: StorageRequest) -> StorageRequest:
        """Return the request that the host makes instead of this one."""
        found = _MESSAGE.fullmatch(request.path)
        if request.service != "queue" or request.method != "DELETE" or found is None:
            return request
        message = self._storage.account(account).queues.queues.get(found["queue"], {}).get(found["id"])
        if message is None:
            return request
        target = f"message {message.order} of queue '{found['queue']}'"
        if self._injector.happens("duplicate-events", target) is None:
            return request
        return replace(request, method="PUT", query={**request.query, "visibilitytimeout": "0"})
