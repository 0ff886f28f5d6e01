"""Table input and output.

Source: docs/protocol/functions-host-tables.md#table-input, docs/protocol/functions-host-tables.md#table-output
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from bindings_world import BindingsWorld, plain, running, unique

from durable_host import timestamp
from durable_host.bindings.properties import BindingFailed
from durable_host.bindings.table_filter import filter_text
from durable_host.storage.table_codec import EdmDateTime, EdmGuid, Int64

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

CODE = """
def rows(**more):
    return app.table_input(arg_name="rows", table_name="{table}", connection="AzureWebJobsStorage", **more)


@telling
@rows()
def everything(msg: str, rows): return [type(rows).__name__, json.loads(rows)]

@telling
@rows(partition_key="{p}", row_key="{r}")
def one(msg: str, rows: str) -> list: return json.loads(rows)

@telling
@rows(partition_key="{p}", take=3)
def few(msg: str, rows: str) -> list: return json.loads(rows)

@telling
@rows(filter="Name eq '{name}' and Age gt {age}")
def filtered(msg: str, rows: str) -> list: return json.loads(rows)

@telling
@rows(partition_key="a", filter="Age gt 1")
def both(msg: str, rows: str) -> list: return json.loads(rows)

@telling
@rows(filter="Name eq (")
def broken_filter(msg: str, rows: str) -> list: return json.loads(rows)

@telling
@app.generic_input_binding(arg_name="rows", type="table", tableName="{table}", take="x",
                           connection="AzureWebJobsStorage")
def bad_take(msg: str, rows: str) -> list: return json.loads(rows)


def table_out(name="o", **more):
    return app.table_output(arg_name=name, table_name="{table}", connection="AzureWebJobsStorage", **more)


@trigger
@table_out()
def add(msg: str, o: func.Out[str]) -> None: o.set(json.dumps(json.loads(msg)["rows"]))

@trigger
@table_out()
def add_objects(msg: str, o: func.Out[str]) -> None: o.set(json.loads(msg)["rows"])

@trigger
@table_out()
def add_bytes(msg: str, o: func.Out[bytes]) -> None: o.set(json.dumps(json.loads(msg)["rows"]).encode())

@trigger
@table_out("$return")
def returned(msg: str): return json.loads(msg)["rows"]

@trigger
@table_out(partition_key="{p}", row_key="{sys.randguid}")
def with_keys(msg: str, o: func.Out[str]) -> None: o.set({"Text": "x"})

@trigger
@app.table_output(arg_name="o", table_name="T", connection="Nowhere")
def no_connection(msg: str, o: func.Out[str]) -> None: pass
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> AsyncIterator[BindingsWorld]:
    async with running(tmp_path_factory.mktemp("tables") / "app", CODE, settings) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def table(world: BindingsWorld) -> AsyncIterator[str]:
    name = unique("T")
    yield name
    await world.account.tables.delete_table(name)


async def fill(world: BindingsWorld, table: str, *entities: dict[str, Any]) -> None:
    await world.account.tables.create_table(table)
    for number, entity in enumerate(entities):
        await world.account.tables.insert(table, {"PartitionKey": "a", "RowKey": str(number), **entity})


async def read(world: BindingsWorld, function: str, table: str, **more: Any) -> Any:
    return plain(await world.run(function, json.dumps({"table": table, **more})))


async def stored(world: BindingsWorld, table: str) -> list[dict[str, Any]]:
    return [dict(entity) async for entity in world.account.tables.query_all(table)]


async def test_an_input_is_a_json_array_of_all_properties(world: BindingsWorld, table: str) -> None:
    moment = timestamp.parse("2024-05-01T10:20:30.5Z")
    await fill(
        world,
        table,
        {
            "Text": "grüße", "Yes": True, "Small": 5, "Big": Int64(2**53), "Real": 1.5, "Odd": float("inf"),
            "When": EdmDateTime(moment), "Id": EdmGuid("c0ffee00-0000-0000-0000-000000000001"), "Raw": b"\x00\x01",
        },
    )  # fmt: skip
    kind, found = await read(world, "everything", table)
    assert kind == "str"
    assert found == [
        {
            "PartitionKey": "a", "RowKey": "0", "Text": "grüße", "Yes": True, "Small": 5, "Big": 2**53, "Real": 1.5,
            "Odd": "Infinity", "When": "2024-05-01T10:20:30.5Z", "Id": "c0ffee00-0000-0000-0000-000000000001",
            "Raw": "AAE=",
        }
    ]  # fmt: skip


