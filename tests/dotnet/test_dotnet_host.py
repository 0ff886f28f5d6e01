"""A .NET isolated app through a real host, with the scripted worker."""

import base64
import concurrent.futures
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient
from host_process import HostProcess, until
from scripted_apps import HTTP_OUT, http_function, queue_function, timer_function

pytestmark = pytest.mark.process

QUEUE_OUT = {"name": "$return", "type": "queue", "direction": "Out", "queueName": "rpc-out"}
TABLE = {
    "name": "row", "type": "table", "direction": "In", "tableName": "rpcrows", "partitionKey": "p",
    "rowKey": "{queueTrigger}",
}  # fmt: skip
DEFERRED = {"properties": {"supportsDeferredBinding": "True"}}
FUNCTIONS = [
    http_function("Hello", route="hello/{id:int}/{rest?}"),
    http_function("Cookies"),
    http_function("Object", does={"return_value": {"json": '{"a":1}'}}),
    http_function("Text", does={"return_value": {"string": "plain"}}),
    http_function("Nothing", does={}),
    http_function("Status", does={"return_value": {"http": {"status_code": "nonsense"}}}),
    http_function("Fails", does="fail"),
    http_function("Waits", does="wait"),
    {"name": "Named", "bindings": [
        {"name": "req", "type": "httpTrigger", "direction": "In", "authLevel": "Anonymous"},
        {**HTTP_OUT, "name": "Response"},
        {**QUEUE_OUT, "name": "Messages"},
    ]},
    {**http_function("Broken"), "loads": False},
    queue_function("Echoes", "rpc-in", QUEUE_OUT),
    queue_function("Rows", "rpc-rows", {**TABLE, **DEFERRED, "dataType": "String"},
                   {**TABLE, **DEFERRED, "name": "rows", "filter": "A eq 1", "take": 2}, QUEUE_OUT),
    queue_function("Returns", "rpc-kill"),
    {**timer_function("Ticks"), "retry": {"max_retry_count": 2, "delay_interval": "0.01s", "retry_strategy": 1}},
]  # fmt: skip
CODE = """
import asyncio, json, pathlib, scripted_worker

def Cookies(call):
    cookies = ({"name": "a", "value": "1"}, {"name": "b", "value": "2", "secure": {"value": True}})
    return call.respond("two", 201, {"X-A": "b"}, cookies)

def Named(call):
    call.outputs["Response"] = call.respond("made", 201)
    call.outputs["Messages"] = ["first", "second"]

def Echoes(call):
    return json.dumps(call.seen())

def Rows(call):
    return json.dumps(call.seen()["input"])

async def Returns(call):
    call.log("has it " + call.metadata["DequeueCount"].json)
    if call.metadata["DequeueCount"].json == "1":
        await asyncio.Event().wait()

def Ticks(call):
    call.log("attempt " + json.dumps(call.seen()["retry"], sort_keys=True))
    raise scripted_worker.Failure("System.ApplicationException", "tick fails")
"""


@pytest.fixture(scope="module")
def host(start_scripted_host: Callable[..., HostProcess]) -> HostProcess:
    extensions = {"queues": {"visibilityTimeout": "00:00:00", "maxPollingInterval": "00:00:00.100"}}
    return start_scripted_host(FUNCTIONS, code=CODE, host_json={"extensions": extensions})


@pytest.fixture(scope="module")
def queues(connection_string: str) -> QueueServiceClient:
    return QueueServiceClient.from_connection_string(connection_string)


def messages(queues: QueueServiceClient, name: str, count: int, host: HostProcess) -> list[str]:
    """The texts of the next messages of a queue, which are deleted."""
    client, found = queues.get_queue_client(name), list[str]()

    def all_found() -> bool:
        for message in client.receive_messages():
            found.append(base64.b64decode(message.content).decode())
            client.delete_message(message)
        return len(found) >= count

    until(all_found, 30, host)
    return found


def put(queues: QueueServiceClient, name: str, text: str) -> None:
    client = queues.get_queue_client(name)
    with contextlib.suppress(ResourceExistsError):
        client.create_queue()
    client.send_message(base64.b64encode(text.encode()).decode())


