"""The table service against a real Azurite."""

import math
from typing import Any

import pytest

from durable_host import timestamp
from durable_host.storage import (
    Conflict,
    EdmDateTime,
    EdmGuid,
    Int64,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    StorageAccount,
    odata_literal,
)

KEYS = [
    "",
    "plain",
    "it's",
    "''",
    "a%b",
    "%41",
    "é漢😀",
    " spaces ",
    "a+b",
    "a&b=c",
    "{x}",
    "a,b;c:d@e",
    "(x)",
    "^2F",
    '"',
]

VALUES: dict[str, Any] = {
    "text": "é'\"\\\u2028\u2029<&>\n\x01",
    "empty": "",
    "number_text": "42",
    "date_text": "2024-05-01T12:30:45Z",
    "small": 42,
    "lowest": -(2**31),
    "large": Int64(2**62),
    "small_large": Int64(7),
    "true": True,
    "false": False,
    "fraction": 1.25,
    "whole": 5.0,
    "huge": 1.7976931348623157e308,
    "tiny": -5e-324,
    "infinite": math.inf,
    "minus_infinite": -math.inf,
    "bytes": bytes(range(256)),
    "no_bytes": b"",
    "ticks": EdmDateTime(timestamp.parse("2024-05-01T12:30:45.1234567Z")),
    "second": EdmDateTime(timestamp.parse("2024-05-01T12:30:45Z")),
    "guid": EdmGuid("0fc8b3ba-71a5-4c1e-8ef0-00aabbccddee"),
}


async def test_creating_a_table_twice_reports_that_it_existed(storage: StorageAccount) -> None:
    tables = storage.tables
    assert await tables.create_table("CreatedTwice")
    assert not await tables.create_table("CreatedTwice")
    assert await tables.table_exists("CreatedTwice")
    assert not await tables.table_exists("CreatedTwic")
    assert await tables.list_tables("Created") == ["CreatedTwice"]
    assert await tables.delete_table("CreatedTwice")
    assert not await tables.delete_table("CreatedTwice")


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("way", ["get", "query"])
async def test_values_come_back_with_their_types(storage: StorageAccount, table: str, name: str, way: str) -> None:
    await storage.tables.insert(table, {"PartitionKey": "p", "RowKey": "r", "value": VALUES[name], "none": None})
    if way == "get":
        entity = await storage.tables.get(table, "p", "r")
    else:
        (entity,) = (await storage.tables.query(table)).entities
    assert entity is not None
    assert entity == {"PartitionKey": "p", "RowKey": "r", "value": VALUES[name]}
    assert type(entity["value"]) is type(VALUES[name])


async def test_not_a_number_comes_back(storage: StorageAccount, table: str) -> None:
    await storage.tables.insert(table, {"PartitionKey": "p", "RowKey": "r", "value": math.nan})
    entity = await storage.tables.get(table, "p", "r")
    assert entity is not None
    assert math.isnan(entity["value"])


async def test_etag_and_timestamp_stand_beside_the_properties(storage: StorageAccount, table: str) -> None:
    etag = await storage.tables.insert(table, {"PartitionKey": "p", "RowKey": "r"})
    entity = await storage.tables.get(table, "p", "r")
    (queried,) = (await storage.tables.query(table)).entities
    assert entity is not None
    assert entity.etag == queried.etag == etag
    assert entity.timestamp == queried.timestamp > timestamp.parse("2020-01-01T00:00:00Z")
    assert "Timestamp" not in entity


@pytest.mark.parametrize("key", KEYS)
async def test_odd_keys_work_in_every_request(storage: StorageAccount, table: str, key: str) -> None:
    tables = storage.tables
    row = {"PartitionKey": key, "RowKey": key, "v": 1}
    etag = await tables.insert(table, row)
    etag = await tables.merge(table, {**row, "w": 2}, etag)
    found = await tables.get(table, key, key)
    assert found == {**row, "w": 2}
    page = await tables.query(table, f"PartitionKey eq {odata_literal(key)} and RowKey eq {odata_literal(key)}")
    assert page.entities == [found]
    await tables.replace(table, row, etag)
    await tables.delete(table, key, key)
    assert await tables.get(table, key, key) is None
    await tables.upsert_replace(table, row)
    await tables.upsert_merge(table, {**row, "w": 3})
    assert await tables.get(table, key, key) == {**row, "w": 3}