async def test_a_row_key_gives_a_list_of_that_row(world: BindingsWorld, table: str) -> None:
    await fill(world, table, {}, {"Text": "it"}, {})
    assert await read(world, "one", table, p="a", r="1") == [{"PartitionKey": "a", "RowKey": "1", "Text": "it"}]
    assert await read(world, "one", table, p="a", r="9") == []


async def test_take_limits_the_rows(world: BindingsWorld, table: str) -> None:
    await fill(world, table, *({} for _ in range(5)))
    assert [row["RowKey"] for row in await read(world, "few", table, p="a")] == ["0", "1", "2"]
    assert await read(world, "few", table, p="it's another") == []


async def test_a_filter_is_added_to_the_keys(world: BindingsWorld, table: str) -> None:
    await fill(world, table, {"Age": 1}, {"Age": 2}, {"Age": 3, "PartitionKey": "b"})
    assert [row["RowKey"] for row in await read(world, "both", table)] == ["1"]


async def test_values_in_a_filter_cannot_leave_their_place(world: BindingsWorld, table: str) -> None:
    await fill(world, table, {"Name": "O'Neil", "Age": 5}, {"Name": "x", "Age": 5})
    assert [row["RowKey"] for row in await read(world, "filtered", table, name="O'Neil", age=4)] == ["0"]
    assert await read(world, "filtered", table, name="' or '1' eq '1", age=0) == []
    text = json.dumps({"table": table, "name": "x", "age": "0 or Age gt 1"})
    assert "An invalid parameter value was specified for filter parameter 'age'." in await world.failure(
        "filtered", text
    )


@pytest.mark.parametrize("value", ["5", "-1.5", "true", "False", "guid'c0ffee00-0000-0000-0000-000000000001'",
                                   "datetime'2024-05-01T10:20:30Z'", "12L", "1e5"])  # fmt: skip
async def test_literals_stand_without_quotes_in_a_filter(value: str) -> None:
    assert filter_text("A eq {v}", {"v": value}, "f").lower() == f"a eq {value}".lower()


@pytest.mark.parametrize("value", ["", "x", "5 or 1 eq 1", "guid'' or 'x'", "datetime'2024' or true"])
async def test_anything_else_needs_quotes_in_a_filter(value: str) -> None:
    with pytest.raises(BindingFailed):
        filter_text("A eq {v}", {"v": value}, "f")


@pytest.mark.parametrize(
    ("function", "body", "message"),
    [
        ("everything", {"table": "Tmissing"}, "TableNotFound"),
        ("everything", {"table": "not-a-name"}, "'not-a-name' is not a valid table name"),
        ("everything", {}, "No value for named parameter 'table'."),
        ("bad_take", {"table": "Tany"}, "The 'take' of the binding 'rows' is 'x', not a whole number."),
        ("add", {"table": "1x", "rows": {}}, "is not a valid table name"),
    ],
)
async def test_a_table_that_cannot_be_read_or_written_fails_the_invocation(
    world: BindingsWorld, function: str, body: dict[str, Any], message: str
) -> None:
    assert message in await world.failure(function, json.dumps(body))


async def test_a_bad_filter_fails_the_invocation(world: BindingsWorld, table: str) -> None:
    await fill(world, table, {})
    assert "HTTP 400" in await world.failure("broken_filter", json.dumps({"table": table}))


@pytest.mark.parametrize("function", ["add", "add_objects", "add_bytes", "returned"])
async def test_an_object_or_a_list_of_them_is_inserted(world: BindingsWorld, table: str, function: str) -> None:
    row = {"partitionkey": "p", "RowKey": "1", "Text": "grüße", "Yes": True, "Number": 5, "Big": 2**40, "Real": 1.5,
           "Nested": {"a": [1]}, "List": [1, "x"], "Date": "2024-05-01T10:20:30Z", "Nothing": None}  # fmt: skip
    await world.run(function, json.dumps({"table": table, "rows": row}))
    await world.run(function, json.dumps({"table": table, "rows": [{**row, "RowKey": "2"}, {**row, "RowKey": "3"}]}))
    found = await stored(world, table)
    assert [entity["RowKey"] for entity in found] == ["1", "2", "3"]
    first = found[0]
    assert first == {
        "PartitionKey": "p", "RowKey": "1", "Text": "grüße", "Yes": True, "Number": 5, "Big": 2**40, "Real": 1.5,
        "Nested": '{"a":[1]}', "List": '[1,"x"]', "Date": "2024-05-01T10:20:30Z",
    }  # fmt: skip
    assert type(first["Number"]) is Int64
    assert type(first["Date"]) is str


