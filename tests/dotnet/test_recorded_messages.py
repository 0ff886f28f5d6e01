"""Messages recorded between the real .NET worker and a host: this host reads them, and writes the same."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict

from durable_host.function_rpc.capabilities import Capabilities, read_capabilities
from durable_host.function_rpc.function_index import RpcFunction, read_rpc_function
from durable_host.function_rpc.invocations import invocation_message, read_invocation
from durable_host.function_rpc.rpc_messages import StreamingMessage
from durable_host.invocation.datum import Datum, HttpData, HttpReply, binary, json_text, string
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.metadata import FunctionProblem
from durable_host.invocation.requests import InvocationRequest

RECORDED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("recorded_core.json").read_text("utf-8").replace("{APP_DIR}", "/app")
)
CAPABILITIES = read_capabilities(RECORDED["worker-init-response"]["worker_init_response"]["capabilities"])


def message(name: str) -> Any:
    return ParseDict(RECORDED[name], StreamingMessage())


def as_json(message: Any) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


def function(name: str) -> RpcFunction:
    reported = message("function-metadata-response").function_metadata_response.function_metadata_results
    read = read_rpc_function(next(one for one in reported if one.name == name), Path("/app"), CAPABILITIES)
    assert isinstance(read, RpcFunction)
    return read


def written(name: str, function_name: str, inputs: dict[str, Datum], **fields: Any) -> tuple[Any, Any]:
    """The recorded request, and this host's for the same call."""
    recorded = RECORDED[name]["invocation_request"]
    request = InvocationRequest(
        function=function_name, invocation_id=recorded["invocation_id"], inputs=inputs, **fields
    )
    return recorded, as_json(invocation_message(request, function(function_name), CAPABILITIES))["invocation_request"]


@pytest.mark.parametrize("name", RECORDED)
def test_each_message_is_read_whole(name: str) -> None:
    read = StreamingMessage.FromString(message(name).SerializeToString())
    assert as_json(read) == RECORDED[name]


def test_the_capabilities_of_the_worker() -> None:
    assert (
        Capabilities(
            wants_nullable_values=True, wants_body_once=True, answers_status=True, can_cancel=True, can_terminate=True
        )
        == CAPABILITIES
    )


@pytest.mark.parametrize("value", ["", "False", "false", " "])
def test_a_capability_without_a_value_is_none(value: str) -> None:
    assert read_capabilities({"WorkerStatus": value, "HttpUri": ""}) == Capabilities()


def test_a_function_is_loaded_as_the_reference_does() -> None:
    request = StreamingMessage()
    request.function_load_request.CopyFrom(function("Counter").load_request)
    assert as_json(request) == RECORDED["function-load-request"]


def test_a_load_request_has_the_bindings_with_their_properties() -> None:
    bindings = as_json(function("BlobFromQueue").load_request)["metadata"]["bindings"]
    assert bindings == {
        "$return": {"type": "blob", "direction": "out"},
        "name": {"type": "queueTrigger", "data_type": "string"},
        "content": {"type": "blob", "data_type": "string", "properties": {"supportsDeferredBinding": "True"}},
    }


def test_the_metadata_of_functions() -> None:
    multi, tick = function("Multi").metadata, function("Tick").metadata
    assert [(one.name, one.type, one.direction) for one in multi.bindings] == [
        ("req", "httpTrigger", "in"), ("Messages", "queue", "out"),
        ("Blob", "blob", "out"), ("Response", "http", "out"),
    ]  # fmt: skip
    assert multi.outputs[1].text("path") == "outbox/{rand-guid}.txt"
    assert tick.retry is not None
    assert (tick.retry.strategy, tick.retry.max_retry_count, tick.retry.delay_interval) == ("fixedDelay", 3, 2.0)
    assert function("QueueBytes").metadata.trigger.data_type == "binary"


