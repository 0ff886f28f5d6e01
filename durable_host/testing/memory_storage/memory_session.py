"""Lets the host's storage clients send their requests to storage in memory instead of a network."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from multidict import CIMultiDict

from durable_host.config.connection import Connection
from durable_host.testing.memory_storage.storage_exchange import StorageAnswer, StorageRequest

CarryRequest = Callable[[StorageRequest], Awaitable[StorageAnswer]]
"""Brings a request to the storage. May raise what aiohttp raises."""


class MemorySession:
    """A `RequestSession` for the account of `connection`: it is its own HTTP session."""

    def __init__(self, connection: Connection, carry: CarryRequest) -> None:
        endpoints = {
            "queue": connection.queue_endpoint,
            "table": connection.table_endpoint,
            "blob": connection.blob_endpoint,
        }
        self._endpoints = [(service, endpoint) for service, endpoint in endpoints.items() if endpoint]
        self._carry = carry

    def get(self) -> "MemorySession":
        return self

    async def close(self) -> None:
        return None

    def request(
        self, method: str, url: Any, *, data: Any = None, headers: dict[str, str] | None = None, **_: Any
    ) -> "CarriedRequest":
        """The request as an async context manager, as in aiohttp."""
        body = data if isinstance(data, bytes) else b"" if data is None else data.read()
        target, _mark, query = str(url).partition("?")
        service, endpoint = next(known for known in self._endpoints if target.startswith(known[1]))
        values = dict(parse_qsl(query, keep_blank_values=True))
        path = unquote(target[len(endpoint) :]) or "/"
        return CarriedRequest(self._carry, StorageRequest(service, method, path, values, headers or {}, body))


class CarriedRequest:
    """A request that is under way, and then its response."""

    def __init__(self, carry: CarryRequest, request: StorageRequest) -> None:
        self._carry = carry
        self._request = request

    async def __aenter__(self) -> "CarriedRequest":
        answer = await self._carry(self._request)
        self.status = answer.status
        self.headers = CIMultiDict(answer.headers)
        self._body = answer.body
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def read(self) -> bytes:
        return self._body
