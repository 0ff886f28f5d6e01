"""Selects the task hub of a call. The call's metadata may name one.

Source: docs/protocol/durable-grpc.md#task-hub-of-a-call
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from durable_host.config.durable import DurableOptions
from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.errors import UnknownHub
from durable_host.durable.api.other_hubs import HubFactory, OtherHubs, connection_key
from durable_host.durable.sidecar.served_hubs import ServedHubs

_HUB_KEYS = ("durable-taskhub", "taskhub")
_CONNECTION_KEY = "durable-connectionname"


class SidecarHubs:
    """The hub that this host serves, whose client is `client`, and other hubs that exist.

    A host without a function app gives `served` instead of `client`: it serves all hubs behind its connection.
    """

    def __init__(
        self,
        client: DurableClient | None,
        options: DurableOptions,
        hub_for: HubFactory | None,
        served: ServedHubs | None = None,
    ) -> None:
        self.served = served
        self._client = client
        self._options = options
        self._others = OtherHubs(hub_for) if hub_for is not None else None
        self._own_key = self._key(options.hub_name, options.storage.connection_name)

    def are_own(self, metadata: Mapping[str, str]) -> bool:
        """Return True if a call with these headers is for the hub that this host serves."""
        return self._key(*self._named(metadata)) == self._own_key

    def served_name(self, metadata: Mapping[str, str]) -> str | None:
        """Return the name of the hub of a call if this host serves all hubs behind the connection of the call."""
        hub, connection = self._named(metadata)
        return hub if self.served is not None and self._key(hub, connection)[1] == self._own_key[1] else None

    @asynccontextmanager
    async def client(
        self, metadata: Mapping[str, str], *, must_exist: bool = True
    ) -> AsyncGenerator[tuple[DurableClient, bool]]:
        """Yield a client of the hub. Raises `UnknownHub`."""
        hub, connection = self._named(metadata)
        key = self._key(hub, connection)
        if self.served is not None and self.served_name(metadata) is not None:
            found = await self.served.open(hub)
            try:
                yield found.client, True
            except Exception as error:
                if self.served.get(hub) is not found:
                    raise UnknownHub(f"The task hub '{hub}' was deleted.") from error
                raise
            return
        if key == self._own_key and self._client is not None:
            yield self._client, True
            return
        if self._others is None:
            raise UnknownHub(f"There is no task hub '{hub}': this host serves '{self._options.hub_name}'.")
        async with self._others.client(hub, connection, key) as client:
            if must_exist and not await client.hub.exists():
                raise UnknownHub(f"There is no task hub '{hub}'.")
            yield client, False

    async def close(self) -> None:
        """Close the hubs that calls have opened."""
        if self._others is not None:
            await self._others.close()

    def _named(self, metadata: Mapping[str, str]) -> tuple[str, str]:
        hub = next((metadata[key] for key in _HUB_KEYS if metadata.get(key)), self._options.hub_name)
        return hub, metadata.get(_CONNECTION_KEY) or self._options.storage.connection_name

    @staticmethod
    def _key(hub: str, connection: str) -> tuple[str, str]:
        return hub.lower(), connection_key(connection)
