"""How long released messages stay hidden: longer each time, but not because of an outage."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hub_samples import create, new_id, raised, time_limit
from recording_account import RecordingAccount

from durable_host.durable.taskhub.azure import AzureTaskHub
from durable_host.durable.taskhub.azure.abandon_delay import abandon_delay, delay_after_error
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.storage import StorageAccount, StorageError
from durable_host.storage.errors import storage_error

Put = Callable[[AzureTaskHub, StorageAccount, str], Awaitable[object]]
_DEQUEUES = 9
_BACK_OFF = 2.0**_DEQUEUES


@pytest.mark.parametrize(("count", "delay"), [(1, 2), (3, 8), (9, 512), (10, 600), (31, 600), (5000, 600)])
def test_a_message_stays_away_longer_each_time(count: int, delay: float) -> None:
    assert abandon_delay(count) == delay


@pytest.mark.parametrize(
    ("status", "delay"),
    [(0, 30), (503, 30), (429, 30), (403, 30), (404, 30), (400, _BACK_OFF), (413, _BACK_OFF)],
)
def test_only_what_a_message_holds_keeps_it_away_for_long(status: int, delay: float) -> None:
    error = storage_error(status, "Code", "text")
    assert delay_after_error(_DEQUEUES, error) == delay
    assert delay_after_error(1, error) == 2


async def _put_start(client: AzureTaskHub, storage: StorageAccount, queue: str) -> None:
    await create(client, "abc123")


async def _put_large(client: AzureTaskHub, storage: StorageAccount, queue: str) -> None:
    await client.send(raised("abc123", new_id(), '"' + "x" * 70_000 + '"'))


async def _put_unreadable(client: AzureTaskHub, storage: StorageAccount, queue: str) -> None:
    await storage.queues.put(queue, "no JSON")


@pytest.mark.parametrize(
    ("put", "service", "method", "status", "delay"),
    [
        (_put_start, "table", "get", 503, 30.0),
        (_put_large, "blob", "get", 503, 30.0),
        (_put_unreadable, "blob", "put", 503, 30.0),
        (_put_unreadable, "blob", "put", 403, _BACK_OFF),
    ],
    ids=["row of a start", "blob of a large message", "place for an unreadable one", "refused place"],
)
async def test_a_message_that_an_outage_keeps_back_returns_soon_after_it(
    open_azure, storage: StorageAccount, hub_name: str, account: RecordingAccount,
    put: Put, service: str, method: str, status: int, delay: float,
) -> None:  # fmt: skip
    """The message has been received so often that its own back-off is over eight minutes."""
    queue = HubNames.of(hub_name, 4).queue_of("abc123")
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    await put(client, storage, queue)
    receive = account.queues.poll

    async def received_often(*arguments: Any) -> Any:
        polled = await receive(*arguments)
        messages = [msgspec.structs.replace(one, dequeue_count=_DEQUEUES) for one in polled.messages]
        return polled._replace(messages=messages)

    hidden: asyncio.Queue[float] = asyncio.Queue()

    def no_answer(asked: str, how: str, arguments: tuple[Any, ...]) -> StorageError | None:
        if asked == "queue" and how == "update" and arguments[3] >= 30:  # Less: a renewal.
            hidden.put_nowait(arguments[3])
        return storage_error(status, "Code", "not now") if (asked, how) == (service, method) else None

    account.queues.poll = received_often
    account.answer = no_answer
    await open_azure()
    async with time_limit():
        assert await hidden.get() == delay
    account.answer = None
