"""The faulty proxy itself: signed requests pass, calls are recognized, and each fault does what it says."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from azure.storage.blob.aio import BlobServiceClient

from bench.storage_calls import Kind, StorageCall
from bench.storage_proxy import StorageProxy
from bench.storage_rules import Delay, Fail, Freeze, Hold, Repeat, Rule
from durable_host.config.connection import Connection
from durable_host.durable.model.events import EventRaised, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure import envelope
from durable_host.storage import NotFound, Operation, StorageAccount, StorageError

QUEUE = "proxied-control-00"
ROWS = "proxiedInstances"


@pytest.fixture
def proxy(azurite: Connection) -> Iterator[StorageProxy]:
    with StorageProxy(azurite) as proxy:
        yield proxy


@pytest.fixture
async def account(proxy: StorageProxy) -> AsyncIterator[StorageAccount]:
    async with StorageAccount(proxy.connection) as account:
        await account.queues.create(QUEUE)
        await account.queues.clear(QUEUE)
        for table in (ROWS, "proxiedHistory"):
            await account.tables.create_table(table)
        proxy.forget_calls()
        yield account


def event_for(instance: str) -> str:
    message = TaskMessage(EventRaised(timestamp=0, name="Go", input="1"), OrchestrationInstance(instance))
    return envelope.encode(message, 0)


def row(instance: str) -> dict[str, str]:
    return {"PartitionKey": instance, "RowKey": ""}


async def test_messages_keep_their_instance_until_they_are_deleted(proxy: StorageProxy, account: StorageAccount):
    await account.queues.put(QUEUE, event_for("f1"))
    (message,) = await account.queues.get(QUEUE)
    assert proxy.messages() == [(frozenset(["f1"]), "EventRaised")]
    await account.queues.delete(QUEUE, message.id, message.pop_receipt)
    assert proxy.messages() == []
    kinds = [Kind.PUT_MESSAGE, Kind.GET_MESSAGES, Kind.DELETE_MESSAGE]
    assert [call.kind for call in proxy.calls] == kinds
    assert [call.kind for call in proxy.of_family("f1")] == [Kind.PUT_MESSAGE, Kind.DELETE_MESSAGE]


async def test_rows_and_histories_are_distinguished(proxy: StorageProxy, account: StorageAccount):
    instance = "@counter@rows1"
    await account.tables.insert(ROWS, row(instance))
    await account.tables.upsert_merge(ROWS, row(instance))
    await account.tables.get(ROWS, instance, "")
    entity = {"PartitionKey": instance, "RowKey": "sentinel"}
    await account.tables.transaction("proxiedHistory", [Operation("upsert_replace", entity)])
    await account.tables.query("proxiedHistory", f"PartitionKey eq '{instance}'")
    assert [call.kind for call in proxy.of_family("rows1")] == [
        Kind.ROW_INSERT,
        Kind.ROW_WRITE,
        Kind.ROW_READ,
        Kind.HISTORY_COMMIT,
        Kind.HISTORY_READ,
    ]


async def test_blobs_go_through_the_official_sdk_too(proxy: StorageProxy, account: StorageAccount):
    connection = account.connection
    credential = {"account_name": connection.account_name, "account_key": connection.account_key}
    async with (
        BlobServiceClient(str(connection.blob_endpoint), credential=credential) as service,
        service.get_container_client("proxied-largemessages") as container,
    ):
        await container.create_container()
        blob = container.get_blob_client("blobs1/message.json.gz")
        await blob.upload_blob(b"content")
        assert (await blob.get_blob_properties()).size == 7
        assert await (await blob.download_blob()).readall() == b"content"
    assert proxy.counts(["blobs1"])["blobs1"] == {Kind.BLOB_PUT: 1, Kind.BLOB_GET: 2}


@pytest.mark.parametrize(("after", "kept"), [(False, 1), (True, 2)])
async def test_a_failed_put_has_an_effect_only_after(
    proxy: StorageProxy, account: StorageAccount, after: bool, kept: int
):
    proxy.add(Rule(Fail(0, after=after), kind=Kind.PUT_MESSAGE, family="cut1"))
    await account.queues.put(QUEUE, event_for("cut1"))
    assert await account.queues.message_count(QUEUE) == kept


async def test_a_repeated_put_leaves_two_messages(proxy: StorageProxy, account: StorageAccount):
    proxy.add(Rule(Repeat(), kind=Kind.PUT_MESSAGE))
    await account.queues.put(QUEUE, event_for("twice1"))
    assert await account.queues.message_count(QUEUE) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 408, 409, 412, 413, 429, 500, 503])
async def test_a_refusal_reads_as_one_of_the_service(proxy: StorageProxy, account: StorageAccount, status: int):
    proxy.add(Rule(Fail(status), kind=Kind.ROW_WRITE, times=None))
    with pytest.raises(StorageError, match="The storage proxy answers") as caught:
        await account.tables.upsert_merge(ROWS, row("refused1"))
    assert caught.value.status == status


async def test_a_rule_skips_and_ends(proxy: StorageProxy, account: StorageAccount):
    rule = proxy.add(Rule(Fail(404), kind=Kind.ROW_READ, family="skipped1", skip=1))
    await account.tables.upsert_merge(ROWS, row("skipped1"))
    found = [await account.tables.get(ROWS, "skipped1", "") for _ in range(3)]
    assert [one is not None for one in found] == [True, False, True]
    assert (rule.hits, rule.call) == (1, StorageCall(Kind.ROW_READ, ROWS, frozenset(["skipped1"])))


@pytest.mark.parametrize("after", [False, True])
async def test_a_held_call_has_an_effect_only_after(
    proxy: StorageProxy, account: StorageAccount, azurite: Connection, after: bool
):
    instance = f"held{after}1"
    rule = proxy.add(Rule(Hold(after), kind=Kind.ROW_WRITE))
    write = asyncio.ensure_future(account.tables.upsert_merge(ROWS, row(instance)))
    await asyncio.to_thread(rule.wait)
    async with StorageAccount(azurite) as direct:
        assert (await direct.tables.get(ROWS, instance, "") is not None) == after
    rule.lift()
    await write


async def test_nothing_of_a_frozen_family_has_an_effect(proxy: StorageProxy, account: StorageAccount):
    await account.queues.put(QUEUE, event_for("frozen1"))
    (message,) = await account.queues.get(QUEUE)
    proxy.add(Rule(Freeze(after=True), kind=Kind.ROW_WRITE, family="frozen1"))
    with pytest.raises(StorageError):
        await account.tables.upsert_merge(ROWS, row("frozen1"))
    with pytest.raises(NotFound):
        await account.queues.delete(QUEUE, message.id, message.pop_receipt)
    await account.tables.upsert_merge(ROWS, row("other1"))
    await asyncio.to_thread(proxy.clear)
    assert await account.tables.get(ROWS, "frozen1", "") is not None
    assert await account.queues.message_count(QUEUE) == 1


async def test_messages_of_a_frozen_family_are_kept_back_and_then_received_as_before(
    proxy: StorageProxy, account: StorageAccount
):
    await account.queues.put(QUEUE, event_for("kept1"))
    await account.queues.put(QUEUE, event_for("other1"))
    proxy.add(Rule(Freeze(), kind=Kind.ROW_WRITE, family="kept1"))
    with pytest.raises(StorageError):
        await account.tables.upsert_merge(ROWS, row("kept1"))
    (other,) = await account.queues.get(QUEUE, 32, 30)
    await account.queues.delete(QUEUE, other.id, other.pop_receipt)
    assert proxy.messages() == [(frozenset(["kept1"]), "EventRaised")]
    assert await account.queues.get(QUEUE, 32, 30) == []
    await asyncio.to_thread(proxy.clear)
    (kept,) = await account.queues.get(QUEUE)
    assert kept.dequeue_count == 2


async def test_a_delayed_call_is_made(proxy: StorageProxy, account: StorageAccount):
    proxy.add(Rule(Delay(0.01), kind=Kind.ROW_INSERT))
    await account.tables.insert(ROWS, row("delayed1"))
    assert [call.kind for call in proxy.of_family("delayed1")] == [Kind.ROW_INSERT]