async def test_missing_keys_come_from_the_binding(world: BindingsWorld, table: str) -> None:
    await world.run("with_keys", json.dumps({"table": table, "p": "from the message"}))
    (row,) = await stored(world, table)
    assert row["PartitionKey"] == "from the message"
    assert len(row["RowKey"]) == 36


async def test_a_duplicate_insert_fails_with_409(world: BindingsWorld, table: str) -> None:
    body = json.dumps({"table": table, "rows": {"PartitionKey": "p", "RowKey": "1"}})
    await world.run("add", body)
    text = await world.failure("add", body)
    assert "EntityAlreadyExists" in text
    assert "409" in text


async def test_an_etag_says_what_is_meant(world: BindingsWorld, table: str) -> None:
    row = {"PartitionKey": "p", "RowKey": "1", "V": 1}
    await world.run("add", json.dumps({"table": table, "rows": {**row, "ETag": "*"}}))
    await world.run("add", json.dumps({"table": table, "rows": {**row, "V": 2, "etag": "*"}}))
    entity = await world.account.tables.get(table, "p", "1")
    assert entity is not None
    assert entity["V"] == 2
    await world.run("add", json.dumps({"table": table, "rows": {**row, "V": 3, "ETag": entity.etag}}))
    again = await world.account.tables.get(table, "p", "1")
    assert again is not None
    assert again["V"] == 3
    assert "ETag" not in again
    body = json.dumps({"table": table, "rows": {**row, "V": 4, "ETag": entity.etag}})
    assert "412" in await world.failure("add", body)


async def test_many_rows_go_in_one_transaction_a_partition(world: BindingsWorld, table: str) -> None:
    rows = [{"PartitionKey": f"p{number % 2}", "RowKey": f"{number:04}"} for number in range(250)]
    await world.run("add", json.dumps({"table": table, "rows": rows}))
    assert len(await stored(world, table)) == 250


async def test_a_row_given_twice_is_written_twice_in_order(world: BindingsWorld, table: str) -> None:
    rows = [{"PartitionKey": "p", "RowKey": key, "V": v, "ETag": "*"} for v, key in enumerate(["a", "b", "a", "a"])]
    await world.run("add", json.dumps({"table": table, "rows": rows}))
    assert [(row["RowKey"], row["V"]) for row in await stored(world, table)] == [("a", 3), ("b", 1)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"RowKey": "1"}, "has no PartitionKey"),
        ({"PartitionKey": "p", "RowKey": None}, "has no RowKey"),
        ("text", "must be a JSON object"),
        ([1], "must be a JSON object"),
        ({"PartitionKey": "a/b", "RowKey": "1"}, "U+002F, which table keys cannot contain"),
        ({"PartitionKey": "p", "RowKey": "a#"}, "U+0023, which table keys cannot contain"),
        ({"PartitionKey": "p", "RowKey": "a\u0007"}, "U+0007, which table keys cannot contain"),
        ([{"PartitionKey": "p", "RowKey": "1"}] * 2, "EntityAlreadyExists"),
        ({"PartitionKey": "p", "RowKey": "1", "Huge": 2**63}, "does not fit into a table (Int64)"),
    ],
)
async def test_a_row_that_cannot_be_fails_the_invocation(
    world: BindingsWorld, table: str, rows: Any, message: str
) -> None:
    assert message in await world.failure("add", json.dumps({"table": table, "rows": rows}))


async def test_nothing_is_written_for_an_empty_list(world: BindingsWorld, table: str) -> None:
    await world.run("add", json.dumps({"table": table, "rows": []}))
    assert not await world.account.tables.table_exists(table)


async def test_a_binding_without_its_connection_is_an_error_of_its_function(world: BindingsWorld) -> None:
    assert "'AzureWebJobsNowhere' does not exist" in world.error_of("no_connection")
