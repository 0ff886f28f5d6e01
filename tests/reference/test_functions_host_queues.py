"""What queues store and what functions get of it: rows 5 to 8 of the page functions-host. One host runs them all.

Source: docs/protocol/functions-host-values.md#items-of-an-output,
    docs/protocol/functions-host-queues.md#message-encoding,
    docs/protocol/functions-host-expressions.md#binding-data
"""

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from host_process import HostProcess, hub_settings, until, write_app

from durable_host.bindings.queue_items import split_text
from durable_host.triggers.queue.trigger import untranslatable

pytestmark = pytest.mark.process

APP = """
import json
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
STORAGE = "AzureWebJobsStorage"


@app.route(route="message/{queue}")
@app.queue_output(arg_name="out", queue_name="%P%{queue}", connection=STORAGE)
def message(req: func.HttpRequest, out: func.Out[func.QueueMessage]) -> str:
    out.set(func.QueueMessage(body="body text"))
    return "sent"


@app.route(route="messages")
@app.queue_output(arg_name="out", queue_name="%P%messages", connection=STORAGE)
def messages(req: func.HttpRequest, out) -> str:
    out.set([func.QueueMessage(id="1", body="one"), func.QueueMessage(body="zwei: ü")])
    return "sent"


@app.route(route="items/{queue}", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="%P%{queue}", connection=STORAGE)
def items(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set(req.get_json() if "value" in req.params else req.get_body().decode())
    return "sent"


@app.queue_trigger(arg_name="msg", queue_name="%P%consumed", connection=STORAGE)
@app.queue_output(arg_name="out", queue_name="%P%told", connection=STORAGE)
def consume(msg: func.QueueMessage, out: func.Out[str]) -> None:
    out.set(json.dumps({"got": msg.get_body().decode()}))


@app.queue_trigger(arg_name="msg", queue_name="%P%text", connection=STORAGE)
def text(msg: str) -> None:
    print("text ran")


@app.queue_trigger(arg_name="msg", queue_name="%P%binary", connection=STORAGE, data_type=func.DataType.BINARY)
def binary(msg: bytes) -> None:
    print(f"binary ran with {msg!r}")


@app.queue_trigger(arg_name="msg", queue_name="%P%named", connection=STORAGE)
@app.blob_output(arg_name="out", path="%P%blobs/{Id}-{InsertionTime}{ExpirationTime}{NextVisibleTime}{queuetrigger}",
                 connection=STORAGE)
def named(msg: func.QueueMessage, out: func.Out[str]) -> None:
    out.set(json.dumps([msg.id, msg.insertion_time.isoformat()]))


@app.route(route="blob/{ROUTE?}", methods=["POST"])
@app.blob_output(arg_name="out", path="%P%blobs/{name}{req}-{route}", connection=STORAGE)
def blob(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set("written")
    return "sent"


@app.route(route="read", methods=["POST"])
@app.blob_input(arg_name="found", path="%P%blobs/{name}", connection=STORAGE)
def read(req: func.HttpRequest, found: str) -> str:
    return "read"
"""

P = f"r{uuid.uuid4().hex[:8]}-"


@pytest.fixture(scope="module")
def queues(connection_string: str) -> QueueServiceClient:
    service = QueueServiceClient.from_connection_string(connection_string)
    for name in ("consumed", "text", "binary", "named"):
        service.create_queue(P + name)
    return service


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory, connection_string: str, queues: QueueServiceClient
) -> Iterator[HostProcess]:
    root = write_app(tmp_path_factory.mktemp("queues"), {"function_app.py": APP})
    host = HostProcess(root, {**hub_settings(connection_string), "P": P})
    yield host.start()
    host.end()


@pytest.fixture(scope="module")
def blobs(connection_string: str) -> BlobServiceClient:
    return BlobServiceClient.from_connection_string(connection_string)


def stored(queues: QueueServiceClient, name: str, count: int) -> list[str]:
    """Waits until the queue has `count` messages: their texts."""
    queue = queues.get_queue_client(P + name)

    def texts() -> list[str] | None:
        try:
            found = queue.peek_messages(max_messages=32)
        except ResourceNotFoundError:
            return None
        return [base64.b64decode(one.content).decode() for one in found] if len(found) == count else None

    return until(texts)


def test_a_queue_message_is_stored_as_json(host: HostProcess, queues: QueueServiceClient) -> None:
    """functions-host 5: what the real worker stores has `id` and `body`."""
    assert host.get("/api/message/one").text == "sent"
    assert stored(queues, "one", 1) == ['{\n  "id": null,\n  "body": "body text"\n}']


def test_each_queue_message_of_a_list_is_stored_as_json(host: HostProcess, queues: QueueServiceClient) -> None:
    """functions-host 5: one message for each, in the same form."""
    assert host.get("/api/messages").text == "sent"
    assert stored(queues, "messages", 2) == [
        '{\n  "id": "1",\n  "body": "one"\n}',
        '{\n  "id": null,\n  "body": "zwei: ü"\n}',
    ]


