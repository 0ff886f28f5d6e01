"""The official clients that an account hands out."""

from durable_host.storage import StorageAccount


async def test_official_clients_and_ours_see_the_same_storage(
    storage: StorageAccount, queue: str, table: str, container: str
) -> None:
    await storage.queues.put(queue, "from us")
    messages = [message async for message in storage.sdk_queue_service().get_queue_client(queue).receive_messages()]
    assert [message.content for message in messages] == ["from us"]
    await (
        storage.sdk_table_service()
        .get_table_client(table)
        .create_entity({"PartitionKey": "p", "RowKey": "r", "f": 1.5, "n": 7})
    )
    assert await storage.tables.get(table, "p", "r", ["f", "n"]) == {"f": 1.5, "n": 7}
    await storage.blobs.put(container, "b", b"from us")
    download = await storage.sdk_blob_service().get_blob_client(container, "b").download_blob()
    assert await download.readall() == b"from us"


async def test_a_client_is_handed_out_once(storage: StorageAccount) -> None:
    assert storage.sdk_queue_service() is storage.sdk_queue_service()
    assert storage.sdk_blob_service() is storage.sdk_blob_service()
    assert storage.sdk_table_service() is storage.sdk_table_service()
