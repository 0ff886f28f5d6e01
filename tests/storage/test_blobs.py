"""The blob service and its leases against a real Azurite."""

import pytest

from durable_host.storage import Conflict, InvalidRequest, NotFound, PreconditionFailed, StorageAccount

NAMES = ["plain.txt", "a/b/c", "a//b", "./c/../d", "é 😀 %41?#&+'", "<x>&amp;", " space "]
LEASE = "811c9dc5-0000-0000-0000-000000000000"
OTHER = "911c9dc5-0000-0000-0000-000000000000"


async def test_creating_a_container_twice_reports_that_it_existed(storage: StorageAccount) -> None:
    blobs = storage.blobs
    assert await blobs.create_container("created-twice")
    assert not await blobs.create_container("created-twice")
    assert await blobs.container_exists("created-twice")
    assert await blobs.list_containers("created-") == ["created-twice"]
    assert await blobs.delete_container("created-twice")
    assert not await blobs.delete_container("created-twice")
    assert not await blobs.container_exists("created-twice")


@pytest.mark.parametrize("name", NAMES)
async def test_blobs_of_any_name_come_back(storage: StorageAccount, container: str, name: str) -> None:
    blobs = storage.blobs
    etag = await blobs.put(container, name, name.encode(), content_type="text/plain", metadata={"Key": "v w"})
    blob = await blobs.get(container, name)
    assert blob is not None
    assert (blob.data, blob.etag) == (name.encode(), etag)
    properties = await blobs.head(container, name)
    assert properties is not None
    assert properties.metadata == {"Key": "v w"}
    assert (properties.content_type, properties.length) == ("text/plain", len(name.encode()))
    assert [found.name async for found in blobs.list(container)] == [name]
    assert await blobs.delete(container, name)
    assert not await blobs.delete(container, name)
    assert await blobs.get(container, name) is None
    assert await blobs.head(container, name) is None


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
async def test_blobs_of_any_size_come_back(storage: StorageAccount, container: str, size: int) -> None:
    data = bytes(number % 251 for number in range(1000)) * (size // 1000) or b"x" * size
    await storage.blobs.put(container, "b", data)
    blob = await storage.blobs.get(container, "b")
    assert blob is not None
    assert blob.data == data


async def test_listing_follows_pages_and_prefix_and_gives_metadata(storage: StorageAccount, container: str) -> None:
    for number in range(5):
        await storage.blobs.put(container, f"dir/{number}", b"x" * number, metadata={"n": str(number)})
    await storage.blobs.put(container, "other", b"")
    found = [blob async for blob in storage.blobs.list(container, "dir/", metadata=True, page_size=2)]
    assert [(blob.name, blob.length, blob.metadata) for blob in found] == [
        (f"dir/{number}", number, {"n": str(number)}) for number in range(5)
    ]
    head = await storage.blobs.head(container, "dir/3")
    assert head is not None
    assert (head.etag, head.last_modified) == (found[3].etag, found[3].last_modified)


async def test_a_blob_is_created_only_once(storage: StorageAccount, container: str) -> None:
    etag = await storage.blobs.put(container, "once", b"1", if_none_match="*")
    with pytest.raises(Conflict) as caught:
        await storage.blobs.put(container, "once", b"2", if_none_match="*")
    assert caught.value.code == "BlobAlreadyExists"
    await storage.blobs.put(container, "once", b"3", if_match=etag)
    with pytest.raises(PreconditionFailed):
        await storage.blobs.put(container, "once", b"4", if_match=etag)


async def test_metadata_is_replaced(storage: StorageAccount, container: str) -> None:
    await storage.blobs.put(container, "b", b"1", metadata={"a": "1"})
    etag = await storage.blobs.set_metadata(container, "b", {"c": "2"})
    properties = await storage.blobs.head(container, "b")
    assert properties is not None
    assert (properties.metadata, properties.etag) == ({"c": "2"}, etag)


@pytest.mark.parametrize("metadata", [{"a b": "1"}, {"a": "é"}, {"a": "1\r\nx: y"}, {"": "1"}])
async def test_bad_metadata_is_refused(storage: StorageAccount, container: str, metadata: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        await storage.blobs.put(container, "b", b"1", metadata=metadata)


@pytest.mark.parametrize("name", ["leased", None])
async def test_a_lease_is_acquired_renewed_changed_and_released(
    storage: StorageAccount, container: str, name: str | None
) -> None:
    blobs = storage.blobs
    await blobs.put(container, "leased", b"")
    assert await blobs.acquire_lease(container, name, 15, LEASE) == LEASE
    assert await blobs.acquire_lease(container, name, 15, LEASE) == LEASE
    with pytest.raises(Conflict) as taken:
        await blobs.acquire_lease(container, name, 15)
    assert taken.value.code == "LeaseAlreadyPresent"
    await blobs.renew_lease(container, name, LEASE)
    await blobs.change_lease(container, name, LEASE, OTHER)
    with pytest.raises(Conflict) as lost:
        await blobs.renew_lease(container, name, LEASE)
    assert lost.value.code == "LeaseIdMismatchWithLeaseOperation"
    await blobs.release_lease(container, name, OTHER)
    fresh = await blobs.acquire_lease(container, name)
    await blobs.break_lease(container, name)
    assert fresh not in (LEASE, OTHER)
    assert await blobs.acquire_lease(container, name, 15, LEASE) == LEASE
    await blobs.release_lease(container, name, LEASE)


async def test_a_leased_blob_is_written_with_its_lease_only(storage: StorageAccount, container: str) -> None:
    blobs = storage.blobs
    await blobs.put(container, "b", b"1")
    lease = await blobs.acquire_lease(container, "b", 15)
    with pytest.raises(PreconditionFailed):
        await blobs.put(container, "b", b"2")
    with pytest.raises(PreconditionFailed):
        await blobs.delete(container, "b")
    await blobs.put(container, "b", b"2", lease_id=lease)
    properties = await blobs.head(container, "b")
    assert properties is not None
    assert properties.headers["x-ms-lease-status"] == "locked"
    assert await blobs.delete(container, "b", lease_id=lease)


async def test_a_missing_container_is_named(storage: StorageAccount) -> None:
    assert await storage.blobs.get("no-container", "b") is None
    with pytest.raises(NotFound) as caught:
        await storage.blobs.put("no-container", "b", b"")
    assert caught.value.code == "ContainerNotFound"
    with pytest.raises(NotFound):
        _ = [blob async for blob in storage.blobs.list("no-container")]


async def test_the_url_of_a_blob_holds_no_secret(storage: StorageAccount) -> None:
    assert storage.blobs.url("c", "a b/é").endswith(f"/{storage.connection.account_name}/c/a%20b/%C3%A9")
