"""How the product reaches the storage in memory over a network that the simulation controls.

Only what talks to the network is replaced: retries, error mapping, signatures and codecs are those of the product.
"""

from typing import Protocol

from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount
from durable_host.testing.memory_storage.memory_account import MemoryAccount
from durable_host.testing.memory_storage.memory_session import MemorySession
from durable_host.testing.memory_storage.storage_exchange import StorageAnswer, StorageRequest

KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_DEVELOPMENT = "devstoreaccount1"


def connection(*, is_development: bool = True) -> Connection:
    """How to reach the model: as the development account, or as any other."""
    tail = f"/{_DEVELOPMENT}" if is_development else ""
    name = _DEVELOPMENT if is_development else "simulated"
    return Connection(
        name,
        blob_endpoint=f"http://blob.simulated{tail}",
        queue_endpoint=f"http://queue.simulated{tail}",
        table_endpoint=f"http://table.simulated{tail}",
        account_key=KEY,
    )


class Network(Protocol):
    """Brings a request to the storage, or does not. May raise what aiohttp raises."""

    async def carry(self, request: StorageRequest) -> StorageAnswer: ...


class DirectNetwork:
    """A network without faults."""

    def __init__(self, storage: MemoryAccount) -> None:
        self._storage = storage

    async def carry(self, request: StorageRequest) -> StorageAnswer:
        return self._storage.answer(request)


def open_account(network: Network, *, is_development: bool = True) -> StorageAccount:
    """The product's account over a network."""
    reached = connection(is_development=is_development)
    return StorageAccount(reached, session=MemorySession(reached, network.carry))
