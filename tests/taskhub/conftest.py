"""Opens task hubs of both adapters for the conformance suite."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from hub_samples import HubOpener
from recording_account import kill

from durable_host.durable.taskhub.port import TaskHub
from durable_host.durable.taskhub.sqlite import SqliteTaskHub


class Bench:
    """Opens hub objects on one and the same hub, and lets them crash."""

    def __init__(self, build: Callable[..., TaskHub]) -> None:
        self._build = build
        self._opened: list[TaskHub] = []

    async def open(self, *, worker: bool = True, short_visibility: bool = False) -> TaskHub:
        """`short_visibility`: a message that is lost with a crashed receiver comes back within seconds."""
        hub = self._build(short_visibility=short_visibility)
        self._opened.append(hub)
        if worker:
            await hub.start()
        else:
            await hub.create()
        return hub

    async def crash(self, hub: TaskHub) -> None:
        """As if the process had ended: nothing is finished, nothing given back."""
        self._opened.remove(hub)
        if isinstance(hub, SqliteTaskHub):
            await hub.close()
            return
        await kill(hub)  # type: ignore[arg-type]

    async def close(self) -> None:
        for hub in self._opened:
            await hub.stop()
            await hub.close()


@pytest.fixture(params=["sqlite", "sqlite-inline", "azure"])
def adapter(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def bench(adapter: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if adapter != "azure":

        def build_sqlite(*, short_visibility: bool) -> TaskHub:
            return SqliteTaskHub(tmp_path / "hub.db", "TestHub", inline=adapter == "sqlite-inline")

        bench = Bench(build_sqlite)
        yield bench
        await bench.close()
        return

    from durable_host.durable.taskhub.azure import AzureTaskHub, AzureTaskHubOptions
    from durable_host.storage import StorageAccount

    name = f"t{uuid.uuid4().hex[:20]}"
    async with StorageAccount(request.getfixturevalue("azurite")) as account:

        def build_azure(*, short_visibility: bool) -> TaskHub:
            hold = {"hold_time": 1.0} if short_visibility else {}
            options = AzureTaskHubOptions(hub_name=name, max_polling_interval=0.5, **hold)
            return AzureTaskHub(account, options=options)

        bench = Bench(build_azure)
        yield bench
        await bench.close()
        remover = build_azure(short_visibility=False)
        await remover.delete()
        await remover.close()


@pytest.fixture
def open_hub(bench: Bench) -> HubOpener:
    return bench.open


@pytest.fixture
def crash(bench: Bench) -> Callable[[TaskHub], Awaitable[None]]:
    return bench.crash


@pytest.fixture
async def hub(bench: Bench) -> TaskHub:
    """A started hub."""
    return await bench.open()
