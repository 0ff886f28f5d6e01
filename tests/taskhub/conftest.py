"""Opens task hubs of both adapters for the conformance suite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hub_samples import HubOpener

from durable_host.durable.taskhub.port import TaskHub
from durable_host.durable.taskhub.sqlite import SqliteTaskHub


@pytest.fixture(params=["sqlite", "sqlite-inline"])
def adapter(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def open_hub(adapter: str, tmp_path: Path) -> AsyncIterator[HubOpener]:
    """Opens hub objects on one and the same hub; closes what the test left open.

    `short_visibility`: a message that is lost with a crashed receiver comes back within seconds.
    """
    opened: list[TaskHub] = []

    async def open_one(*, worker: bool = True, short_visibility: bool = False) -> TaskHub:
        hub = SqliteTaskHub(tmp_path / "hub.db", "TestHub", inline=adapter == "sqlite-inline")
        opened.append(hub)
        if worker:
            await hub.start()
        else:
            await hub.create()
        return hub

    yield open_one
    for hub in opened:
        await hub.close()


@pytest.fixture
async def hub(open_hub: HubOpener) -> AsyncIterator[TaskHub]:
    """A started hub."""
    started = await open_hub()
    yield started
    await started.stop()
