"""What user code receives.

Source: docs/protocol/functions-host-values.md#inputs,
    docs/protocol/functions-host-http.md#requests,
    docs/protocol/durable-activities.md#input
"""

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from worker_apps import RunningApp, eventually, http, running

from durable_host.invocation.datum import NONE, Datum, binary, json_text, string
from durable_host.invocation.errors import FunctionFailed

APP = """
import json

def told(value):
    shown = value.decode("latin-1") if isinstance(value, bytes) else value
    return json.dumps([type(value).__name__, shown])

@app.queue_trigger("m", queue_name="q", connection="")
@app.generic_output_binding("$return", type="echo")
def queue_typed(m: func.QueueMessage):
    return {
        "id": m.id, "body": m.get_body().decode(), "count": m.dequeue_count, "receipt": m.pop_receipt,
        "inserted": str(m.insertion_time), "expires": str(m.expiration_time), "visible": str(m.time_next_visible),
    }

@app.queue_trigger("m", queue_name="q", connection="")
@app.generic_output_binding("$return", type="echo")
def queue_bare(m):
    return type(m).__name__

@app.queue_trigger("m", queue_name="q", connection="")
@app.generic_output_binding("$return", type="echo")
def queue_str(m: str):
    return told(m)

@app.queue_trigger("m", queue_name="q", connection="")
@app.generic_output_binding("$return", type="echo")
def queue_bytes(m: bytes):
    return told(m)

@app.queue_trigger("m", queue_name="q", connection="")
@app.generic_output_binding("$return", type="echo")
def queue_json(m: func.QueueMessage):
    return json.dumps(m.get_json())

@app.timer_trigger("t", schedule="0 * * * * *")
@app.generic_output_binding("$return", type="echo")
def timer_typed(t: func.TimerRequest):
    return {"past_due": t.past_due, "schedule": t.schedule, "status": t.schedule_status}

@app.timer_trigger("t", schedule="0 * * * * *")
@app.generic_output_binding("$return", type="echo")
def timer_str(t: str):
    return told(t)

@app.blob_trigger("b", path="c/{n}", connection="")
@app.generic_output_binding("$return", type="echo")
def blob_typed(b: func.InputStream):
    return {
        "name": b.name, "uri": b.uri, "length": b.length, "properties": b.blob_properties, "metadata": b.metadata,
        "data": b.read(3).decode("latin-1") + "|" + b.read().decode("latin-1"), "seekable": b.seekable(),
    }

@app.blob_trigger("b", path="c/{n}", connection="")
@app.generic_output_binding("$return", type="echo")
def blob_str(b: str):
    return told(b)

@app.queue_trigger("m", queue_name="q", connection="")
@app.blob_input("b", path="c/x", connection="")
@app.generic_output_binding("$return", type="echo")
def blob_in_typed(m, b: func.InputStream):
    return None if b is None else {"name": b.name, "length": b.length, "data": b.read().decode()}

@app.queue_trigger("m", queue_name="q", connection="")
@app.blob_input("b", path="c/x", connection="")
@app.generic_output_binding("$return", type="echo")
def blob_in_str(m, b: str):
    return told(b)

@app.queue_trigger("m", queue_name="q", connection="")
@app.table_input("t", table_name="T", connection="")
@app.generic_output_binding("$return", type="echo")
def table_in(m, t):
    return told(t)

@app.queue_trigger("m", queue_name="q", connection="")
@app.generic_input_binding("g", type="anything")
@app.generic_output_binding("$return", type="echo")
def generic_in(m, g):
    return told(g)

@app.generic_trigger("g", type="someTrigger")
def generic_trigger(g):
    return told(g)
"""
METADATA: dict[str, Any] = {
    "Id": "m-1",
    "DequeueCount": 3,
    "PopReceipt": "r",
    "InsertionTime": "2024-05-01T10:20:30.1234567+00:00",
    "ExpirationTime": "2024-05-08T10:20:30+00:00",
    "NextVisibleTime": "2024-05-01T10:30:30+00:00",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    async with running(tmp_path_factory.mktemp("inputs"), APP) as running_app:
        yield running_app


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_queue_message_has_body_and_metadata(app: RunningApp):
    told = json.loads(await app.text("queue_typed", string("hé"), trigger_metadata=METADATA) or "")
    assert told == {
        "id": "m-1",
        "body": "hé",
        "count": 3,
        "receipt": "r",
        "inserted": "2024-05-01 10:20:30.123456+00:00",
        "expires": "2024-05-08 10:20:30+00:00",
        "visible": "2024-05-01 10:30:30+00:00",
    }


@pytest.mark.parametrize(
    ("function", "trigger", "expected"),
    [
        ("queue_bare", string("x"), "QueueMessage"),
        ("queue_str", string("x"), '["str", "x"]'),
        ("queue_bytes", string("x"), '["str", "x"]'),
        ("queue_bytes", binary(b"\xff"), '["bytes", "\\u00ff"]'),
        ("queue_json", string('{"a": [1]}'), '{"a": [1]}'),
        ("timer_str", json_text('{"IsPastDue":true}'), '["str", "{\\"IsPastDue\\":true}"]'),
        ("blob_str", binary(b"ab"), '["bytes", "ab"]'),
        ("generic_trigger", json_text("[1]"), '["str", "[1]"]'),
        ("generic_trigger", binary(b"\x00"), '["bytes", "\\u0000"]'),
        ("generic_trigger", NONE, '["NoneType", null]'),
    ],
)
async def test_trigger_value_as_annotated(app: RunningApp, function: str, trigger: Datum, expected: str):
    assert await app.text(function, trigger, trigger_metadata=METADATA) == expected


async def test_timer_request_has_schedule_and_status(app: RunningApp):
    payload = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": {"Last": "x"}, "IsPastDue": True}
    told = json.loads(await app.text("timer_typed", json_text(json.dumps(payload))) or "")
    assert told == {"past_due": True, "schedule": {"AdjustForDST": True}, "status": {"Last": "x"}}


async def test_triggering_blob_is_a_stream_with_properties(app: RunningApp):
    metadata = {"BlobTrigger": "c/a", "Uri": "http://u", "Properties": {"ContentLength": 5}, "Metadata": {"k": "v"}}
    told = json.loads(await app.text("blob_typed", binary(b"ab\xff\x00d"), trigger_metadata=metadata) or "")
    assert told == {
        "name": "c/a",
        "uri": "http://u",
        "length": 5,
        "properties": {"ContentLength": 5},
        "metadata": {"k": "v"},
        "data": "ab\xff|\x00d",
        "seekable": False,
    }


@pytest.mark.parametrize(
    ("function", "name", "value", "expected"),
    [
        ("blob_in_typed", "b", string("é"), '{"name": null, "length": null, "data": "\\u00e9"}'),
        ("blob_in_typed", "b", binary(b"xy"), '{"name": null, "length": null, "data": "xy"}'),
        ("blob_in_typed", "b", NONE, None),
        ("blob_in_str", "b", string("t"), '["str", "t"]'),
        ("blob_in_str", "b", binary(b"t"), '["bytes", "t"]'),
        ("table_in", "t", json_text('[{"RowKey": "1"}]'), '["str", "[{\\"RowKey\\": \\"1\\"}]"]'),
        ("table_in", "t", NONE, '["NoneType", null]'),
        ("generic_in", "g", string("s"), '["str", "s"]'),
        ("generic_in", "g", binary(b"s"), '["bytes", "s"]'),
        ("generic_in", "g", json_text("{}"), '["str", "{}"]'),
        ("generic_in", "g", NONE, '["NoneType", null]'),
    ],
)
async def test_input_binding_as_annotated(
    app: RunningApp, function: str, name: str, value: Datum, expected: str | None
):
    assert await app.text(function, string("m"), inputs={name: value}) == expected


async def test_text_longer_than_a_frame_header_holds_arrives_whole(app: RunningApp):
    text = "ä" * 3_000_000
    assert json.loads(await app.text("queue_str", string(text)) or "")[1] == text


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_an_idle_worker_does_not_keep_the_last_large_input(tmp_path: Path, kind: str):
    code = f"""
        @app.blob_trigger("b", path="c/{{n}}", connection="")
        {kind} size(b: bytes) -> None:
            assert len(b) == {LARGE}
    """
    async with running(tmp_path, code) as app:
        before = resident(app)
        await app.call("size", binary(bytes(LARGE)))
        await eventually(lambda: resident(app) < before + LARGE // 2)


LARGE = 64 * 1024 * 1024


def resident(app: RunningApp) -> int:
    """Bytes of memory that the worker process holds."""
    (pid,) = app.pool.pids
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("function", "trigger", "message"),
    [
        ("queue_typed", json_text("{}"), "unsupported combination of TypedData field 'json' and expected binding type"),
        ("timer_typed", string("{}"), "unsupported combination of TypedData field 'string'"),
        ("blob_typed", json_text("{}"), "unexpected type of data received for the \"blob\" binding : 'json'"),
        ("queue_typed", Datum("int", 5), "unsupported TypeData kind: int"),
    ],
)
async def test_value_of_an_unsupported_kind_fails_the_invocation(
    app: RunningApp, function: str, trigger: Datum, message: str
):
    with pytest.raises(FunctionFailed, match=message.replace("(", r"\(")):
        await app.call(function, trigger)


HTTP_APP = """
import json

@app.route("f")
def request(req: func.HttpRequest) -> str:
    return json.dumps({
        "method": req.method, "url": req.url, "headers": dict(req.headers), "agent": req.headers.get("USER-AGENT"),
        "params": dict(req.params), "route": dict(req.route_params), "body": req.get_body().decode("latin-1"),
    })

@app.route("j")
def read_json(req: func.HttpRequest) -> str:
    return json.dumps(req.get_json())

@app.route("form")
def form(req: func.HttpRequest) -> str:
    files = {name: [file.filename, file.read().decode()] for name, file in req.files.items()}
    return json.dumps({"form": dict(req.form), "files": files})
"""


async def test_http_request_has_all_its_parts(tmp_path_factory: pytest.TempPathFactory):
    async with running(tmp_path_factory.mktemp("http"), HTTP_APP) as app:
        trigger = http(
            "POST",
            "/api/f?a=1&a=2",
            b"\x00\xff",
            headers={"user-agent": "x"},
            query={"a": "1,2"},
            params={"id": "5"},
        )
        assert json.loads(await app.text("request", trigger) or "") == {
            "method": "POST",
            "url": "http://localhost:7071/api/f?a=1&a=2",
            "headers": {"user-agent": "x"},
            "agent": "x",
            "params": {"a": "1,2"},
            "route": {"id": "5"},
            "body": "\x00\xff",
        }
        assert await app.text("read_json", http(body=b'{"a": 1}')) == '{"a": 1}'
        for body in (b"", b"no"):
            with pytest.raises(FunctionFailed, match="HTTP request does not contain valid JSON data"):
                await app.call("read_json", http(body=body))
        body = (
            b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; '
            b'name="f"; filename="x.txt"\r\n\r\nhello\r\n--B--\r\n'
        )
        multipart = http("POST", body=body, headers={"content-type": "multipart/form-data; boundary=B"})
        assert json.loads(await app.text("form", multipart) or "") == {
            "form": {"a": "1"},
            "files": {"f": ["x.txt", "hello"]},
        }


DURABLE_APP = """
import azure.durable_functions as df

app = df.DFApp()

class Point:
    def __init__(self, x): self.x = x
    @staticmethod
    def to_json(obj): return {"x": obj.x}
    @staticmethod
    def from_json(json): return Point(json["x"])

@app.activity_trigger("value")
def echo(value): return [type(value).__name__, value]

@app.activity_trigger("value")
def text(value: str) -> str: return value

@app.activity_trigger("value")
def point(value): return Point(value.x + 1)

@app.activity_trigger("value")
def unserialisable(value): return {1, 2}

@app.activity_trigger("value")
async def with_context(value, context: func.Context): return context.function_name

@app.durable_client_input("client")
@app.queue_trigger("m", queue_name="q", connection="")
@app.generic_output_binding("$return", type="echo")
async def starter(m, client, context: func.Context):
    return type(client).__name__ + " " + client._orchestration_bindings.task_hub_name
"""


async def test_activity_and_durable_client_values(tmp_path_factory: pytest.TempPathFactory):
    app_text = "import azure.functions as func\n" + DURABLE_APP
    async with running(tmp_path_factory.mktemp("durable"), {"function_app.py": app_text}) as app:
        for trigger, expected in {
            '"Tokyo"': '["str", "Tokyo"]',
            '{"a": 1}': '["dict", {"a": 1}]',
            "5": '["int", 5]',
            "null": '["NoneType", null]',
            "abc": '["str", "abc"]',
            "": '["str", ""]',
        }.items():
            response = await app.call("echo", string(trigger))
            assert response.return_value == json_text(expected)
        assert await app.text("text", string('{"a": 1}')) == '{"a": 1}'
        sent = '{"__class__": "Point", "__module__": "function_app", "__data__": {"x": 1}}'
        assert json.loads(await app.text("point", string(sent)) or "")["__data__"] == {"x": 2}
        assert await app.text("with_context", string("1")) == '"with_context"'
        with pytest.raises(FunctionFailed, match="ValueError: activity trigger output must be json serializable"):
            await app.call("unserialisable", string("1"))
        with pytest.raises(FunctionFailed, match="TypeError: unable to decode incoming TypedData"):
            await app.call("echo", binary(b"1"))
        client = json.dumps({"taskHubName": "Hub", "creationUrls": {}, "managementUrls": {}, "rpcBaseUrl": "http://x/"})
        assert await app.text("starter", string("m"), inputs={"client": string(client)}) == (
            "DurableOrchestrationClient Hub"
        )
