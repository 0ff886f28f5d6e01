"""Queue triggers and storage bindings.

Source: docs/protocol/functions-host-queues.md#outcomes,
    docs/protocol/functions-host-queues.md#examples,
    docs/protocol/functions-host-blobs.md#blob-input,
    docs/protocol/functions-host-tables.md#table-output
"""

import base64
import json
import uuid
from collections.abc import Iterator

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from host_process import HostProcess, hub_settings, until, write_app

APP = """
import json
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
STORAGE = "AzureWebJobsStorage"


@app.queue_trigger(arg_name="msg", queue_name="%PREFIX%in", connection=STORAGE)
@app.queue_output(arg_name="out", queue_name="%PREFIX%told", connection=STORAGE)
def tell(msg: func.QueueMessage, out: func.Out[str]) -> None:
    out.set(json.dumps({
        "id": msg.id, "body": msg.get_body().decode(), "count": msg.dequeue_count, "receipt": msg.pop_receipt,
        "inserted": msg.insertion_time.isoformat(), "expires": msg.expiration_time.isoformat(),
        "next": msg.time_next_visible.isoformat(),
    }))


@app.queue_trigger(arg_name="msg", queue_name="%PREFIX%failing", connection=STORAGE)
def failing(msg: func.QueueMessage) -> None:
    print(f"try {msg.dequeue_count} of {msg.get_body().decode()}")
    raise RuntimeError("always")


@app.queue_trigger(arg_name="msg", queue_name="%PREFIX%text", connection=STORAGE)
@app.blob_input(arg_name="blob", path="%PREFIX%blobs/{name}.txt", connection=STORAGE)
@app.blob_output(arg_name="copy", path="%PREFIX%copies/{name}-{DequeueCount}.txt", connection=STORAGE)
def text(msg: str, blob: str, copy: func.Out[str]) -> None:
    copy.set(f"{json.loads(msg)['name']}: {blob}")


@app.route(route="send/{form}")
@app.queue_output(arg_name="plain", queue_name="%PREFIX%sent", connection=STORAGE)
@app.queue_output(arg_name="annotated", queue_name="%PREFIX%sent", connection=STORAGE)
def send(req: func.HttpRequest, plain, annotated: func.Out[str]) -> str:
    form = req.route_params["form"]
    if form == "list":
        plain.set(["a", "b"])
    elif form == "list-text":
        plain.set('["a","b"]')
    elif form == "annotated-dict":
        annotated.set({"a": 1})
    elif form == "dict":
        plain.set({"a": 1})
    elif form == "message":
        plain.set(func.QueueMessage(body="from a message"))
    elif form == "bytes":
        plain.set(b"\\x00\\xff")
    elif form == "looks-like-json":
        plain.set("{not json}")
    return "sent"


@app.route(route="bad-name/{name}")
@app.queue_output(arg_name="out", queue_name="{name}", connection=STORAGE)
def bad_name(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set("x")
    return "sent"


@app.route(route="rows/{key}", methods=["POST"])
@app.table_output(arg_name="out", table_name="%TABLE%", connection=STORAGE, partition_key="{key}")
def write_rows(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set(req.get_body().decode())
    return "written"


@app.route(route="rows/{key}", methods=["GET"])
@app.table_input(arg_name="rows", table_name="%TABLE%", connection=STORAGE, partition_key="{key}",
                 filter="n gt 1", take=2)
def read_rows(req: func.HttpRequest, rows: str) -> func.HttpResponse:
    return func.HttpResponse(rows, mimetype="application/json")


@app.route(route="row/{key}/{row}")
@app.table_input(arg_name="rows", table_name="%TABLE%", connection=STORAGE, partition_key="{key}", row_key="{row}")
def read_row(req: func.HttpRequest, rows: str) -> func.HttpResponse:
    return func.HttpResponse(rows, mimetype="application/json")


@app.route(route="blob/{name}")
@app.blob_input(arg_name="blob", path="%PREFIX%blobs/{name}", connection=STORAGE)
@app.blob_input(arg_name="raw", path="%PREFIX%blobs/{name}", connection=STORAGE, data_type=func.DataType.BINARY)
def read_blob(req: func.HttpRequest, blob: func.InputStream, raw: bytes) -> func.HttpResponse:
    if blob is None:
        return func.HttpResponse("no blob", status_code=404)
    return func.HttpResponse(json.dumps([blob.read().hex(), raw.hex()]))
"""

