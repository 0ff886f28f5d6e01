"""The app `bindings`: queues, blobs, tables, timers and retries in Node.js."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient
from host_process import HostProcess, until

QUEUES = ("node-in", "node-binary", "node-bad", "node-retried", "node-seen")
CONTAINERS = ("node-blobs", "node-texts", "node-beside", "node-out")


@pytest.fixture(scope="module")
def host(start_node_app, connection_string: str) -> HostProcess:
    queues = QueueServiceClient.from_connection_string(connection_string)
    blobs = BlobServiceClient.from_connection_string(connection_string)
    for name in QUEUES:
        try:
            queues.create_queue(name)
        except ResourceExistsError:
            queues.get_queue_client(name).clear_messages()
    for name in CONTAINERS:
        blobs.create_container(name)
    TableServiceClient.from_connection_string(connection_string).create_table_if_not_exists("NodeRows")
    return start_node_app("bindings")


@pytest.fixture
def seen(connection_string: str) -> Iterator[QueueClient]:
    with QueueClient.from_connection_string(connection_string, "node-seen") as queue:
        yield queue
        queue.clear_messages()


def take(queue: QueueClient, host: HostProcess, count: int = 1) -> list[str]:
    """The next messages of the queue, as texts."""
    texts: list[str] = []

    def has_all() -> bool:
        for message in queue.receive_messages():
            texts.append(message.content)
            queue.delete_message(message)
        return len(texts) >= count

    until(has_all, host=host)
    return texts


def told(queue: QueueClient, host: HostProcess) -> Any:
    return json.loads(take(queue, host)[0])


@pytest.mark.parametrize(
    ("text", "kind", "item"),
    [
        ('{"a": {"b": [1, null]}}', "object", {"a": {"b": [1, None]}}),
        ("42", "number", 42),
        ("true", "boolean", True),
        ('"quoted"', "string", "quoted"),
        ("plain ü", "string", "plain ü"),
        ("{broken", "string", "{broken"),
    ],
)
def test_queue_message_is_parsed_if_it_is_json(
    host: HostProcess, seen: QueueClient, connection_string: str, text: str, kind: str, item: object
) -> None:
    with QueueClient.from_connection_string(connection_string, "node-in") as queue:
        queue.send_message(text)
    assert told(seen, host) == {
        "type": kind,
        "item": item,
        "id": True,
        "dequeueCount": 1,
        "inserted": True,
        "metadata": True,
    }


def test_message_of_data_type_binary_is_a_buffer(host: HostProcess, seen: QueueClient, connection_string: str) -> None:
    with QueueClient.from_connection_string(connection_string, "node-binary") as queue:
        queue.send_message("42")
    assert told(seen, host) == {"type": "buffer", "bytes": [0x34, 0x32]}


def test_message_that_always_fails_goes_to_the_poison_queue(host: HostProcess, connection_string: str) -> None:
    poison = QueueClient.from_connection_string(connection_string, "node-bad-poison")
    with QueueClient.from_connection_string(connection_string, "node-bad") as queue:
        queue.send_message("bad")

    def is_there() -> bool:
        try:
            return [message.content for message in poison.peek_messages()] == ["bad"]
        except Exception:
            return False

    until(is_there, host=host)
    host.wait_for("Exception: never good$")


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("text", ["a text"]),
        ("number", ["42"]),
        ("fraction", ["1.5"]),
        ("yes", ["true"]),
        ("buffer", ["bytes"]),
        ("list", ["x", {"y": 1}, "3"]),
        ("object", [{"a": {"b": []}}]),
    ],
)
def test_value_of_an_output_becomes_messages(
    host: HostProcess, seen: QueueClient, kind: str, texts: list[object]
) -> None:
    assert host.get(f"/api/send/{kind}").text == "sent"
    found = take(seen, host, len(texts))
    assert [json.loads(text) if text.startswith("{") else text for text in found] == texts


@pytest.mark.parametrize("path", ["send/nothing", "send/none", "sendNothing"])
def test_output_without_a_value_sends_nothing(host: HostProcess, seen: QueueClient, path: str) -> None:
    assert host.get(f"/api/{path}").status_code == 200
    assert seen.get_queue_properties().approximate_message_count == 0


def test_value_that_is_not_json_fails_the_function(host: HostProcess) -> None:
    assert host.get("/api/bigint").status_code == 500
    host.wait_for("Do not know how to serialize a BigInt")


def test_blob_trigger_gets_a_buffer_and_an_input_that_is_missing_is_undefined(
    host: HostProcess, seen: QueueClient, connection_string: str
) -> None:
    service = BlobServiceClient.from_connection_string(connection_string)
    content = bytes(range(256))
    service.get_blob_client("node-blobs", "one.bin").upload_blob(content)
    assert told(seen, host) == {
        "buffer": True,
        "size": 256,
        "name": "one.bin",
        "uri": f"/{service.account_name}/node-blobs/one.bin",
        "beside": "missing",
    }
    copy = service.get_blob_client("node-out", "one.bin.copy")
    assert until(lambda: copy.exists() and copy.download_blob().readall(), host=host) == content


def test_blob_trigger_of_data_type_string_gets_text(
    host: HostProcess, seen: QueueClient, connection_string: str
) -> None:
    service = BlobServiceClient.from_connection_string(connection_string)
    service.get_blob_client("node-texts", "t.txt").upload_blob("hellö")
    assert told(seen, host) == {"type": "string", "text": "hellö"}


def test_blob_input_is_a_buffer_or_text(host: HostProcess, connection_string: str) -> None:
    service = BlobServiceClient.from_connection_string(connection_string)
    service.get_blob_client("node-beside", "x").upload_blob("hi")
    assert host.get("/api/blob/x").json() == {"bytes": [0x68, 0x69], "text": "hi"}
    assert host.get("/api/blob/none").json() == {"bytes": "undefined", "text": "undefined"}


@pytest.mark.parametrize(("kind", "content"), [("text", "ü".encode()), ("buffer", b"\x00\xff"), ("object", b'{"a":1}')])
def test_value_of_a_blob_output_is_written(
    host: HostProcess, connection_string: str, kind: str, content: bytes
) -> None:
    assert host.get(f"/api/write/{kind}.out/{kind}").text == "written"
    service = BlobServiceClient.from_connection_string(connection_string)
    assert service.get_blob_client("node-out", f"{kind}.out").download_blob().readall() == content


@pytest.mark.parametrize("names", [("PartitionKey", "RowKey"), ("partitionKey", "rowKey")])
def test_rows_are_written_and_read(host: HostProcess, names: tuple[str, str]) -> None:
    partition_key, row_key = names
    pk = f"p{partition_key}"
    rows = [{partition_key: pk, row_key: str(number), "amount": number} for number in (1, 2)]
    assert host.post(f"/api/rows/{pk}", json=rows).status_code == 201
    assert host.post(f"/api/rows/{pk}", json={partition_key: pk, row_key: "3", "amount": 3}).status_code == 201
    found = host.get(f"/api/rows/{pk}").json()
    assert sorted(row["RowKey"] for row in found) == ["1", "2", "3"]
    one = host.get(f"/api/rows/{pk}/2").json()["row"]
    assert (one["PartitionKey"], one["RowKey"], one["amount"]) == (pk, "2", 2)
    assert host.get(f"/api/rows/{pk}/none").json() == {"row": None}


def test_timer_has_its_schedule_in_camel_case(host: HostProcess, seen: QueueClient) -> None:
    assert host.post("/admin/functions/tick", json={}).status_code == 202
    assert told(seen, host) == {
        "keys": ["isPastDue", "schedule", "scheduleStatus"],
        "adjust": True,
        "due": False,
        "metadata": True,
    }


def test_function_is_retried_and_sees_its_retry_context(
    host: HostProcess, seen: QueueClient, connection_string: str
) -> None:
    with QueueClient.from_connection_string(connection_string, "node-retried") as queue:
        queue.send_message("again")
    assert told(seen, host) == {"attempts": 3, "retryCount": 2, "maxRetryCount": 2, "message": "attempt 2"}
