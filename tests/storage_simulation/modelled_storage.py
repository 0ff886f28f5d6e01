"""One modelled storage account: the three services, and the aiohttp session through which the product reaches them.

Only what talks to the network is replaced: retries, error mapping, signatures and codecs are those of the product.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from modelled_answer import Answer, Refused, Request, refusal
from modelled_blobs import ModelledBlobs
from modelled_queues import ModelledQueues
from modelled_tables import ModelledTables
from multidict import CIMultiDict

from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount

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


class ModelledStorage:
    """What is stored. `answer` is atomic; `now` gives ticks."""

    def __init__(self, now: Callable[[], int], random: Random) -> None:
        self.queues = ModelledQueues(now, random)
        self.tables = ModelledTables(now)
        self.blobs = ModelledBlobs(now, random)

    def answer(self, request: Request) -> Answer:
        """Let a request take effect."""
        services = {"queue": self.queues, "table": self.tables, "blob": self.blobs}
        try:
            return services[request.service].answer(request)
        except Refused as refused:
            return refusal(request.service, refused.status, refused.code)


class Network(Protocol):
    """Brings a request to the storage, or does not. May raise what aiohttp raises."""

    async def carry(self, request: Request) -> Answer: ...


class DirectNetwork:
    """A network without faults."""

    def __init__(self, storage: ModelledStorage) -> None:
        self._storage = storage

    async def carry(self, request: Request) -> Answer:
        return self._storage.answer(request)


def open_account(network: Network, *, is_development: bool = True) -> StorageAccount:
    """The product's account over a network."""
    account = StorageAccount(connection(is_development=is_development))
    account._session = _Session(network)  # type: ignore[assignment]
    return account


class _Session:
    """Stands in for `transport.Session` and for the aiohttp session in it."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def get(self) -> "_Session":
        return self

    async def close(self) -> None:
        return None

    def request(
        self, method: str, url: Any, *, data: Any = None, headers: dict[str, str] | None = None, **_: Any
    ) -> "_Exchange":
        body = data if isinstance(data, bytes) else b"" if data is None else data.read()
        path = url.raw_path
        if path.startswith(f"/{_DEVELOPMENT}"):
            path = path[len(_DEVELOPMENT) + 1 :]
        service = url.raw_host.partition(".")[0]
        query = dict(parse_qsl(url.raw_query_string, keep_blank_values=True))
        return _Exchange(self._network, Request(service, method, unquote(path), query, headers or {}, body))


class _Exchange:
    """The context manager that a request of aiohttp is, and its response."""

    def __init__(self, network: Network, request: Request) -> None:
        self._network = network
        self._request = request

    async def __aenter__(self) -> "_Exchange":
        answer = await self._network.carry(self._request)
        self.status = answer.status
        self.headers = CIMultiDict(answer.headers)
        self._body = answer.body
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def read(self) -> bytes:
        return self._body