PREFIX = f"p{uuid.uuid4().hex[:8]}-"
TABLE = f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def queues(connection_string: str) -> QueueServiceClient:
    service = QueueServiceClient.from_connection_string(connection_string)
    for name in ("in", "failing", "text"):
        service.create_queue(PREFIX + name)
    return service


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory, connection_string: str, queues: QueueServiceClient
) -> Iterator[HostProcess]:
    root = write_app(tmp_path_factory.mktemp("queues"), {"function_app.py": APP})
    host = HostProcess(root, {**hub_settings(connection_string), "PREFIX": PREFIX, "TABLE": TABLE})
    yield host.start()
    host.end()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def messages(queues: QueueServiceClient, name: str, count: int) -> list[bytes]:
    """Waits for `count` messages, takes them all and decodes them."""
    queue = queues.get_queue_client(PREFIX + name)
    found: list[bytes] = []

    def enough() -> bool:
        try:
            for message in queue.receive_messages(messages_per_page=32):
                queue.delete_message(message)
                found.append(base64.b64decode(message.content))
        except ResourceNotFoundError:
            return False
        return len(found) >= count

    until(enough)
    return found


def test_a_message_arrives_with_its_metadata(host: HostProcess, queues: QueueServiceClient) -> None:
    sent = queues.get_queue_client(PREFIX + "in").send_message(encoded("hello"))
    told = json.loads(messages(queues, "told", 1)[0])
    assert (told["id"], told["body"], told["count"]) == (sent.id, "hello", 1)
    assert told["receipt"]
    assert told["inserted"] == sent.inserted_on.isoformat()
    assert told["expires"] == sent.expires_on.isoformat()


def test_a_body_with_an_id_does_not_replace_the_metadata(host: HostProcess, queues: QueueServiceClient) -> None:
    sent = queues.get_queue_client(PREFIX + "in").send_message(encoded('{"id": "mine"}'))
    assert json.loads(messages(queues, "told", 1)[0])["id"] == sent.id


def test_a_plain_message_goes_to_poison_unchanged_and_the_reason_is_reported(
    host: HostProcess, queues: QueueServiceClient
) -> None:
    queues.get_queue_client(PREFIX + "in").send_message("hello")
    poison = queues.get_queue_client(PREFIX + "in-poison")

    def moved() -> bool:
        try:
            return [message.content for message in poison.peek_messages()] == ["hello"]
        except ResourceNotFoundError:
            return False

    until(moved, host=host)
    host.wait_for('"messageEncoding": "none"')


def test_a_failing_message_is_tried_five_times(host: HostProcess, queues: QueueServiceClient) -> None:
    queues.get_queue_client(PREFIX + "failing").send_message(encoded("poor"))
    assert messages(queues, "failing-poison", 1) == [b"poor"]
    host.wait_for("Message has reached MaxDequeueCount of 5. Moving message to queue")
    tries = [line.split("] ")[-1] for line in host.lines if "of poor" in line]
    assert tries == [f"try {number} of poor" for number in range(1, 6)]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("list", [b"a", b"b"]),
        ("list-text", [b"a", b"b"]),
        ("annotated-dict", [b'{"a": 1}']),
        ("dict", [b"a"]),
        ("message", [b'{\n  "id": null,\n  "body": "from a message"\n}']),
        ("bytes", [b"\x00\xff"]),
        ("looks-like-json", [b"{not json}"]),
    ],
)
def test_an_output_makes_these_messages(
    host: HostProcess, queues: QueueServiceClient, form: str, expected: list[bytes]
) -> None:
    assert host.get(f"/api/send/{form}").text == "sent"
    assert sorted(messages(queues, "sent", len(expected))) == expected


