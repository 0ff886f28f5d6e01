"""What user code may return.

Source: docs/protocol/functions-host-values.md#outputs, docs/protocol/functions-host-http.md#response-objects
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from worker_apps import RunningApp, http, running

from durable_host.invocation.datum import Datum, HttpReply, binary, json_text, string
from durable_host.invocation.errors import FunctionFailed

VALUES = """
from typing import List


class Reader:
    def read(self): return b"read"

VALUES = {
    "none": None, "str": "s", "bytes": b"b", "bytearray": bytearray(b"b"), "true": True, "int": 7, "float": 1.5,
    "dict": {"a": 1}, "list_str": ["a", "b"], "tuple_str": ("a", "b"), "empty": [], "list_dict": [{"a": 1}, 2],
    "list_bytes": [b"a"], "message": func.QueueMessage(id="1", body=b"q"),
    "messages": [func.QueueMessage(body=b"q"), "r"], "file": Reader(),
    "response": func.HttpResponse("hi"),
}

@app.queue_trigger("m", queue_name="q", connection="")
@app.queue_output("o", queue_name="o", connection="")
def queue_bare(m: str, o): o.set(VALUES[m])

@app.queue_trigger("m", queue_name="q", connection="")
@app.queue_output("o", queue_name="o", connection="")
def queue_str(m: str, o: func.Out[str]): o.set(VALUES[m])

@app.queue_trigger("m", queue_name="q", connection="")
@app.queue_output("o", queue_name="o", connection="")
def queue_list(m: str, o: func.Out[List[str]]): o.set(VALUES[m])

@app.queue_trigger("m", queue_name="q", connection="")
@app.queue_output("$return", queue_name="o", connection="")
def queue_return(m: str): return VALUES[m]

@app.queue_trigger("m", queue_name="q", connection="")
@app.blob_output("o", path="c/x", connection="")
def blob_bare(m: str, o): o.set(VALUES[m])

@app.queue_trigger("m", queue_name="q", connection="")
@app.table_output("o", table_name="T", connection="")
def table_bare(m: str, o): o.set(VALUES[m])

@app.route("http")
def http_return(req: func.HttpRequest): return VALUES[req.params["v"]]

@app.queue_trigger("m", queue_name="q", connection="")
def nothing_bound(m: str): return VALUES[m]

@app.queue_trigger("m", queue_name="q", connection="")
@app.queue_output("o", queue_name="o", connection="")
@app.blob_output("p", path="c/x", connection="")
def unset(m: str, o: func.Out[str], p: func.Out[bytes]):
    assert o.get() is None