@pytest.mark.differs("dotnet-references")
def test_only_parameters_of_sdk_types_get_references() -> None:
    found = {name: function(name).references for name in ("QueueSdk", "BlobSdk", "BlobFromQueue", "BlobTrig")}
    assert found == {
        "QueueSdk": {"msg": "AzureStorageQueues"},
        "BlobSdk": {"blob": "AzureStorageBlobs"},
        "BlobFromQueue": {},
        "BlobTrig": {},
    }


@pytest.mark.parametrize("raw", ["", "[]", "{}", '{"name":"x"}', '{"name":"x","type":"queueTrigger","direction":"up"}'])
def test_a_function_with_unreadable_bindings_is_a_problem(raw: str) -> None:
    reported = message("function-metadata-response").function_metadata_response.function_metadata_results[0]
    reported.raw_bindings[:] = [raw]
    assert isinstance(read_rpc_function(reported, Path("/app"), CAPABILITIES), FunctionProblem)


def test_an_http_request_is_written_as_the_reference_does() -> None:
    request = HttpData(
        "POST",
        "http://localhost:7071/api/echo/7?q=a&q=b&e=",
        {"x-two": "v1,v2", "empty": "", "cookie": "a=1; b=2", "content-type": "application/json"},
        {"e": "", "q": "a,b"},
        {"id": "7"},
        b'{"k":"v"}',
    )
    recorded, own = written(
        "http-post.request", "Echo", {"req": Datum("http", request)}, retry_count=1, max_retry_count=3,
        trace_parent=RECORDED["http-post.request"]["invocation_request"]["trace_context"]["trace_parent"],
        last_error=("earlier", ""),
    )  # fmt: skip
    http = dict(recorded["input_data"][0]["data"]["http"])
    del http["identities"]  # not needed by the worker
    assert own["input_data"] == [{"name": "req", "data": {"http": http}}]
    assert own["trigger_metadata"]["id"] == recorded["trigger_metadata"]["id"]
    assert set(own["trigger_metadata"]) == {"Headers", "id", "Query", "q", "e", "k"}
    for name in ("function_id", "trace_context", "retry_context"):
        assert own[name] == recorded[name]


def test_a_queue_message_is_written_as_the_reference_does() -> None:
    metadata = {
        "Id": "m-1", "DequeueCount": 2, "InsertionTime": "2026-11-28T10:00:00+00:00",
        "ExpirationTime": "2026-12-05T10:00:00+00:00", "NextVisibleTime": "2026-11-28T10:10:00+00:00",
        "PopReceipt": "pr", "QueueTrigger": "hello",
    }  # fmt: skip
    recorded, own = written("queue-text.request", "QueueText", {"text": string("hello")}, trigger_metadata=metadata)
    expected = {name: value for name, value in recorded["trigger_metadata"].items() if name != "sys"}
    assert (own["input_data"], own["trigger_metadata"]) == (recorded["input_data"], expected)


def test_bytes_of_a_queue_are_written_as_the_reference_does() -> None:
    recorded, own = written("queue-bytes.request", "QueueBytes", {"body": binary(b"\0\x01\xff")})
    assert own["input_data"] == recorded["input_data"]


def test_references_are_written_as_the_reference_does() -> None:
    metadata = {
        "Id": "m-1", "PopReceipt": "pr", "DequeueCount": 1, "NextVisibleTime": "2026-11-28T10:10:00+00:00",
        "InsertionTime": "2026-11-28T10:00:00+00:00", "ExpirationTime": "2026-12-05T10:00:00+00:00",
    }  # fmt: skip
    recorded, own = written(
        "queue-sdk-type.request", "QueueSdk", {"msg": string("body text")}, trigger_metadata=metadata
    )
    assert content(own, 0) == content(recorded, 0)
    place = json_text('{"Connection": "AzureWebJobsStorage", "ContainerName": "files", "BlobName": "a.txt"}')
    inputs = {"name": string("a.txt"), "blob": place}
    recorded, own = written("blob-input-deferred.request", "BlobSdk", inputs)
    assert content(own, 1) == content(recorded, 1)