def test_an_impossible_queue_name_fails_the_invocation(host: HostProcess) -> None:
    response = host.get("/api/bad-name/NOT_A_NAME")
    assert response.status_code == 500
    assert "not a valid queue name" in response.json()["error"]


def test_expressions_find_properties_of_the_message(
    host: HostProcess, queues: QueueServiceClient, connection_string: str
) -> None:
    blobs = BlobServiceClient.from_connection_string(connection_string)
    container = blobs.get_container_client(PREFIX + "blobs")
    if not container.exists():
        container.create_container()
    container.upload_blob("one.txt", "the text")
    queues.get_queue_client(PREFIX + "text").send_message(encoded('{"name": "one"}'))
    copy = blobs.get_blob_client(PREFIX + "copies", "one-1.txt")
    until(copy.exists, host=host)
    assert copy.download_blob().readall() == b"one: the text"
    assert "AzureWebJobsParentId" in copy.get_blob_properties().metadata


def test_a_blob_input_keeps_binary_content_and_is_none_without_a_blob(
    host: HostProcess, connection_string: str
) -> None:
    container = BlobServiceClient.from_connection_string(connection_string).get_container_client(PREFIX + "blobs")
    if not container.exists():
        container.create_container()
    container.upload_blob("binary", bytes(range(256)), overwrite=True)
    container.upload_blob("marked", "\ufefftext".encode(), overwrite=True)
    assert host.get("/api/blob/binary").json() == [bytes(range(256)).hex()] * 2
    assert host.get("/api/blob/marked").json() == [b"text".hex(), "\ufefftext".encode().hex()]
    assert host.get("/api/blob/missing").status_code == 404


def test_table_rows_are_written_and_read(host: HostProcess, connection_string: str) -> None:
    rows = [{"RowKey": f"r{n}", "n": n, "text": "x", "f": 1.5, "b": True, "deep": {"a": [1]}} for n in range(5)]
    assert host.post("/api/rows/p1", json=rows).text == "written"
    assert host.post("/api/rows/p2", json=rows[0]).text == "written"
    read = host.get("/api/rows/p1").json()
    assert [row["RowKey"] for row in read] == ["r2", "r3"]
    assert read[0] == {
        "PartitionKey": "p1", "RowKey": "r2", "n": 2, "text": "x", "f": 1.5, "b": True, "deep": '{"a":[1]}',
    }  # fmt: skip
    assert [row["RowKey"] for row in host.get("/api/row/p1/r4").json()] == ["r4"]
    stored = TableServiceClient.from_connection_string(connection_string).get_table_client(TABLE)
    assert stored.get_entity("p1", "r2")["n"].edm_type.value == "Edm.Int64"


def test_inserting_a_row_twice_fails_the_invocation_and_an_etag_replaces(host: HostProcess) -> None:
    assert host.post("/api/rows/again", json={"RowKey": "r", "n": 1}).status_code == 200
    assert host.post("/api/rows/again", json={"RowKey": "r", "n": 2}).status_code == 500
    assert host.post("/api/rows/again", json={"RowKey": "r", "n": 3, "ETag": "*"}).status_code == 200
    assert host.get("/api/row/again/r").json()[0]["n"] == 3


@pytest.mark.parametrize("body", ["no json", '{"n": 1}', "[1]", '{"RowKey": "a/b"}'])
def test_a_row_that_cannot_be_written_fails_the_invocation(host: HostProcess, body: str) -> None:
    response = host.post("/api/rows/bad", data=body)
    assert response.status_code == 500
    assert response.json()["error"]


def test_a_queue_function_is_invoked_by_hand(host: HostProcess, queues: QueueServiceClient) -> None:
    response = host.post("/admin/functions/tell?wait=true", json={"input": "by hand"})
    assert response.json()["status"] == "Succeeded"
    assert json.loads(messages(queues, "told", 1)[0])["body"] == "by hand"
