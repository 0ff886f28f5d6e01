"""One storage account in memory."""

from collections.abc import Callable
from random import Random

from durable_host.testing.memory_storage.memory_blobs import MemoryBlobs
from durable_host.testing.memory_storage.memory_queues import MemoryQueues
from durable_host.testing.memory_storage.memory_tables import MemoryTables
from durable_host.testing.memory_storage.storage_exchange import (
    RequestRefused,
    StorageAnswer,
    StorageRequest,
    refused_answer,
)


def _ignore(*_: str) -> None:
    return None


class MemoryAccount:
    """The three services. Each request takes effect at once and as a whole; `now` returns ticks.

    `queue_changed` is called with the name of a queue whose messages have changed, `blob_written` with the container
    and the name of a blob that was written.
    """

    def __init__(
        self,
        now: Callable[[], int],
        random: Random | None = None,
        *,
        queue_changed: Callable[[str], None] = _ignore,
        blob_written: Callable[[str, str], None] = _ignore,
    ) -> None:
        random = random or Random()
        self.queues = MemoryQueues(now, random, queue_changed)
        self.tables = MemoryTables(now)
        self.blobs = MemoryBlobs(now, random, blob_written)

    def answer(self, request: StorageRequest) -> StorageAnswer:
        """Let a request take effect."""
        services = {"queue": self.queues, "table": self.tables, "blob": self.blobs}
        try:
            return services[request.service].answer(request)
        except RequestRefused as refused:
            answer = refused_answer(request.service, refused.status, refused.code)
            answer.headers.update(refused.headers)
            return answer