def content(request: dict[str, Any], number: int) -> Any:
    """The reference in an input, with its JSON read."""
    data = request["input_data"][number]["data"]["model_binding_data"]
    return {**data, "content": json.loads(base64.b64decode(data["content"]))}


def test_a_retry_is_written_as_the_reference_does() -> None:
    info = json_text(RECORDED["timer-retry-1.request"]["invocation_request"]["input_data"][0]["data"]["json"])
    recorded, own = written("timer-retry-1.request", "Tick", {"timer": info}, retry_count=1, max_retry_count=3)
    assert own == recorded


@pytest.mark.parametrize(
    ("name", "returned"),
    [
        ("http-poco.response", json_text('{"Name":"n","Count":2}')),
        ("queue-bytes.response", binary(b"\0\x01\xff")),
        ("queue-text.response", string("hello/m-1/2/2026-11-28T10:00:00.0000000+00:00")),
        ("queue-sdk-type.response", json_text('{"Name":"body text","Count":1}')),
        ("timer-retry-1.response", None),
        (
            "http-bytes.response",
            Datum(
                "http",
                HttpReply(
                    200, {"Content-Type": "application/octet-stream"}, [], bytes(range(7, -1, -1)), is_complete=True
                ),
            ),
        ),
    ],
)
def test_what_functions_return(name: str, returned: Datum | None) -> None:
    assert read_invocation(message(name).invocation_response).return_value == returned


def test_several_outputs() -> None:
    response = read_invocation(message("multi-output.response").invocation_response)
    assert response.return_value is None
    assert response.outputs == {
        "Blob": string("blob text"),
        "Response": Datum("http", HttpReply(201, {}, [], b"made", is_complete=True)),
        "Messages": json_text('["one","two"]'),
    }


def test_a_response_with_a_cookie() -> None:
    response = read_invocation(message("http-post.response").invocation_response)
    assert response.return_value is not None
    reply: HttpReply = response.return_value.value
    assert (reply.status, reply.cookies) == (202, ["c1=v1; max-age=60; path=/; httponly"])


@pytest.mark.parametrize(
    ("name", "type", "text", "stack"),
    [
        (
            "http-fails.response",
            "System.InvalidOperationException",
            "no luck today",
            "   at SampleCore.HttpFunctions.Fails(HttpRequestData req) in {SRC}/Functions.cs:line 73",
        ),
        (
            "http-cancelled.response",
            "System.Threading.Tasks.TaskCanceledException",
            "A task was canceled.",
            "   at SampleCore.HttpFunctions.Slow(HttpRequestData req, CancellationToken ct) in {SRC}/Functions.cs"
            ":line 79",
        ),
    ],
)
def test_a_failure_has_the_frames_above_the_generated_code(name: str, type: str, text: str, stack: str) -> None:
    with pytest.raises(FunctionFailed) as caught:
        read_invocation(message(name).invocation_response)
    assert (caught.value.type, caught.value.message, caught.value.stack) == (type, text, stack)


def test_a_failure_outside_of_the_users_code_keeps_all_frames() -> None:
    with pytest.raises(FunctionFailed) as caught:
        read_invocation(message("queue-text-duplicate-metadata.response").invocation_response)
    assert len(caught.value.stack.splitlines()) == 3


def test_an_absent_status_is_a_failure() -> None:
    with pytest.raises(FunctionFailed):
        read_invocation(StreamingMessage().invocation_response)


@pytest.mark.parametrize("status", ["", "200", "abc"])
def test_the_status_of_a_response_is_a_number(status: str) -> None:
    response = message("http-bytes.response").invocation_response
    response.return_value.http.status_code = status
    if status == "abc":
        with pytest.raises(ValueError, match="not a number"):
            read_invocation(response)
    else:
        assert read_invocation(response).return_value.value.status == 200
