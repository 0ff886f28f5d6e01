"""The model of the storage services responds like Azurite: the same calls on both, the same outcomes."""

import uuid
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from modelled_storage import DirectNetwork, open_account

from durable_host.clock import SystemClock
from durable_host.storage import Operation, StorageAccount, StorageError
from durable_host.storage.table_codec import EdmDateTime, EdmGuid, Int64
from durable_host.testing.memory_storage.memory_account import MemoryAccount

Calls = Callable[[StorageAccount, "Notes", str], Awaitable[None]]


class Notes:
    """What the calls of one account told, without what differs between any two accounts."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any]] = []

    async def of(self, name: str, call: Awaitable[Any], show: Callable[[Any], Any] = lambda told: told) -> Any:
        """Note the outcome of a call and give its value, None when it was refused."""
        try:
            told = await call
        except StorageError as error:
            index = getattr(error, "index", "")
            self.lines.append((name, f"{type(error).__name__} {error.status} {error.code} {index}"))
            return None
        self.lines.append((name, show(told)))
        return told


def _messages(found: list[Any]) -> Any:
    return [
        (one.text, one.dequeue_count, bool(one.pop_receipt), one.expiration_time > one.insertion_time) for one in found
    ]


def _rows(page: Any) -> Any:
    return [(dict(row), bool(row.etag)) for row in page.entities], page.continuation is not None


async def queue_calls(account: StorageAccount, notes: Notes, tag: str) -> None:
    queues, name = account.queues, f"q-{tag}"
    await notes.of("put into none", queues.put(name, "a"), bool)
    await notes.of("get from none", queues.get(name))
    await notes.of("create", queues.create(name))
    await notes.of("create again", queues.create(name))
    await notes.of("list", queues.list(f"q-{tag}"), len)
    first = await notes.of("put", queues.put(name, "<a> & 'b'\r\n"), lambda put: bool(put.pop_receipt))
    hidden = await notes.of("put hidden", queues.put(name, "hidden", visibility=30, ttl=-1), bool)
    await notes.of("peek", queues.peek(name), lambda found: [(one.text, one.dequeue_count) for one in found])
    (got,) = await notes.of("get", queues.get(name, 32, 20), _messages)
    await notes.of("get nothing", queues.get(name), _messages)
    await notes.of("delete with an old receipt", queues.delete(name, got.id, first.pop_receipt))
    receipt, _ = await notes.of("update", queues.update(name, got.id, got.pop_receipt, 0, "new"), len)
    await notes.of("update with an old receipt", queues.update(name, got.id, got.pop_receipt, 0), bool)
    await notes.of("count", queues.message_count(name))
    (again,) = await notes.of("get again", queues.get(name), _messages)
    await notes.of("delete with the receipt of the update", queues.delete(name, again.id, receipt))
    await notes.of("delete", queues.delete(name, again.id, again.pop_receipt))
    await notes.of("delete again", queues.delete(name, again.id, again.pop_receipt))
    await notes.of("delete hidden", queues.delete(name, hidden.id, hidden.pop_receipt))
    await notes.of("update none", queues.update(name, hidden.id, hidden.pop_receipt, 5), bool)
    await notes.of("clear", queues.clear(name))
    await notes.of("exists", queues.exists(name))
    await notes.of("drop", queues.delete_queue(name))
    await notes.of("drop again", queues.delete_queue(name))
    await notes.of("exists no more", queues.exists(name))


async def row_calls(account: StorageAccount, notes: Notes, tag: str) -> None:
    tables, name = account.tables, f"T{tag}"
    row: dict[str, Any] = {
        "PartitionKey": "a'b c",
        "RowKey": "",
        "Text": "ü ' \" \u2028",
        "Number": 7,
        "Big": Int64(2**40),
        "When": EdmDateTime(638_503_626_451_234_567),
        "Guid": EdmGuid("c7f1c6a8-6a6f-4e6b-8a5f-0f8f5f0f8f5f"),
        "Yes": True,
        "Half": 0.5,
        "Bytes": b"\x00\x01",
        "Absent": None,
    }
    keys = ("a'b c", "")
    plain = {"PartitionKey": keys[0], "RowKey": keys[1]}

    async def show(step: str) -> None:
        await notes.of(step, tables.get(name, *keys), lambda found: found and (dict(found), bool(found.etag)))

    await notes.of("insert into none", tables.insert(name, row))
    await notes.of("get from none", tables.get(name, *keys))
    await notes.of("query none", tables.query(name))
    await notes.of("create", tables.create_table(name))
    await notes.of("create again", tables.create_table(name))
    await notes.of("list", tables.list_tables(name))
    await show("get nothing")
    await notes.of("merge nothing", tables.merge(name, row))
    await notes.of("replace nothing", tables.replace(name, row, 'W/"x"'))
    await notes.of("delete nothing", tables.delete(name, *keys))
    etag = await notes.of("insert", tables.insert(name, row), bool)
    await show("inserted")
    await notes.of("insert again", tables.insert(name, row))
    merged = await notes.of("merge", tables.merge(name, {**plain, "Text": "t", "Big": 3}, etag), bool)
    await show("merged")
    await notes.of("merge with an old etag", tables.merge(name, {**plain, "Text": "u"}, etag))
    await notes.of("select", tables.get(name, *keys, select=("Text", "When", "Missing")), dict)
    await notes.of("upsert", tables.upsert_merge(name, {**plain, "Other": "o"}), bool)
    await notes.of("replace with an old etag", tables.replace(name, {**plain, "Only": 1}, merged))
    await notes.of("replace", tables.replace(name, {**plain, "Only": 1}), bool)
    await show("replaced")
    await notes.of("upsert new", tables.upsert_replace(name, {"PartitionKey": "n", "RowKey": "1"}), bool)
    await notes.of("delete with an old etag", tables.delete(name, *keys, etag=etag))
    await notes.of("delete", tables.delete(name, *keys))
    await show("deleted")
    await notes.of("drop", tables.delete_table(name))
    await notes.of("drop again", tables.delete_table(name))
    await notes.of("insert after the drop", tables.insert(name, row))


async def transaction_calls(account: StorageAccount, notes: Notes, tag: str) -> None:
    tables, name = account.tables, f"T{tag}"

    def row(key: str, **columns: Any) -> dict[str, Any]:
        return {"PartitionKey": "@e'@k", "RowKey": key, **columns}

    async def show(step: str) -> None:
        await notes.of(step, tables.query(name, "PartitionKey eq '@e''@k'"), _rows)

    await notes.of("into none", tables.transaction(name, [Operation("insert", row("1"))]))
    await tables.create_table(name)
    made = await notes.of(
        "insert",
        tables.transaction(name, [Operation("insert", row("1", A=1)), Operation("upsert_replace", row("2"))]),
        len,
    )
    await show("inserted")
    existing = [Operation("upsert_replace", row("3")), Operation("insert", row("1"))]
    await notes.of("insert what exists", tables.transaction(name, existing))
    await show("nothing of it")
    changed = await notes.of(
        "merge",
        tables.transaction(name, [Operation("merge", row("1", B=2), made[0]), Operation("insert", row("4"))]),
        len,
    )
    await show("merged")
    stale = [Operation("upsert_replace", row("5")), Operation("merge", row("1", B=3), made[0])]
    await notes.of("merge with an old etag", tables.transaction(name, stale))
    await notes.of("merge none", tables.transaction(name, [Operation("merge", row("9"), changed[0])]))
    await notes.of("delete none", tables.transaction(name, [Operation("delete", row("9"))]))
    await show("still the same")
    await notes.of("delete", tables.transaction(name, [Operation("delete", row(key)) for key in ("1", "2")]), len)
    await show("deleted")


async def query_calls(account: StorageAccount, notes: Notes, tag: str) -> None:
    tables, name = account.tables, f"T{tag}"
    await tables.create_table(name)
    for number, key in enumerate(["@c@x", "Abc", "abc", "b'd", "é", "z"]):
        status = ("Running", "Completed", "Pending")[number % 3]
        when = EdmDateTime(638_503_626_450_000_000 + number)
        await tables.insert(
            name, {"PartitionKey": key, "RowKey": "", "RuntimeStatus": status, "CreatedTime": when, "N": number}
        )
    filters = [
        None,
        "PartitionKey eq 'b''d'",
        "PartitionKey lt '@' or PartitionKey ge 'A'",
        "(RuntimeStatus eq 'Running' or RuntimeStatus eq 'Pending') and (PartitionKey lt '@' or PartitionKey ge 'A')",
        "CreatedTime ge datetime'2024-05-03T12:30:45.0000003Z'",
        "(CreatedTime le datetime'2024-05-03T12:30:45.0000003Z') and (PartitionKey ge 'a') and (PartitionKey lt 'b')",
        "not (N eq 3) and N gt 1",
        "Missing eq 'x'",
    ]
    for text in filters:
        await notes.of(f"filter {text}", tables.query(name, text, select=("PartitionKey", "N")), _rows)
    page = await notes.of("first page", tables.query(name, top=4, select=("PartitionKey",)), _rows)
    await notes.of(
        "second page", tables.query(name, top=4, select=("PartitionKey",), continuation=page.continuation), _rows
    )
    await notes.of(
        "page of a filter", tables.query(name, "RuntimeStatus eq 'Running'", top=1, select=("PartitionKey",)), _rows
    )


async def blob_calls(account: StorageAccount, notes: Notes, tag: str) -> None:
    blobs, name = account.blobs, f"c-{tag}"
    await notes.of("put into none", blobs.put(name, "a/b", b"x"))
    await notes.of("create", blobs.create_container(name))
    await notes.of("create again", blobs.create_container(name))
    await notes.of("exists", blobs.container_exists(name))
    await notes.of("get nothing", blobs.get(name, "a/b"))
    etag = await notes.of("put", blobs.put(name, "a/b ü", b"one", metadata={"Key": "v"}), bool)
    await notes.of("put if there is none", blobs.put(name, "a/b ü", b"two", if_none_match="*"))
    await notes.of("put if it matches", blobs.put(name, "a/b ü", b"three", if_match='"0x1"'))
    await notes.of("get", blobs.get(name, "a/b ü"), lambda blob: (blob.data, list(blob.properties.metadata.values())))
    await notes.of("put again", blobs.put(name, "a/b ü", b"four"), lambda new: new != etag)
    await notes.of(
        "head", blobs.head(name, "a/b ü"), lambda found: (found.length, found.headers.get("x-ms-lease-status"))
    )
    await notes.of("put another", blobs.put(name, "a/c", b""), bool)
    await notes.of("put a third", blobs.put(name, "b", b""), bool)

    async def listed(prefix: str, size: int | None) -> list[tuple[str, int]]:
        return [(blob.name, blob.length) async for blob in blobs.list(name, prefix, page_size=size)]

    await notes.of("list", listed("a/", None))
    await notes.of("list in pages", listed("", 1))
    await notes.of("delete", blobs.delete(name, "a/c"))
    await notes.of("delete again", blobs.delete(name, "a/c"))
    await notes.of("containers", blobs.list_containers(name))
    await notes.of("drop", blobs.delete_container(name))
    await notes.of("drop again", blobs.delete_container(name))
    await notes.of("get from none", blobs.get(name, "a/b"))


async def lease_calls(account: StorageAccount, notes: Notes, tag: str) -> None:
    blobs, name = account.blobs, f"c-{tag}"
    mine, other = (f"0000000{number}-0000-0000-0000-000000000000" for number in (1, 2))
    await notes.of("lease none", blobs.acquire_lease(name, None, 15, mine))
    await blobs.create_container(name)
    await blobs.put(name, "b", b"")
    for target in (None, "b"):
        await notes.of("renew none", blobs.renew_lease(name, target, mine))
        await notes.of("acquire", blobs.acquire_lease(name, target, 15, mine))
        await notes.of("acquire again", blobs.acquire_lease(name, target, 60, mine))
        await notes.of("acquire as another", blobs.acquire_lease(name, target, 15, other))
        await notes.of("renew", blobs.renew_lease(name, target, mine))
        await notes.of("renew as another", blobs.renew_lease(name, target, other))
        await notes.of("release as another", blobs.release_lease(name, target, other))
        await notes.of("change", blobs.change_lease(name, target, mine, other))
        await notes.of("release", blobs.release_lease(name, target, other))
        await notes.of("acquire after the release", blobs.acquire_lease(name, target, 15, mine))
    await notes.of("delete what is leased", blobs.delete(name, "b"))
    await notes.of("write what is leased", blobs.put(name, "b", b"x"))
    await notes.of("write under the lease", blobs.put(name, "b", b"x", lease_id=mine), bool)
    await notes.of("drop what is leased", blobs.delete_container(name))
    await notes.of("break", blobs.break_lease(name, None))
    await notes.of("acquire after the break", blobs.acquire_lease(name, None, 15, other))
    await notes.of("drop under the lease", blobs.delete_container(name, lease_id=other))


ALL_CALLS = (queue_calls, row_calls, transaction_calls, query_calls, blob_calls, lease_calls)


@pytest.mark.parametrize("calls", ALL_CALLS, ids=lambda calls: calls.__name__)
async def test_the_model_answers_as_azurite_does(calls: Calls, storage: StorageAccount) -> None:
    tag = uuid.uuid4().hex[:12]
    outcomes: list[list[tuple[str, Any]]] = []
    modelled = open_account(DirectNetwork(MemoryAccount(SystemClock().now, Random(1))))
    for account in (storage, modelled):
        notes = Notes()
        await calls(account, notes, tag)
        outcomes.append(notes.lines)
    real, model = outcomes
    assert model == real