def test_the_start_names_the_runtime_and_the_functions(host: HostProcess) -> None:
    host.wait_for(r"Found \.NET version 10\.0\.12")
    host.wait_for("Microsoft.Azure.Functions.Worker 2.52.0.0")
    host.wait_for(r"Hello: .*http://localhost:\d+/api/hello/\{id:int\}/\{rest\?\}")


def test_route_values_headers_and_the_query_arrive(host: HostProcess) -> None:
    answer = host.post("/api/hello/7/x?q=a&q=b&e=", data=b'{"k":"v"}', headers={"X-Two": "v1", "Cookie": "a=1; b=2"})
    seen = answer.json()
    rpc = seen["input"]["req"]["http"]
    assert (rpc["method"], rpc["url"]) == ("POST", f"{host.base_url}/api/hello/7/x?q=a&q=b&e=")
    assert rpc["nullable_headers"]["x-two"] == {"value": "v1"}
    assert rpc["nullable_headers"]["cookie"] == {"value": "a=1; b=2"}
    assert rpc["nullable_params"] == {"id": {"value": "7"}, "rest": {"value": "x"}}
    metadata = seen["metadata"]
    assert {name: metadata[name] for name in ("id", "rest", "q", "k")} == {
        "id": {"string": "7"}, "rest": {"string": "x"}, "q": {"string": "a,b"}, "k": {"string": "v"},
    }  # fmt: skip


def test_two_cookies_leave(host: HostProcess) -> None:
    answer = host.get("/api/Cookies")
    assert (answer.status_code, answer.text, answer.headers["X-A"]) == (201, "two", "b")
    assert answer.raw.headers.getlist("Set-Cookie") == ["a=1; path=/", "b=2; path=/; secure"]
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize(
    ("name", "status", "text", "type"),
    [
        ("Object", 200, '{"a":1}', "text/plain; charset=utf-8"),
        ("Text", 200, "plain", "text/plain; charset=utf-8"),
        ("Nothing", 204, "", None),
    ],
)
def test_returned_values_become_responses(host: HostProcess, name: str, status: int, text: str, type: str) -> None:
    answer = host.get(f"/api/{name}")
    assert (answer.status_code, answer.text, answer.headers.get("Content-Type")) == (status, text, type)


def test_named_outputs_are_written(host: HostProcess, queues: QueueServiceClient) -> None:
    answer = host.post("/api/Named")
    assert (answer.status_code, answer.text) == (201, "made")
    assert sorted(messages(queues, "rpc-out", 2, host)) == ["first", "second"]


def test_a_failure_is_a_500_with_the_users_frames(host: HostProcess) -> None:
    answer = host.get("/api/Fails")
    assert answer.status_code == 500
    assert answer.json()["error"] == "System.InvalidOperationException: no luck today"
    host.wait_for("Exception: System.InvalidOperationException: no luck today")
    host.wait_for(r"Stack:    at Scripted\.Functions\.Fails\(\) in Functions\.cs:line 7")
    assert host.get("/api/Status").status_code == 500
    host.wait_for("The function returned the HTTP status 'nonsense', which is not a number")


def test_a_function_that_was_not_loaded_says_why(host: HostProcess) -> None:
    host.wait_for("The worker could not load the function: System.InvalidOperationException: Method 'Broken'")
    answer = host.get("/api/Broken")
    assert (answer.status_code, answer.json()["function"]) == (500, "Broken")
    assert "Method 'Broken' specified in entry point was not found" in answer.json()["error"]
    assert host.get("/api/Text").text == "plain"


def test_a_message_arrives_with_metadata_that_is_unique_whatever_its_case(
    host: HostProcess, queues: QueueServiceClient
) -> None:
    put(queues, "rpc-in", '{"id":"own","dequeuecount":"x","Amount":12.50,"flag":true,"text":"t","none":null}')
    seen = json.loads(messages(queues, "rpc-out", 1, host)[0])
    metadata: dict[str, Any] = seen["metadata"]
    assert len({name.lower() for name in metadata}) == len(metadata)
    assert metadata["DequeueCount"] == {"json": "1"}
    assert metadata["Id"]["string"] != "own"
    assert json.loads(metadata["InsertionTime"]["json"]).startswith("20")
    assert (metadata["Amount"], metadata["flag"], metadata["text"]) == (
        {"json": "12.50"},
        {"json": "true"},
        {"string": "t"},
    )
    assert "none" not in metadata