@pytest.mark.parametrize("key", ["a/b", "a\\b", "a#b", "a?b", "a\nb", "\x7f", "x" * 513, "😀" * 257])
async def test_keys_that_azure_refuses_are_refused(storage: StorageAccount, table: str, key: str) -> None:
    told = "which table keys cannot contain|longer than 512 characters"
    for row in ({"PartitionKey": key, "RowKey": ""}, {"PartitionKey": "", "RowKey": key}):
        with pytest.raises(InvalidRequest, match=told):
            await storage.tables.insert(table, row)
        with pytest.raises(InvalidRequest, match=told):
            await storage.tables.upsert_replace(table, row)
        with pytest.raises(InvalidRequest, match=told):
            await storage.tables.get(table, row["PartitionKey"], row["RowKey"])


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, object(), [1], {"a": 1}])
async def test_values_that_no_column_holds_are_refused(storage: StorageAccount, table: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match="Property 'v'"):
        await storage.tables.insert(table, {"PartitionKey": "p", "RowKey": "r", "v": value})


async def test_conditions_guard_a_row(storage: StorageAccount, table: str) -> None:
    tables = storage.tables
    row = {"PartitionKey": "p", "RowKey": "r", "v": 1}
    old = await tables.insert(table, row)
    new = await tables.merge(table, {**row, "v": 2}, old)
    assert new != old
    for attempt in (
        tables.merge(table, row, old),
        tables.replace(table, row, old),
        tables.delete(table, "p", "r", old),
    ):
        with pytest.raises(PreconditionFailed) as caught:
            await attempt
        assert caught.value.code == "UpdateConditionNotSatisfied"
    with pytest.raises(Conflict) as conflict:
        await tables.insert(table, row)
    assert conflict.value.code == "EntityAlreadyExists"
    await tables.delete(table, "p", "r", new)
    for attempt in (tables.merge(table, row), tables.replace(table, row), tables.delete(table, "p", "r")):
        with pytest.raises(NotFound):
            await attempt


async def test_merge_keeps_and_replace_drops_other_columns(storage: StorageAccount, table: str) -> None:
    tables = storage.tables
    await tables.insert(table, {"PartitionKey": "p", "RowKey": "r", "a": 1, "b": 2})
    await tables.merge(table, {"PartitionKey": "p", "RowKey": "r", "b": 3})
    assert await tables.get(table, "p", "r", ["a", "b"]) == {"a": 1, "b": 3}
    await tables.replace(table, {"PartitionKey": "p", "RowKey": "r", "b": 4})
    assert await tables.get(table, "p", "r") == {"PartitionKey": "p", "RowKey": "r", "b": 4}


async def test_select_and_filter_narrow_a_query(storage: StorageAccount, table: str) -> None:
    moment = EdmDateTime(timestamp.parse("2024-05-01T12:30:45.1234567Z"))
    for number in range(4):
        row = {"PartitionKey": "p", "RowKey": str(number), "n": number, "at": EdmDateTime(moment + number * 10_000)}
        await storage.tables.insert(table, row)
    page = await storage.tables.query(table, "n ge 2", ["RowKey", "n"])
    assert page.entities == [{"RowKey": "2", "n": 2}, {"RowKey": "3", "n": 3}]
    later = timestamp.to_round_trip(moment + 30_000)
    page = await storage.tables.query(table, f"at ge datetime'{later}'", ["RowKey"])
    assert page.entities == [{"RowKey": "3"}]


async def test_continuations_are_followed(storage: StorageAccount, table: str) -> None:
    for partition in ("a", "ü b"):
        for number in range(5):
            await storage.tables.insert(table, {"PartitionKey": partition, "RowKey": f"{number} é"})
    seen: list[tuple[str, str]] = []
    continuation = None
    pages = 0
    while True:
        page = await storage.tables.query(table, top=3, continuation=continuation)
        seen += [(row["PartitionKey"], row["RowKey"]) for row in page.entities]
        continuation = page.continuation
        pages += 1
        if continuation is None:
            break
    assert pages == 4
    assert seen == [(partition, f"{number} é") for partition in ("a", "ü b") for number in range(5)]
    assert len([row async for row in storage.tables.query_all(table)]) == 10


async def test_a_missing_table_is_distinguished_from_a_missing_row(storage: StorageAccount, table: str) -> None:
    assert await storage.tables.get(table, "p", "r") is None
    for attempt in (
        storage.tables.get("Missing", "p", "r"),
        storage.tables.query("Missing"),
        storage.tables.insert("Missing", {"PartitionKey": "p", "RowKey": "r"}),
        storage.tables.upsert_merge("Missing", {"PartitionKey": "p", "RowKey": "r"}),
    ):
        with pytest.raises(NotFound) as caught:
            await attempt
        assert caught.value.code == "TableNotFound"
