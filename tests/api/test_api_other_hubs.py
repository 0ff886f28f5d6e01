"""Requests that name another hub: only a few hubs are open at a time, and only while they are used."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_world import api_options, running_world

from durable_host.clock import SystemClock
from durable_host.durable.api import DurableClient
from durable_host.durable.api.errors import UnknownHub
from durable_host.durable.api.other_hubs import MAX_OPEN, OtherHubs
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.durable.taskhub.sqlite import ForeignSqliteHub
from durable_host.errors import ConfigurationError


class Opened:
    """Opens hubs in a folder, and knows which of them are open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open: list[str] = []

    def __call__(self, hub: str, connection: str) -> DurableClient:
        if connection == "Nowhere":
            raise ConfigurationError("The connection 'Nowhere' is not configured.")
        opened = self

        class Hub(ForeignSqliteHub):
            async def close(self) -> None:
                await super().close()
                opened.open.remove(hub)

        self.open.append(hub)
        return DurableClient(Hub(self.folder / f"{hub}.db", hub), None, api_options(), SystemClock())


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(tmp_path / "hubs")


@contextlib.asynccontextmanager
async def others(opened: Opened, most: int = 2, idle: float = 60.0) -> AsyncIterator[OtherHubs]:
    hubs = OtherHubs(opened, most=most, idle=idle)
    yield hubs
    await hubs.close()
    assert opened.open == []


async def use(hubs: OtherHubs, name: str) -> None:
    async with hubs.client(name, "Storage", (name, "storage")) as client:
        assert await client.get("a") is None


async def test_a_hub_stays_open_for_the_next_request(opened: Opened) -> None:
    async with others(opened) as hubs:
        await use(hubs, "A")
        await use(hubs, "A")
        assert opened.open == ["A"]


async def test_the_hub_that_was_idle_longest_makes_room(opened: Opened) -> None:
    async with others(opened) as hubs:
        for name in ("A", "B", "A", "C"):
            await use(hubs, name)
        while "B" in opened.open:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert opened.open == ["A", "C"]


async def test_an_idle_hub_is_closed(opened: Opened) -> None:
    async with others(opened, idle=0.01) as hubs:
        await use(hubs, "A")
        await use(hubs, "B")
        while opened.open:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_hub_in_use_is_not_closed(opened: Opened) -> None:
    async with others(opened, most=1, idle=0.0) as hubs, hubs.client("A", "Storage", ("a", "storage")) as client:
        with pytest.raises(TaskHubUnavailable, match="try again later"):
            await use(hubs, "B")
        await asyncio.sleep(0.01)
        assert await client.get("a") is None
        assert opened.open == ["A"]


async def test_a_hub_that_cannot_be_opened_takes_no_place(opened: Opened) -> None:
    async with others(opened) as hubs:
        with pytest.raises(UnknownHub, match="Nowhere"):
            async with hubs.client("A", "Nowhere", ("a", "nowhere")):
                pass
        assert hubs.open_count == 0


async def test_naming_many_hubs_makes_and_keeps_none(opened: Opened) -> None:
    async with running_world(hub_for=opened) as world:
        for number in range(3 * MAX_OPEN):
            for path in ("instances", "instances/x", "instances/x?showHistory=true", "entities", "entities/c/k"):
                mark = "&" if "?" in path else "?"
                async with world.http.get(f"{world.webhook}/{path}{mark}taskHub=Evil{number}") as answer:
                    assert answer.status in (200, 404)
            for method, path in (("DELETE", "instances/x"), ("POST", "instances/x/terminate"),
                                 ("POST", "instances/x/raiseEvent/e"), ("POST", "instances/x/rewind"),
                                 ("POST", "instances/x/restart")):  # fmt: skip
                async with world.http.request(method, f"{world.webhook}/{path}?taskHub=Evil{number}", json=1) as answer:
                    assert answer.status in (400, 404)
        assert len(opened.open) <= 2 * MAX_OPEN
        assert not opened.folder.exists()


async def test_a_hub_that_cannot_be_read_is_a_500_without_its_file(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened.folder.mkdir()
    (opened.folder / "Bad.db").write_text("no database" * 1000)
    async with (
        running_world(hub_for=opened) as world,
        world.http.get(f"{world.webhook}/instances?taskHub=Bad") as answer,
    ):
        assert answer.status == 500
        text = await answer.text()
    assert "the log of the host says why" in text
    for secret in (str(opened.folder), "Bad.db", "database", "SELECT"):
        assert secret not in text
    assert str(opened.folder) in caplog.text
