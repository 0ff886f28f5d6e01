"""Blob input and output with every Python type.

Source: docs/protocol/functions-host-values.md#text-of-blob-inputs,
    docs/protocol/functions-host-values.md#content-of-a-blob,
    docs/protocol/functions-host-blobs.md#blob-input,
    docs/protocol/functions-host-blobs.md#blob-output
"""

import codecs
import re
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from bindings_world import BindingsWorld, plain, running, unique

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

INPUTS = """
def tell(value):
    if value is None or isinstance(value, (str, bytes)):
        return {"type": type(value).__name__, "value": repr(value)}
    return {"type": type(value).__name__, "value": repr(value.read()),
            "rest": [value.name, value.uri, value.length, value.blob_properties, value.metadata]}


def blob_in(**more):
    return app.blob_input(arg_name="b", path="%BOX%/{n}", connection="AzureWebJobsStorage", **more)


@telling
@blob_in()
def untyped(msg, b): return tell(b)

@telling
@blob_in()
def stream(msg: str, b: func.InputStream) -> dict: return tell(b)

@telling
@blob_in()
def text(msg: str, b: str) -> dict: return tell(b)

@telling
@blob_in()
def maybe(msg: str, b: Optional[str]) -> dict: return tell(b)

@telling
@blob_in()
def content(msg: str, b: bytes) -> dict: return tell(b)

@telling
@blob_in(data_type=func.DataType.BINARY)
def binary_stream(msg: str, b: func.InputStream) -> dict: return tell(b)

@telling
@blob_in(data_type=func.DataType.BINARY)
def binary(msg: str, b: bytes) -> dict: return tell(b)

@telling
@app.generic_input_binding(arg_name="b", type="blob", path="%BOX%/{n}", connection="AzureWebJobsStorage")
def generic(msg: str, b: func.InputStream) -> dict: return tell(b)

@telling
@app.blob_input(arg_name="b", path="{where}", connection="Second")
def anywhere(msg: str, b: str) -> dict: return tell(b)

@telling
@app.blob_input(arg_name="b", path="%BOX%/{a.b}-{s}-{t}", connection="AzureWebJobsStorage")
def expressions(msg: str, b: str) -> dict: return tell(b)
"""

