"""Opens Azure task hubs on the session's Azurite."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from recording_account import RecordingAccount

from durable_host.clock import Clock
from durable_host.durable.taskhub.azure import AzureTaskHub, AzureTaskHubOptions
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
