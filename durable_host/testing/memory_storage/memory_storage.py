"""All storage accounts of an app under test, in memory and in virtual time."""

import asyncio
from collections.abc import Callable
from functools import partial

from durable_host.clock import Clock
from durable_host.config.connection import Connection
from durable_host.config.connections import DEVELOPMENT_ACCOUNT
from durable_host.storage.account import StorageAccount
from durable_host.testing.memory_storage.memory_account import MemoryAccount
from durable_host.testing.memory_storage.memory_connections import MemoryPorts
from durable_host.testing.memory_storage.memory_queues import MemoryQueues
from durable_host.testing.memory_storage.memory_session import MemorySession
from durable_host.testing.memory_storage.memory_signals import MemoryBlobSignals, MemoryQueueSignals
from durable_host.testing.memory_storage.storage_exchange import StorageAnswer, StorageRequest


class MemoryStorage:
    """Accounts by name; an account exists as soon as somebody uses it. `ports` are in the addresses of the services.

    `answer_to_host` answers the requests of the host, and may raise what aiohttp raises.
    """

    def __init__(self, clock: Clock, ports: MemoryPorts) -> None:
        self._clock = clock
        self._ports = ports
        self._accounts: dict[str, MemoryAccount] = {}
        self.answer_to_host: Callable[[str, StorageRequest], StorageAnswer] = self.answer
        self.queue_signals = MemoryQueueSignals(clock, self._queues_at)
        self.blob_signals = MemoryBlobSignals(clock)

    def connection_string(self, account: str = DEVELOPMENT_ACCOUNT) -> str:
        """A connection string for clients of the storage SDKs."""
        return self._ports.connection_string(account)

    def account(self, name: str = DEVELOPMENT_ACCOUNT) -> MemoryAccount:
        """The account with this name."""
        found = self._accounts.get(name)
        if found is None:
            found = self._accounts[name] = MemoryAccount(
                self._clock.now,
                queue_changed=partial(self.queue_signals.notify, f"http://127.0.0.1:{self._ports.queue}/{name}"),
                blob_written=partial(self.blob_signals.notify, f"http://127.0.0.1:{self._ports.blob}/{name}"),
            )
        return found

    def client(self, connection: Connection) -> StorageAccount:
        """The host's client for an account."""
        return self._client(connection, self._answer_host)

    def client_of_test(self, connection: Connection) -> StorageAccount:
        """A client for an account whose requests never fail."""
        return self._client(connection, self.answer)

    def answer(self, account: str, request: StorageRequest) -> StorageAnswer:
        """Let a request to an account take effect."""
        return self.account(account).answer(request)

    def _answer_host(self, account: str, request: StorageRequest) -> StorageAnswer:
        return self.answer_to_host(account, request)

    def _client(self, connection: Connection, answer: Callable[[str, StorageRequest], StorageAnswer]) -> StorageAccount:
        async def carry(request: StorageRequest) -> StorageAnswer:
            return answer(connection.account_name, request)

        return StorageAccount(connection, session=MemorySession(connection, carry), pause=_at_once)

    def _queues_at(self, endpoint: str) -> MemoryQueues:
        return self.account(endpoint.rpartition("/")[2]).queues


async def _at_once(seconds: float) -> None:
    """Repeat a request that has failed without a pause, in which the app would seem to have nothing left to do."""
    await asyncio.sleep(0)
