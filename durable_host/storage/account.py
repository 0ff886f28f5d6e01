"""A storage account: its three services with one session."""

import asyncio
from typing import Any

from durable_host.config.connection import Connection
from durable_host.storage.auth import Token, authorization, create_credential
from durable_host.storage.blobs import BlobService
from durable_host.storage.errors import StorageError
from durable_host.storage.queues import QueueService
from durable_host.storage.standstill import Standstill
from durable_host.storage.tables import TableService
from durable_host.storage.transport import AccountSession, HttpChannel, Pause, RequestSession

_KEEPALIVE = 60.0
"""Seconds that a connection stays open without a request. It is less than the services allow."""


class StorageAccount:
    """The clients for the account of `connection`. There is one object per account, closed by its owner.

    `max_connections` is a limit per service. Accessing a service without an endpoint in the connection raises
    StorageError `NoEndpoint`. `credential` (an async token credential) replaces the one described by the connection's
    identity settings. `session` replaces the network, and `pause` waits before a request is repeated.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        max_connections: int = 16,
        credential: Any = None,
        session: RequestSession | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.connection = connection
        self.standstill = Standstill()
        self._pause = pause
        self._session = session or AccountSession(max_connections, _KEEPALIVE)
        self._credential = credential
        self._owns_credential = False
        self._token: Token | None = None
        self._channels: list[HttpChannel] = []
        self._queues: QueueService | None = None
        self._tables: TableService | None = None
        self._blobs: BlobService | None = None

    @property
    def queues(self) -> QueueService:
        """The queue service."""
        if self._queues is None:
            self._queues = QueueService(self._channel("queue", self.connection.queue_endpoint))
        return self._queues

    @property
    def tables(self) -> TableService:
        """The table service."""
        if self._tables is None:
            self._tables = TableService(self._channel("table", self.connection.table_endpoint))
        return self._tables

    @property
    def blobs(self) -> BlobService:
        """The blob service."""
        if self._blobs is None:
            self._blobs = BlobService(self._channel("blob", self.connection.blob_endpoint))
        return self._blobs

    @property
    def requests(self) -> dict[str, int]:
        """The number of requests that were sent, by service."""
        return {channel.service: channel.requests for channel in self._channels}

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        if self._owns_credential:
            await self._credential.close()
            self._owns_credential = False

    async def __aenter__(self) -> "StorageAccount":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _channel(self, service: str, endpoint: str | None) -> HttpChannel:
        endpoint = self._endpoint(service, endpoint)
        if self._token is None and self._uses_token():
            self._token = Token(self._token_credential())
        channel = HttpChannel(
            service,
            endpoint,
            self._session,
            authorization(self.connection, tables=service == "table", token=self._token),
            self.standstill,
            self._pause,
            self.connection.setting,
        )
        self._channels.append(channel)
        return channel

    def _uses_token(self) -> bool:
        return not self.connection.account_key and not self.connection.sas

    def _token_credential(self) -> Any:
        if self._credential is None:
            self._credential = create_credential(self.connection.credential_settings)
            self._owns_credential = True
        return self._credential

    def _endpoint(self, service: str, endpoint: str | None) -> str:
        if not endpoint:
            raise StorageError(
                0, "NoEndpoint", f"Connection '{self.connection.setting}' has no endpoint for the {service} service"
            )
        return endpoint