@app.generic_trigger("g", type="someTrigger")
def implicit(g: str): return VALUES[g]
"""

QUEUE: dict[str, Datum | type[Exception]] = {
    "str": string("s"),
    "bytes": binary(b"b"),
    "bytearray": TypeError,
    "true": TypeError,
    "int": TypeError,
    "float": TypeError,
    "dict": json_text('["a"]'),
    "list_str": json_text('["a", "b"]'),
    "tuple_str": json_text('["a", "b"]'),
    "empty": json_text("[]"),
    "list_dict": TypeError,
    "list_bytes": TypeError,
    "message": json_text('{"id": "1", "body": "q"}'),
    "messages": json_text('[{"id": null, "body": "q"}, "r"]'),
    "file": TypeError,
    "response": TypeError,
}
BLOB: dict[str, Datum | type[Exception]] = {
    **dict.fromkeys(QUEUE, TypeError),
    "str": string("s"),
    "bytes": binary(b"b"),
    "bytearray": binary(b"b"),
    "file": binary(b"read"),
}
GENERIC: dict[str, Datum | type[Exception]] = {
    "str": string("s"),
    "bytes": binary(b"b"),
    "bytearray": binary(b"b"),
    "true": Datum("int", 1),
    "int": Datum("int", 7),
    "float": Datum("double", 1.5),
    "dict": json_text('{"a": 1}'),
    "list_str": json_text('["a", "b"]'),
    "tuple_str": TypeError,
    "empty": json_text("[]"),
    "list_dict": json_text('[{"a": 1}, 2]'),
    "list_bytes": TypeError,
    "message": TypeError,
    "messages": TypeError,
    "file": TypeError,
    "response": TypeError,
}
ROWS = [
    (function, value, expected)
    for function, table in (
        ("queue_bare", QUEUE),
        ("queue_list", QUEUE),
        ("queue_str", GENERIC),
        ("blob_bare", BLOB),
        ("table_bare", GENERIC),
    )
    for value, expected in table.items()
]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    async with running(tmp_path_factory.mktemp("outputs"), VALUES) as running_app:
        yield running_app


@pytest.mark.parametrize(("function", "value", "expected"), ROWS)
async def test_out_parameter_takes_what_its_binding_takes(app: RunningApp, function: str, value: str, expected: Any):
    if isinstance(expected, Datum):
        assert (await app.call(function, string(value))).outputs == {"o": expected}
        return
    with pytest.raises(FunctionFailed) as failure:
        await app.call(function, string(value))
    assert failure.value.type == "TypeError"


async def test_refused_value_names_binding_and_python_type(app: RunningApp):
    with pytest.raises(FunctionFailed) as failure:
        await app.call("queue_bare", string("bytearray"))
    assert failure.value.message == (
        'unable to encode outgoing TypedData: unsupported type "queue" for Python type "bytearray"'
    )


@pytest.mark.parametrize("function", ["queue_bare", "queue_str", "blob_bare", "table_bare"])
async def test_none_in_an_out_parameter_writes_nothing(app: RunningApp, function: str):
    assert (await app.call(function, string("none"))).outputs == {}


async def test_unset_out_parameters_write_nothing(app: RunningApp):
    response = await app.call("unset", string("x"))
    assert response.outputs == {}
    assert response.return_value is None


@pytest.mark.parametrize(
    ("value", "expected"), [("str", string("s")), ("list_str", json_text('["a", "b"]')), ("bytes", binary(b"b"))]
)
async def test_return_value_of_a_queue_binding(app: RunningApp, value: str, expected: Datum):
    assert (await app.call("queue_return", string(value))).return_value == expected


async def test_none_returned_to_a_queue_binding_fails(app: RunningApp):
    with pytest.raises(FunctionFailed, match='unsupported type "queue" for Python type "NoneType"'):
        await app.call("queue_return", string("none"))


@pytest.mark.parametrize("value", ["bytes", "none", "dict", "int", "list_str"])
async def test_value_that_is_not_an_http_response_fails(app: RunningApp, value: str):

    with pytest.raises(FunctionFailed, match='unsupported type "http" for Python type'):
        await app.call("http_return", http(query={"v": value}))


async def test_returned_text_is_passed_on_as_text(app: RunningApp):

    assert (await app.call("http_return", http(query={"v": "str"}))).return_value == string("s")


async def test_value_returned_without_a_binding_for_it_fails(app: RunningApp):
    with pytest.raises(FunctionFailed, match=r"function 'nothing_bound' without a \$return binding returned"):
        await app.call("nothing_bound", string("str"))


async def test_unknown_trigger_types_return_implicitly(app: RunningApp):
    assert (await app.call("implicit", string("dict"))).return_value == json_text('{"a": 1}')


HTTP_APP = r"""
@app.route("all")
def all_parts(req):
    response = func.HttpResponse(b"\x00\x01", status_code=201, headers={"X-A": "1"}, mimetype="image/png")
    response.headers.add("Set-Cookie", "a=b c; Path=/; HttpOnly")
    response.headers.add("Set-Cookie", "b=%20; Expires=Wed, 21 Oct 2026 07:28:00 GMT")
    return response

@app.route("empty")
def empty(req): return func.HttpResponse(status_code=204)

@app.route("text")
def text(req): return func.HttpResponse("hé")

@app.route("json")
def as_json(req): return func.HttpResponse("{}", mimetype="application/json")

@app.route("own")
def own_type(req): return func.HttpResponse("x", headers={"content-type": "a/b"})

@app.route("expires")
def bad_expires(req):
    response = func.HttpResponse("x")
    response.headers.add("Set-Cookie", "a=b; Expires=tomorrow")
    return response

@app.route("large")
def large(req): return func.HttpResponse(req.get_body() * 2)

@app.route("named", binding_arg_name="out")
def named(req, out): out.set(func.HttpResponse("named"))
"""


async def test_http_responses(tmp_path_factory: pytest.TempPathFactory):
    async with running(tmp_path_factory.mktemp("http"), HTTP_APP) as app:
        assert await app.get("all_parts") == HttpReply(
            201,
            {"X-A": "1", "content-type": "image/png"},
            ["a=b c; Path=/; HttpOnly", "b=%20; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
            b"\x00\x01",
        )
        plain = {"content-type": "text/plain; charset=utf-8"}
        assert await app.get("empty") == HttpReply(204, plain, [], b"")
        assert await app.get("text") == HttpReply(200, plain, [], "hé".encode())
        assert (await app.get("as_json")).headers == {"content-type": "application/json"}
        assert (await app.get("own_type")).headers == {"content-type": "a/b"}
        with pytest.raises(FunctionFailed, match="ValueError: time data 'tomorrow'"):
            await app.get("bad_expires")
        body = bytes(range(256)) * 20_000
        assert (await app.get("large", body=body)).body == body * 2

        named = await app.call("named", http())
        assert named.return_value is None
        assert named.outputs["out"].value.body == b"named"


async def test_nan_and_lone_surrogates_survive_the_pipes(tmp_path_factory: pytest.TempPathFactory):
    text = r"""
    @app.generic_trigger("g", type="someTrigger")
    def odd(g): return float("nan") if g == "nan" else g + "\ud800"
    """
    async with running(tmp_path_factory.mktemp("odd"), text) as app:
        nan = (await app.call("odd", string("nan"))).return_value
        assert nan is not None
        assert nan.value != nan.value
        assert await app.text("odd", string("\udc00")) == "\udc00\ud800"
        assert await app.text("odd", string("x" * 5000 + "\udc00")) == "x" * 5000 + "\udc00\ud800"