OUTPUTS = """
VALUES = {
    "str": "grüße", "bytes": bytes(range(256)), "bytearray": bytearray(b"array"), "file": io.BytesIO(b"file"),
    "text file": io.StringIO("text file"), "dict": {"a": "ü"}, "list": [1, "b"], "int": -2, "big": 2**40 + 5,
    "bool": True, "float": 1.5, "none": None, "tuple": (1, 2), "empty": "",
}


def blob_out(name="o", path="%BOX%/{n}"):
    return app.blob_output(arg_name=name, path=path, connection="AzureWebJobsStorage")


@trigger
@blob_out()
def untyped_out(msg: str, o) -> None: o.set(VALUES[json.loads(msg)["v"]])

@trigger
@blob_out()
def text_out(msg: str, o: func.Out[str]) -> None: o.set(VALUES[json.loads(msg)["v"]])

@trigger
@blob_out()
def bytes_out(msg: str, o: func.Out[bytes]) -> None: o.set(VALUES[json.loads(msg)["v"]])

@trigger
@blob_out()
def stream_out(msg: str, o: func.Out[func.InputStream]) -> None: o.set(VALUES[json.loads(msg)["v"]])

@trigger
@blob_out("$return")
def returned(msg: str): return VALUES[json.loads(msg)["v"]]

@trigger
@blob_out(path="{rand-guid:N}/{datetime:yyyy}/{n}")
def never(msg: str, o: func.Out[str]) -> None: pass

@trigger
@blob_out(path="%BOX%/{n}/{rand-guid:N}")
@blob_out("p", path="%BOX%/{n}/{sys.methodname}-{datetime:yyyyMMdd}")
def named(msg: str, o: func.Out[str], p: func.Out[str]) -> None:
    o.set("guid")
    p.set("date")

@trigger
@blob_out(path="{where}")
def anywhere_out(msg: str, o: func.Out[str]) -> None: o.set("here")

@trigger
@app.generic_output_binding(arg_name="o", type="blob", path="%BOX%/{n}", connection="AzureWebJobsStorage")
def generic_out(msg: str, o: func.Out[str]) -> None: o.set("generic")

@trigger
@app.blob_output(arg_name="o", path="%BOX%/x", connection="Nowhere")
def no_connection(msg: str, o: func.Out[str]) -> None: pass

@trigger
@app.blob_output(arg_name="o", path="%BOX%/{x", connection="AzureWebJobsStorage")
def bad_braces(msg: str, o: func.Out[str]) -> None: pass

@trigger
@blob_out()
def wrong_annotation(msg: str, o: str) -> None: pass
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], box: str
) -> AsyncIterator[BindingsWorld]:
    async with running(tmp_path_factory.mktemp("blobs") / "app", INPUTS + OUTPUTS, settings) as world:
        await world.account.blobs.create_container(box)
        yield world
        await world.account.blobs.delete_container(box)


async def told(world: BindingsWorld, box: str, function: str, content: bytes) -> dict[str, Any]:
    name = unique("in")
    await world.account.blobs.put(box, name, content)
    return plain(await world.run(function, f'{{"n": "{name}"}}'))


@pytest.mark.parametrize(
    ("function", "kind", "value"),
    [
        ("untyped", "InputStream", "grüße".encode()),
        ("stream", "InputStream", "grüße".encode()),
        ("generic", "InputStream", "grüße".encode()),
        ("text", "str", "grüße"),
        ("maybe", "str", "grüße"),
        ("content", "str", "grüße"),
        ("binary", "bytes", "grüße".encode()),
        ("binary_stream", "InputStream", "grüße".encode()),
    ],
)
async def test_text_arrives_in_every_type(
    world: BindingsWorld, box: str, function: str, kind: str, value: object
) -> None:
    found = await told(world, box, function, "grüße".encode())
    assert (found["type"], found["value"]) == (kind, repr(value))
    assert found.get("rest", [None] * 5) == [None] * 5


@pytest.mark.parametrize("function", ["untyped", "stream", "binary_stream", "binary", "generic"])
async def test_binary_content_is_never_damaged(world: BindingsWorld, box: str, function: str) -> None:
    content = bytes(range(256))
    assert (await told(world, box, function, content))["value"] == repr(content)


@pytest.mark.parametrize(
    "content",
    [codecs.BOM_UTF8 + "ä".encode(), codecs.BOM_UTF16_LE + "ä".encode("utf-16-le"),
     codecs.BOM_UTF16_BE + "ä".encode("utf-16-be"), codecs.BOM_UTF32_LE + "ä".encode("utf-32-le")],
)  # fmt: skip
async def test_marked_text_arrives_as_utf8_without_the_mark(world: BindingsWorld, box: str, content: bytes) -> None:
    assert (await told(world, box, "stream", content))["value"] == repr("ä".encode())
    assert (await told(world, box, "text", content))["value"] == repr("ä")
    assert (await told(world, box, "binary", content))["value"] == repr(content)


async def test_an_empty_blob_is_empty_text(world: BindingsWorld, box: str) -> None:
    assert (await told(world, box, "text", b""))["value"] == "''"
    assert (await told(world, box, "stream", b""))["value"] == "b''"


@pytest.mark.parametrize("function", ["untyped", "stream", "text", "content", "binary", "binary_stream"])
async def test_a_missing_blob_is_none(world: BindingsWorld, function: str) -> None:
    assert plain(await world.run(function, '{"n": "missing"}')) == {"type": "NoneType", "value": "None"}


async def test_a_missing_container_is_none(world: BindingsWorld) -> None:
    found = plain(await world.run("anywhere", '{"where": "nothing-like-this/x"}'))
    assert found["type"] == "NoneType"


async def test_expressions_fill_the_path(world: BindingsWorld, box: str) -> None:
    await world.account.blobs.put(box, "5-x-True", b"found")
    found = plain(await world.run("expressions", '{"a":{"b":5},"l":[1],"t":true,"s":"x"}'))
    assert found["value"] == "'found'"


async def test_an_absolute_address_is_a_path(world: BindingsWorld, box: str) -> None:
    await world.account.blobs.put(box, "a b/ä", b"found")
    url = world.account.blobs.url(box, "a b/ä")
    assert plain(await world.run("anywhere", f'{{"where": "{url}"}}'))["value"] == "'found'"


@pytest.mark.parametrize(
    ("function", "text", "message"),
    [
        ("text", "{}", "No value for named parameter 'n'."),
        ("anywhere", '{"where": "just-a-container"}', "Invalid blob path specified : 'just-a-container'."),
        ("anywhere", '{"where": ""}', "has no 'path'"),
        ("expressions", '{"a": {"c": 1}, "s": "x", "t": true}', "Error while accessing 'b': property doesn't exist."),
        ("anywhere_out", '{"where": "box/"}', "Blob identifiers must be in the format 'container/blob'."),
        ("anywhere_out", '{"where": "Not_A_Container/x"}', "could not be written"),
    ],
)
async def test_a_path_that_cannot_be_fails_the_invocation(
    world: BindingsWorld, function: str, text: str, message: str
) -> None:
    assert message in await world.failure(function, text)


async def written(world: BindingsWorld, box: str, function: str, value: str) -> bytes | None:
    name = unique("out")
    await world.run(function, f'{{"n": "{name}", "v": "{value}"}}')
    blob = await world.account.blobs.get(box, name)
    return None if blob is None else blob.data


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        ("untyped_out", "str", "grüße".encode()),
        ("untyped_out", "bytes", bytes(range(256))),
        ("untyped_out", "bytearray", b"array"),
        ("untyped_out", "file", b"file"),
        ("stream_out", "text file", b"text file"),
        ("stream_out", "bytes", bytes(range(256))),
        ("returned", "str", "grüße".encode()),
        ("returned", "bytes", bytes(range(256))),
        ("returned", "empty", b""),
        ("text_out", "str", "grüße".encode()),
        ("text_out", "bytes", bytes(range(256))),
        ("bytes_out", "str", "grüße".encode()),
        ("bytes_out", "bytearray", b"array"),
        ("text_out", "dict", '{"a":"ü"}'.encode()),
        ("text_out", "list", b'[1,"b"]'),
        ("text_out", "int", struct.pack("<i", -2)),
        ("text_out", "big", struct.pack("<i", 5)),
        ("text_out", "bool", struct.pack("<i", 1)),
        ("bytes_out", "float", struct.pack("<d", 1.5)),
        ("text_out", "none", None),
        ("untyped_out", "none", None),
    ],
)
async def test_what_an_output_writes(
    world: BindingsWorld, box: str, function: str, value: str, expected: bytes | None
) -> None:
    assert await written(world, box, function, value) == expected


@pytest.mark.parametrize(
    ("function", "value", "kind", "python_type"),
    [
        ("untyped_out", "dict", "blob", "dict"), ("untyped_out", "list", "blob", "list"),
        ("untyped_out", "int", "blob", "int"), ("returned", "float", "blob", "float"),
        ("returned", "none", "blob", "NoneType"), ("text_out", "tuple", "blob", "tuple"),
        ("text_out", "file", "blob", "BytesIO"),
    ],
)  # fmt: skip
async def test_what_an_output_does_not_take(
    world: BindingsWorld, box: str, function: str, value: str, kind: str, python_type: str
) -> None:
    text = await world.failure(function, f'{{"n": "x", "v": "{value}"}}')
    assert text.startswith(
        f'TypeError: unable to encode outgoing TypedData: unsupported type "{kind}" for Python type "{python_type}"'
    )


async def test_an_output_that_is_not_set_writes_nothing(world: BindingsWorld) -> None:
    await world.run("never", '{"n": "x"}')


async def test_built_in_values_fill_the_path(world: BindingsWorld, box: str) -> None:
    name = unique("n")
    await world.run("named", f'{{"n": "{name}"}}')
    names = sorted([blob.name async for blob in world.account.blobs.list(box, f"{name}/")], key=len)
    assert re.fullmatch(f"{name}/named-\\d{{8}}", names[0])
    assert re.fullmatch(f"{name}/[0-9a-f]{{32}}", names[1])


async def test_the_container_is_created(world: BindingsWorld) -> None:
    container = unique("new")
    await world.run("anywhere_out", f'{{"where": "{container}/deep/x"}}')
    blob = await world.account.blobs.get(container, "deep/x")
    assert blob is not None
    assert blob.data == b"here"
    assert blob.properties.content_type == "application/octet-stream"
    await world.account.blobs.delete_container(container)


async def test_metadata_of_an_overwritten_blob_stay(world: BindingsWorld, box: str) -> None:
    name = unique("kept")
    await world.account.blobs.put(box, name, b"old", metadata={"owner": "me", "azurewebjobsparentid": "older"})
    outcome = await world.run("generic_out", f'{{"n": "{name}"}}')
    blob = await world.account.blobs.get(box, name)
    assert blob is not None
    assert blob.data == b"generic"
    found = {key.lower(): value for key, value in blob.properties.metadata.items()}
    assert found == {"owner": "me", "azurewebjobsparentid": outcome.invocation_id}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("no_connection", "Storage account connection string 'AzureWebJobsNowhere' does not exist."),
        ("bad_braces", "Missing closing bracket"),
        ("wrong_annotation", 'declared to have the "out" direction, but its annotation in Python is not a subclass'),
    ],
)
async def test_a_binding_that_cannot_be_is_an_error_of_its_function_only(
    world: BindingsWorld, function: str, message: str
) -> None:
    assert message in world.error_of(function)
    assert function not in {one.name for one in world.functions.served}