def test_a_consumer_gets_the_json_and_the_log_says_so_once(host: HostProcess, queues: QueueServiceClient) -> None:
    """functions-host 5: get_body() of a consumer returns exactly what is stored."""
    for _ in range(2):
        assert host.get("/api/message/consumed").text == "sent"
    for text in stored(queues, "told", 2):
        assert json.loads(text) == {"got": '{\n  "id": null,\n  "body": "body text"\n}'}
    host.wait_for("DH5051: The function 'message' sets its output 'out' to a func.QueueMessage.*in Azure too")
    assert sum("DH5051: The function 'message'" in line for line in host.lines) == 1


@pytest.mark.parametrize("form", ["", "?value=1"], ids=["text", "value"])
def test_items_of_an_array_are_printed_as_dotnet_does(host: HostProcess, queues: QueueServiceClient, form: str) -> None:
    """functions-host 6: null is an empty message, true is `True`."""
    queue = f"items{len(form)}"
    assert host.post(f"/api/items/{queue}{form}", data='[null, true, false, 1.50, 2, "x"]').text == "sent"
    assert stored(queues, queue, 6) == ["", "True", "False", "1.5", "2", "x"]


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("1E5", "100000"),
        ("-0", "0"),
        ("-0.0", "-0"),
        ("1.23456789012345678901", "1.2345678901234567"),
        ("9223372036854775808", "9223372036854775808"),
        ("0.00001", "1E-05"),
        ("1.5e15", "1500000000000000"),
        ("1.5e16", "15000000000000000"),
        ("1e17", "1E+17"),
        ("123456789012345678.0", "1.2345678901234568E+17"),
    ],
)
def test_numbers_are_printed_as_json_net_does(item: str, text: str) -> None:
    """functions-host 6: .NET printing of each item. The texts are those of `JToken.ToString()` of Json.NET 13."""
    assert split_text(f"[{item}]") == [text]


def test_a_message_that_is_not_text_fails_five_times(host: HostProcess, queues: QueueServiceClient) -> None:
    """functions-host 7: base64 that is not UTF-8 never runs the function, and goes to the poison queue unchanged."""
    content = base64.b64encode(b"ok\xff").decode()
    queues.get_queue_client(P + "text").send_message(content)
    poison = queues.get_queue_client(P + "text-poison")

    def moved() -> bool:
        try:
            return [message.content for message in poison.peek_messages()] == [content]
        except ResourceNotFoundError:
            return False

    until(moved, host=host)
    assert "text ran" not in host.output
    host.wait_for("Message has reached MaxDequeueCount of 5")
    lines = [line for line in host.lines if "Unable to translate bytes [FF] at index 2" in line]
    assert len(lines) == 5
    assert all("DH5052" in line for line in lines)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"ok\xff", "[FF] at index 2"),
        (b"\xc3(", "[C3] at index 0"),
        (b"o\xe2\x82", "[E2][82] at index 1"),
        (b"\xf0\x9f\x98A", "[F0][9F][98] at index 0"),
        (b"\xed\xa0\x80", "[ED] at index 0"),
    ],
)
def test_bytes_that_are_not_text_are_named_as_dotnet_does(content: bytes, place: str) -> None:
    """functions-host 7: `Unable to translate bytes [FF]…`"""
    with pytest.raises(UnicodeDecodeError) as caught:
        content.decode()
    assert untranslatable(caught.value) == (f"Unable to translate bytes {place} from specified code page to Unicode.")


def test_a_function_that_takes_bytes_gets_them(host: HostProcess, queues: QueueServiceClient) -> None:
    """functions-host 7: the failure is that of the text."""
    queues.get_queue_client(P + "binary").send_message(base64.b64encode(b"ok\xff").decode())
    host.wait_for(r"binary ran with b'ok\\xff'")


def named_blob(blobs: BlobServiceClient, host: HostProcess, name: str) -> Any:
    blob = blobs.get_blob_client(P + "blobs", name)
    until(blob.exists, host=host)
    return blob.download_blob().readall().decode()


@pytest.mark.differs("message-id")
def test_properties_of_the_body_replace_the_names_of_the_message(
    host: HostProcess, queues: QueueServiceClient, blobs: BlobServiceClient
) -> None:
    """functions-host 8: `{Id}` is that of the body, times are empty; `msg.id` stays different: the message's own."""
    body = json.dumps({"id": "mine", "QUEUETRIGGER": ".txt"})
    sent = queues.get_queue_client(P + "named").send_message(base64.b64encode(body.encode()).decode())
    assert json.loads(named_blob(blobs, host, "mine-.txt")) == [sent.id, sent.inserted_on.isoformat()]


def test_the_request_has_no_text_and_the_case_of_names_does_not_count(
    host: HostProcess, blobs: BlobServiceClient
) -> None:
    """functions-host 8: `{req}` is empty; a value of the route replaces that of the body, whatever its case."""
    assert host.post("/api/blob/x", json={"name": "by-http", "Route": "body"}).text == "sent"
    assert named_blob(blobs, host, "by-http-x") == "written"


@pytest.mark.parametrize("path", ["/api/blob/x", "/api/read"])
def test_a_blob_name_with_a_backslash_is_refused(host: HostProcess, path: str) -> None:
    """functions-host 8: the invocation fails."""
    response = host.post(path, json={"name": "a\\b"})
    assert response.status_code == 500
    assert "contains illegal characters" in response.json()["error"]
