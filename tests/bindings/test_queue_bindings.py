"""Queue output with every Python type, and binding names.

Source: docs/protocol/functions-host-values.md#outputs,
    docs/protocol/functions-host-queues.md#queue-output,
    docs/protocol/functions-host-queues.md#examples
"""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from bindings_world import BindingsWorld, running, unique

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

CODE = """
VALUES = {
    "str": "grüße", "bytes": bytes(range(200, 210)), "list": ["a", "b"], "array": '["a", "b", {"c": 1}]',
    "object": '{"a": 1}', "almost": "{not json}", "dict": {"a": "ü"}, "dicts": [{"a": 1}, {"b": 2}], "numbers": [1, 2],
    "int": 3, "float": 2.5, "bool": True, "none": None, "empty list": [], "empty": "", "tuple": ("a", "b"),
    "generator": (text for text in ("a", "b")), "bytearray": bytearray(b"x"), "deep": [["a"], "b"],
    "message": func.QueueMessage(body="from a message"), "bytes message": func.QueueMessage(body=b"raw"),
    "messages": [func.QueueMessage(body="one"), func.QueueMessage(body="two")],
}


def out(name="o", queue="{q}"):
    return app.queue_output(arg_name=name, queue_name=queue, connection="AzureWebJobsStorage")


@trigger
@out()
def untyped(msg: str, o) -> None: o.set(VALUES[json.loads(msg)["v"]])

@trigger
@out()
def text(msg: str, o: func.Out[str]) -> None: o.set(VALUES[json.loads(msg)["v"]])

@trigger
@out()
def content(msg: str, o: func.Out[bytes]) -> None: o.set(VALUES[json.loads(msg)["v"]])

@trigger
@out()
def texts(msg: str, o: func.Out[List[str]]) -> None: o.set(VALUES[json.loads(msg)["v"]])

@trigger
@out()
def message(msg: str, o: func.Out[func.QueueMessage]) -> None: o.set(VALUES[json.loads(msg)["v"]])

@trigger
@out("$return")
def returned(msg: str): return VALUES[json.loads(msg)["v"]]

@trigger
@out("$return")
def typed_return(msg: str) -> str: return VALUES[json.loads(msg)["v"]]

@trigger
@app.generic_output_binding(arg_name="o", type="queue", queueName="{q}", connection="Second")
def generic(msg: str, o: func.Out[str]) -> None: o.set(VALUES[json.loads(msg)["v"]])

@trigger
@out("first")
@out("second", "{q}-2")
def two(msg: str, first: func.Out[str], second: func.Out[str]) -> None:
    second.set("to the second")

@trigger
@out(queue="Not_A_Queue")
def bad_name(msg: str, o: func.Out[str]) -> None: pass

@trigger
@out(queue="%NOPE%")
def no_setting(msg: str, o: func.Out[str]) -> None: pass

@trigger
@app.queue_output(arg_name="o", queue_name="q-q", connection="Nowhere")
def no_connection(msg: str, o: func.Out[str]) -> None: pass

@trigger
@app.queue_output(arg_name="o", queue_name="abc", connection="BlobsOnly")
def no_service(msg: str, o: func.Out[str]) -> None: pass

@app.queue_trigger(arg_name="msg", queue_name="abc", connection="BlobsOnly")
def no_queues_to_trigger(msg: str) -> None: pass

@trigger
@out()
def no_return(msg: str, o: func.Out[str]): return "unexpected"
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> AsyncIterator[BindingsWorld]:
    async with running(tmp_path_factory.mktemp("queues") / "app", CODE, settings) as world:
        yield world


async def sent(world: BindingsWorld, function: str, value: str) -> list[Any] | None:
    """The messages, or None when not even the queue was made."""
    queue = unique("q")
    await world.run(function, json.dumps({"q": queue, "v": value}))
    if not await world.account.queues.exists(queue):
        return None
    messages = [base64.b64decode(message.text) for message in await world.account.queues.peek(queue, 32)]
    await world.account.queues.delete_queue(queue)
    try:
        return [message.decode() for message in messages]
    except UnicodeDecodeError:
        return messages


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        ("untyped", "str", ["grüße"]),
        ("untyped", "bytes", [bytes(range(200, 210))]),
        ("untyped", "list", ["a", "b"]),
        ("untyped", "tuple", ["a", "b"]),
        ("untyped", "generator", ["a", "b"]),
        ("untyped", "array", ["a", "b", '{"c": 1}']),
        ("untyped", "object", ['{"a": 1}']),
        ("untyped", "almost", ["{not json}"]),
        ("untyped", "dict", ["a"]),
        ("untyped", "none", None),
        ("untyped", "message", [{"id": None, "body": "from a message"}]),
        ("untyped", "bytes message", [{"id": None, "body": "raw"}]),
        ("untyped", "messages", [{"id": None, "body": "one"}, {"id": None, "body": "two"}]),
        ("texts", "list", ["a", "b"]),
        ("message", "message", [{"id": None, "body": "from a message"}]),
        ("message", "str", ["grüße"]),
        ("text", "str", ["grüße"]),
        ("text", "dict", [{"a": "ü"}]),
        ("text", "dicts", [{"a": 1}, {"b": 2}]),
        ("text", "numbers", ["1", "2"]),
        ("text", "deep", ['["a"]', "b"]),
        ("text", "int", ["3"]),
        ("text", "float", ["2.5"]),
        ("text", "bytearray", ["x"]),
        ("text", "array", ["a", "b", '{"c": 1}']),
        ("content", "bytes", [bytes(range(200, 210))]),
        ("content", "str", ["grüße"]),
        ("returned", "str", ["grüße"]),
        ("returned", "list", ["a", "b"]),
        ("typed_return", "message", [{"id": None, "body": "from a message"}]),
        ("generic", "object", ['{"a": 1}']),
    ],
)
async def test_what_an_output_sends(
    world: BindingsWorld, function: str, value: str, expected: list[Any] | None
) -> None:
    found = await sent(world, function, value)
    if expected and isinstance(expected[0], dict):
        assert found is not None
        found = [json.loads(text) for text in found]
    assert found == expected


@pytest.mark.parametrize(
    ("function", "value", "python_type"),
    [("untyped", "bytearray", "bytearray"), ("untyped", "int", "int"), ("untyped", "dicts", "list"),
     ("returned", "none", "NoneType"), ("returned", "float", "float"), ("text", "message", "QueueMessage"),
     ("text", "tuple", "tuple")],
)  # fmt: skip
async def test_what_an_output_does_not_take(world: BindingsWorld, function: str, value: str, python_type: str) -> None:
    text = await world.failure(function, json.dumps({"q": "never-made", "v": value}))
    assert text.startswith(
        f'TypeError: unable to encode outgoing TypedData: unsupported type "queue" for Python type "{python_type}"'
    )
    assert not await world.account.queues.exists("never-made")


async def test_an_empty_list_sends_nothing(world: BindingsWorld) -> None:
    assert await sent(world, "text", "empty list") in (None, [])


async def test_one_of_two_outputs_may_stay_unset(world: BindingsWorld) -> None:
    queue = unique("q")
    await world.run("two", json.dumps({"q": queue}))
    assert not await world.account.queues.exists(queue)
    (message,) = await world.account.queues.peek(f"{queue}-2", 32)
    assert base64.b64decode(message.text) == b"to the second"


async def test_names_are_made_lower_case(world: BindingsWorld) -> None:
    queue = unique("q")
    await world.run("text", json.dumps({"q": queue.upper(), "v": "str"}))
    assert await world.account.queues.message_count(queue) == 1


@pytest.mark.parametrize("name", ["a", "-abc", "a--b", "x" * 64, "a_b", ""])
async def test_a_name_that_cannot_be_fails_the_invocation(world: BindingsWorld, name: str) -> None:
    text = await world.failure("text", json.dumps({"q": name, "v": "str"}))
    assert "is not a valid queue name" in text or "has no 'queueName'" in text


async def test_a_value_without_a_return_binding_fails_the_invocation(world: BindingsWorld) -> None:
    text = await world.failure("no_return", '{"q": "abc"}')
    assert text == "RuntimeError: function 'no_return' without a $return binding returned a non-None value"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("bad_name", "'Not_A_Queue' is not a valid queue name"),
        ("no_setting", "'%NOPE%' does not resolve to a value."),
        ("no_connection", "Storage account connection string 'AzureWebJobsNowhere' does not exist."),
        ("no_service", "The connection 'BlobsOnly' has no address for the queue service."),
        ("no_queues_to_trigger", "Set 'BlobsOnly__queueServiceUri' or 'BlobsOnly__accountName'"),
    ],
)
async def test_a_binding_that_cannot_be_is_an_error_of_its_function_only(
    world: BindingsWorld, function: str, message: str
) -> None:
    assert message in world.error_of(function)
