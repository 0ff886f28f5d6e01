"""Opens Azure task hubs on the session's Azurite."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from held_back import HeldBack
from hub_samples import run_first_episode
from put_world import ID, World
from recording_account import RecordingAccount

from durable_host.clock import Clock
from durable_host.durable.taskhub.azure import AzureTaskHub, AzureTaskHubOptions
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.storage import StorageAccount

OpenAzureHub = Callable[..., Awaitable[AzureTaskHub]]


@pytest.fixture
def hub_name() -> str:
    return f"Hub{uuid.uuid4().hex[:12]}"


@pytest.fixture
def account(storage: StorageAccount) -> RecordingAccount:
    return RecordingAccount(storage)


@pytest.fixture
async def open_azure(storage: StorageAccount, account: RecordingAccount, hub_name: str) -> AsyncIterator[OpenAzureHub]:
    """Opens hub objects on one hub. `on` is the account to use, `worker=False` leaves out the worker role."""
    opened: list[AzureTaskHub] = []

    async def open_one(
        *, worker: bool = True, on: RecordingAccount | None = None, clock: Clock | None = None, **options: object
    ) -> AzureTaskHub:
        settings: dict[str, object] = {"hub_name": hub_name, "max_polling_interval": 0.2, **options}
        used = on or account
        hub = AzureTaskHub(used.as_account(), None, AzureTaskHubOptions(**settings), clock)  # type: ignore[arg-type]
        opened.append(hub)
        if worker:
            await hub.start()
        else:
            await hub.create()
        return hub

    yield open_one
    account.fail_after(None)
    for hub in opened:
        await hub.stop()
        await hub.close()
    await AzureTaskHub(storage, None, AzureTaskHubOptions(hub_name=hub_name)).delete()


@pytest.fixture
def open_world(open_azure: OpenAzureHub, account: RecordingAccount) -> Callable[..., Awaitable[World]]:
    """Opens a hub, with these options, whose puts, commits and writes of rows can be held back."""

    async def open_one(**options: object) -> World:
        puts = HeldBack(account.queues, "put")
        commits, rows = HeldBack(account.tables, "transaction"), HeldBack(account.tables, "merge")
        hub = await open_azure(**options)
        start, checkpoint = await run_first_episode(hub, ID)
        return World(hub, puts, commits, rows, start, checkpoint)

    return open_one


@pytest.fixture
async def world(open_world: Callable[..., Awaitable[World]]) -> World:
    return await open_world()


@pytest.fixture
def count_messages(storage: StorageAccount, hub_name: str) -> Callable[[], Awaitable[int]]:
    return lambda: storage.queues.message_count(HubNames.of(hub_name, 4).queue_of(ID))