def test_a_table_input_is_a_row_or_a_reference(
    host: HostProcess, queues: QueueServiceClient, connection_string: str
) -> None:
    table = TableServiceClient.from_connection_string(connection_string).create_table_if_not_exists("rpcrows")
    table.upsert_entity({"PartitionKey": "p", "RowKey": "r", "A": 1})
    put(queues, "rpc-rows", "r")
    seen = json.loads(messages(queues, "rpc-out", 1, host)[0])
    assert json.loads(seen["row"]["json"]) == {"PartitionKey": "p", "RowKey": "r", "A": 1}
    reference = seen["rows"]["model_binding_data"]
    assert reference["source"] == "AzureStorageTables"
    assert json.loads(base64.b64decode(reference["content"])) == {
        "TableName": "rpcrows", "PartitionKey": "p", "RowKey": "r", "Filter": "A eq 1", "Take": 2,
        "Connection": "AzureWebJobsStorage",
    }  # fmt: skip


def test_retries_have_a_context(host: HostProcess) -> None:
    assert host.post("/admin/functions/Ticks", json={"input": ""}).status_code == 202
    host.wait_for(r"attempt \{\}")
    host.wait_for(r'"message": "System\.ApplicationException: tick fails".*"max_retry_count": 2, "retry_count": 1')
    host.wait_for(r'"retry_count": 2')
    host.wait_for(r"Function execution failed after '2' retries")


def test_a_client_that_leaves_cancels_the_function(host: HostProcess) -> None:
    address = host.base_url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as client:
        client.sendall(b"GET /api/Waits HTTP/1.1\r\nHost: localhost\r\n\r\n")
        host.wait_for("] waits")
    host.wait_for(r"Executed 'Functions\.Waits' \(Canceled")


def test_a_message_of_a_worker_that_dies_returns_to_its_queue(host: HostProcess, queues: QueueServiceClient) -> None:
    put(queues, "rpc-kill", "x")
    host.wait_for("has it 1")
    (pid,) = worker_pids(host)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waits = pool.submit(host.get, "/api/Waits")
        until(lambda: sum("] waits" in line for line in host.lines) > 1, host=host)
        os.kill(pid, signal.SIGKILL)
        assert waits.result().status_code == 500
    host.wait_for("has it 2")
    assert host.get("/api/Text").text == "plain"
    assert worker_pids(host) != [pid]


def worker_pids(host: HostProcess) -> list[int]:
    processes = host.get("/admin/host/processes").json()["processes"]
    return [one["processId"] for one in processes if one["processName"] != "func"]


def test_a_new_build_is_taken_over_while_the_host_runs(
    start_scripted_host: Callable[..., HostProcess],
) -> None:
    host = start_scripted_host([http_function("F", does={"return_value": {"string": "old"}})])
    assert host.get("/api/F").text == "old"
    script = json.loads((host.root / "scripted.json").read_text())
    script["functions"][0]["does"] = {"return_value": {"string": "new"}}
    (host.root / "scripted.json").write_text(json.dumps(script))
    with (host.root / "Scripted.dll").open("a") as assembly:
        assembly.write("\n# built again\n")
    host.wait_for("Reloaded in")
    assert host.get("/api/F").text == "new"


@pytest.mark.parametrize(
    ("misbehaves", "code", "text"),
    [
        ("init fails", "DH4005", "The worker could not be initialized."),
        ("metadata fails", "DH4005", "The worker could not list its functions."),
        ("exits at once", "DH4005", r"no such assembly"),
    ],
)
def test_a_worker_that_does_not_start_ends_the_host(
    start_scripted_host: Callable[..., HostProcess], misbehaves: str, code: str, text: str
) -> None:
    host = start_scripted_host([http_function("F")], misbehaves=[misbehaves], wait=False)
    host.wait_for(code)
    host.wait_for(text)
    assert host.wait_exit() == 6
