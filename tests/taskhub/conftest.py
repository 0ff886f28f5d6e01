"""Opens task hubs of both adapters for the conformance suite."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_samples import HubOpener, clock
from recording_account import RecordingAccount, kill

from durable_host.durable.taskhub.port import EpisodeCommit, TaskHub
from durable_host.durable.taskhub.sqlite import SqliteTaskHub

Built = tuple[TaskHub, RecordingAccount | None]


class Bench:
    """Opens hub objects on one and the same hub, and lets them crash."""

    def __init__(self, build: Callable[..., Built]) -> None:
        self._build = build
        self._accounts: dict[TaskHub, RecordingAccount] = {}
        self._opened: list[TaskHub] = []

    async def open(self, *, worker: bool = True, short_visibility: bool = False, one_by_one: bool = False) -> TaskHub:
        """`short_visibility`: a message that is lost with a crashed receiver comes back within seconds.
        `one_by_one`: a storage request of a commit begins when the one before is done.
        """
        hub, account = self._build(short_visibility=short_visibility, one_by_one=one_by_one)
        self._opened.append(hub)
        if account is not None:
            self._accounts[hub] = account
        if worker:
            await hub.start()
        else:
            await hub.create()
        return hub

    async def crash(self, hub: TaskHub) -> None:
        """End as if the process had died: nothing is finished, nothing is released."""
        self._opened.remove(hub)
        if isinstance(hub, SqliteTaskHub):
            await hub.close()
            return
        await kill(hub, self._accounts.get(hub))  # type: ignore[arg-type]

    async def interrupt(self, hub: TaskHub, episode: EpisodeCommit, steps: int) -> tuple[bool, bool]:
        """Commit on a hub that crashes after `steps` storage requests of it: whether that left something undone, and
        whether the history is written. A commit of SQLite is one step.
        """
        account = self._accounts.get(hub)
        if account is None:
            if steps:
                await hub.commit(episode)
            await self.crash(hub)
            return not steps, bool(steps)
        held = hub._worker.held  # type: ignore[attr-defined]
        await held.wait_for_deletes()
        mark = len(account.requests)
        account.fail_after(steps)
        refused = asyncio.ensure_future(account.refused.wait())
        committing = asyncio.ensure_future(hub.commit(episode))
        deleting = asyncio.ensure_future(self._all_deleted(committing, hub))
        await asyncio.wait([refused, deleting], return_when=asyncio.FIRST_COMPLETED)
        is_cut = account.refused.is_set()
        await self.crash(hub)
        for task in (refused, deleting, committing):
            task.cancel()
        await asyncio.gather(refused, deleting, committing, return_exceptions=True)
        return is_cut, "table.transaction" in account.since(mark)

    @staticmethod
    async def _all_deleted(committing: "asyncio.Future[Any]", hub: TaskHub) -> None:
        await committing
        await hub._worker.held.wait_for_deletes()  # type: ignore[attr-defined]

    async def close(self) -> None:
        for hub in self._opened:
            await hub.stop()
            await hub.close()


@pytest.fixture(autouse=True)
def _clock_of_the_machine() -> Iterator[None]:
    """Reset the clock, which an earlier test may have moved."""
    yield
    clock.return_to_now()


@pytest.fixture(params=["sqlite", "sqlite-inline", "sqlite-eager", pytest.param("azure", marks=pytest.mark.storage)])
def adapter(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def bench(adapter: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if adapter != "azure":

        def build_sqlite(**_: bool) -> Built:
            inline, eager = adapter == "sqlite-inline", adapter == "sqlite-eager"
            return SqliteTaskHub(tmp_path / "hub.db", "TestHub", clock, inline=inline, eager=eager), None

        bench = Bench(build_sqlite)
        yield bench
        await bench.close()
        return

    from durable_host.durable.taskhub.azure import AzureTaskHub, AzureTaskHubOptions
    from durable_host.storage import StorageAccount

    name = f"t{uuid.uuid4().hex[:20]}"
    async with StorageAccount(request.getfixturevalue("azurite")) as account:

        def build_azure(*, short_visibility: bool = False, one_by_one: bool = False) -> Built:
            options = AzureTaskHubOptions(
                hub_name=name,
                max_polling_interval=0.5,
                hold_time=1.0 if short_visibility else 30.0,
                send_concurrency=1 if one_by_one else 12,
            )
            recorded = RecordingAccount(account)
            return AzureTaskHub(recorded.as_account(), options=options), recorded

        bench = Bench(build_azure)
        yield bench
        await bench.close()
        remover, _ = build_azure()
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
