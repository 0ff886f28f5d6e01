"""Entity group transactions against a real Azurite."""

from typing import Any

import pytest

from durable_host.storage import InvalidRequest, Operation, StorageAccount, TransactionFailed
from durable_host.storage.table_transactions import read_transaction
from durable_host.storage.transport import StorageResponse


def row(key: str, **columns: Any) -> dict[str, Any]:
    return {"PartitionKey": "p", "RowKey": key, **columns}


async def keys(storage: StorageAccount, table: str) -> list[str]:
    return [entity["RowKey"] async for entity in storage.tables.query_all(table)]


async def test_every_kind_of_operation_takes_effect(storage: StorageAccount, table: str) -> None:
    tables = storage.tables
    for key in ("merged", "replaced", "deleted", "guarded"):
        await tables.insert(table, row(key, a=1, b=1))
    guarded = await tables.get(table, "p", "guarded")
    assert guarded is not None
    etags = await tables.transaction(
        table,
        [
            Operation("insert", row("inserted", a=2)),
            Operation("merge", row("merged", a=2)),
            Operation("replace", row("replaced", a=2)),
            Operation("upsert_merge", row("new merge", a=2)),
            Operation("upsert_replace", row("new replace", a=2)),
            Operation("delete", row("deleted")),
            Operation("merge", row("guarded", a=2), guarded.etag),
        ],
    )
    rows = {entity["RowKey"]: entity async for entity in tables.query_all(table)}
    assert {key: (entity.get("a"), entity.get("b")) for key, entity in rows.items()} == {
        "inserted": (2, None),
        "merged": (2, 1),
        "replaced": (2, None),
        "new merge": (2, None),
        "new replace": (2, None),
        "guarded": (2, 1),
    }
    assert etags[5] == ""
    assert etags[0] == rows["inserted"].etag
    assert etags[6] == rows["guarded"].etag


@pytest.mark.parametrize(
    "text", ["{}", "{\u2028}", "x\u2029}y{", "--changeset_c\r\n", "HTTP/1.1 500", "é😀'%\\", "\r\n\r\n"]
)
@pytest.mark.parametrize("key", ["", "it's %41 {é}"])
async def test_odd_texts_and_keys_pass_through(storage: StorageAccount, table: str, key: str, text: str) -> None:
    entity = {"PartitionKey": key, "RowKey": key, "text": text, "other": 1}
    for kind in ("insert", "upsert_replace", "merge"):
        (etag,) = await storage.tables.transaction(table, [Operation(kind, entity)])
        found = await storage.tables.get(table, key, key)
        assert found == entity
        assert found is not None
        assert found.etag == etag


@pytest.mark.parametrize(
    ("failing", "status", "code"),
    [
        (Operation("insert", row("there")), 409, "EntityAlreadyExists"),
        (Operation("merge", row("there"), "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""), 412, None),
        (Operation("merge", row("not there")), 404, "ResourceNotFound"),
        (Operation("replace", row("not there")), 404, "ResourceNotFound"),
        (Operation("delete", row("not there")), 404, "ResourceNotFound"),
    ],
)
async def test_one_failing_operation_undoes_all_and_is_named(
    storage: StorageAccount, table: str, failing: Operation, status: int, code: str | None
) -> None:
    await storage.tables.insert(table, row("there"))
    with pytest.raises(TransactionFailed) as caught:
        await storage.tables.transaction(table, [Operation("insert", row("a")), failing, Operation("insert", row("b"))])
    assert (caught.value.index, caught.value.status) == (1, status)
    assert caught.value.code == (code or "UpdateConditionNotSatisfied")
    assert await keys(storage, table) == ["there"]


async def test_a_missing_table_fails_the_transaction(storage: StorageAccount) -> None:
    with pytest.raises(TransactionFailed) as caught:
        await storage.tables.transaction("Missing", [Operation("insert", row("a"))])
    assert (caught.value.status, caught.value.code) == (404, "TableNotFound")


async def test_a_hundred_large_rows_fit(storage: StorageAccount, table: str) -> None:
    operations = [Operation("insert", row(f"{number:03}", text="x" * 30_000)) for number in range(100)]
    etags = await storage.tables.transaction(table, operations)
    assert len(etags) == 100
    assert len(await keys(storage, table)) == 100


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([], "InvalidInput"),
        ([Operation("insert", row(str(number))) for number in range(101)], "InvalidInput"),
        ([Operation("insert", row("a")), Operation("merge", row("a"))], "InvalidDuplicateRow"),
        (
            [Operation("insert", row("a")), Operation("insert", {"PartitionKey": "q", "RowKey": "b"})],
            "CommandsInBatchActOnDifferentPartitions",
        ),
        ([Operation("insert", row(str(number), text="x" * 900_000)) for number in range(5)], "ContentLengthExceeded"),
        ([Operation("insert", row("a", text="x" * 1_600_000))], "EntityTooLarge"),
        ([Operation("insert", row("a/b"))], "OutOfRangeInput"),
    ],
)
async def test_what_azure_refuses_is_refused_before_sending(
    storage: StorageAccount, table: str, operations: list[Operation], code: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await storage.tables.transaction(table, operations)
    assert caught.value.code == code
    assert await keys(storage, table) == []


def test_a_failure_as_azure_words_it_is_read() -> None:
    body = (
        b"--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_2\r\n\r\n"
        b"--changesetresponse_2\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        b"HTTP/1.1 412 Precondition Failed\r\nX-Content-Type-Options: nosniff\r\nDataServiceVersion: 3.0;\r\n"
        b"Content-Type: application/json;odata=minimalmetadata;streaming=true;charset=utf-8\r\n\r\n"
        b'{"odata.error":{"code":"UpdateConditionNotSatisfied","message":{"lang":"en-US","value":'
        b'"99:The update condition specified in the request was not satisfied.\\nRequestId:1\\nTime:2"}}}\r\n'
        b"--changesetresponse_2--\r\n--batchresponse_1--\r\n"
    )
    with pytest.raises(TransactionFailed) as caught:
        read_transaction(StorageResponse(202, {}, body, False), 100, "T")  # pyright: ignore[reportArgumentType]
    failure = caught.value
    assert (failure.index, failure.status, failure.code) == (99, 412, "UpdateConditionNotSatisfied")
    assert "RequestId" not in str(failure)
