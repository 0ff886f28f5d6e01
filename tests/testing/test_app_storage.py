"""Queues, blobs, tables and timers of an app under test: real worker process and SDKs, storage in memory."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from durable_host.testing import FunctionApp

APP = """
import json
import logging
import os

import azure.functions as func
import azure.durable_functions as df
import azurefunctions.extensions.bindings.blob as blob
from azure.storage.blob import BlobServiceClient

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.orchestration_trigger(context_name="context")
def approval(context):
    yield context.wait_for_external_event("Approval")
    return "granted"


@app.queue_trigger(arg_name="message", queue_name="approval-queue", connection="AzureWebJobsStorage")
@app.durable_client_input(client_name="client")
async def approve(message: func.QueueMessage, client):
    await client.raise_event(message.get_body().decode(), "Approval", True)


@app.queue_trigger(arg_name="message", queue_name="orders", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="receipt", queue_name="receipts", connection="AzureWebJobsStorage")
def take_order(message: func.QueueMessage, receipt: func.Out[str]):
    order = message.get_json()
    logging.info("attempt %d", message.dequeue_count)
    if order.get("fails", 0) >= message.dequeue_count:
        raise ValueError("out of stock")
    receipt.set(json.dumps({"order": order["id"], "attempt": message.dequeue_count}))


@app.queue_trigger(arg_name="message", queue_name="branch-orders", connection="Branch")
def take_branch_order(message: func.QueueMessage):
    logging.info("branch order %s", message.get_body().decode())


@app.blob_trigger(arg_name="document", path="documents/{name}.txt", connection="AzureWebJobsStorage")
@app.blob_output(arg_name="upper", path="upper/{name}.txt", connection="AzureWebJobsStorage")
def shout(document: func.InputStream, upper: func.Out[str]):
    text = document.read().decode()
    if text == "broken":
        raise ValueError("unreadable")
    upper.set(text.upper())


@app.queue_trigger(arg_name="message", queue_name="lookups", connection="AzureWebJobsStorage")
@app.blob_input(arg_name="text", path="documents/{queueTrigger}.txt", connection="AzureWebJobsStorage")
@app.table_input(arg_name="prices", table_name="Prices", partition_key="{queueTrigger}",
                 connection="AzureWebJobsStorage")
@app.table_output(arg_name="found", table_name="Lookups", connection="AzureWebJobsStorage")
def look_up(message: func.QueueMessage, text: str, prices: str, found: func.Out[str]):
    name = message.get_body().decode()
    row = {"PartitionKey": "all", "RowKey": name, "Text": text, "Prices": len(json.loads(prices))}
    found.set(json.dumps(row))


@app.queue_trigger(arg_name="message", queue_name="measures", connection="AzureWebJobsStorage")
@app.blob_input(arg_name="client", path="documents/{queueTrigger}.txt", connection="AzureWebJobsStorage")
def measure(message: func.QueueMessage, client: blob.BlobClient):
    account = BlobServiceClient.from_connection_string(os.environ["AzureWebJobsStorage"])
    size = str(client.get_blob_properties().size)
    account.get_blob_client("upper", "size").upload_blob(size, overwrite=True)


@app.timer_trigger(arg_name="timer", schedule="0 0 6 * * *")
@app.queue_output(arg_name="reminder", queue_name="reminders", connection="AzureWebJobsStorage")
def remind(timer: func.TimerRequest, reminder: func.Out[str]):
    reminder.set(f"past due: {timer.past_due}")


@app.event_grid_trigger(arg_name="event")
@app.queue_output(arg_name="subjects", queue_name="subjects", connection="AzureWebJobsStorage")
def on_event(event: func.EventGridEvent, subjects: func.Out[str]):
    subjects.set(event.subject)


@app.blob_trigger(arg_name="picture", path="pictures/{name}", source="EventGrid", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="sizes", queue_name="sizes", connection="AzureWebJobsStorage")
def on_picture(picture: func.InputStream, sizes: func.Out[str]):
    sizes.set(f"{picture.name}: {picture.length}")
"""
HOST = {"version": "2.0", "extensions": {"queues": {"visibilityTimeout": "00:00:30", "maxDequeueCount": 3}}}
SETTINGS = {
    "AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=main;AccountKey=c2VjcmV0;",
    "Branch": "DefaultEndpointsProtocol=https;AccountName=branch;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionApp]:
    root: Path = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text(json.dumps(HOST))
    with FunctionApp(root, settings=SETTINGS) as app:
        yield app


@pytest.fixture
def app(loaded: FunctionApp) -> FunctionApp:
    return loaded.reset()


def test_a_message_starts_its_function_and_everything_that_follows(app: FunctionApp) -> None:
    instance = app.start("approval")
    app.advance(days=6)
    app.queue("approval-queue").send(instance.id)
    assert (instance.status, instance.output) == ("Completed", "granted")
    assert app.queue("approval-queue").messages == []


def test_a_hidden_message_starts_its_function_when_it_becomes_visible(app: FunctionApp) -> None:
    instance = app.start("approval")
    app.queue("approval-queue").send(instance.id, visible_after=timedelta(hours=5))
    app.advance(hours=4, minutes=59)
    assert instance.status == "Running"
    app.advance(minutes=1)
    assert instance.status == "Completed"


def test_a_wait_jumps_to_the_message_that_ends_it(app: FunctionApp) -> None:
    instance = app.start("approval")
    before = app.now
    app.queue("approval-queue").send(instance.id, visible_after=timedelta(hours=5))
    assert instance.wait().output == "granted"
    assert app.now - before == timedelta(hours=5)


def test_outputs_are_messages_that_the_test_reads(app: FunctionApp) -> None:
    app.queue("orders").send(json={"id": 7})
    assert [json.loads(text) for text in app.queue("receipts").messages] == [{"order": 7, "attempt": 1}]


def test_a_failed_message_is_tried_again_after_the_visibility_timeout_of_host_json(app: FunctionApp) -> None:
    app.queue("orders").send(json={"id": 7, "fails": 1})
    app.advance(seconds=29)
    assert len(app.queue("receipts")) == 0
    app.advance(seconds=1)
    assert [json.loads(text) for text in app.queue("receipts").messages] == [{"order": 7, "attempt": 2}]


def test_a_message_that_fails_too_often_goes_to_the_poison_queue(app: FunctionApp) -> None:
    app.queue("orders").send(json={"id": 7, "fails": 9})
    app.advance(minutes=5)
    assert app.queue("orders").messages == []
    assert [json.loads(text) for text in app.queue("orders").poison.messages] == [{"id": 7, "fails": 9}]


def test_each_connection_has_its_own_account(app: FunctionApp) -> None:
    app.queue("branch-orders").send("of the other account")
    app.queue("branch-orders", connection="Branch").send("of the branch")
    assert [entry.text for entry in app.logs if entry.text.startswith("branch order")] == ["branch order of the branch"]
    assert app.queue("branch-orders").messages == ["of the other account"]


def test_a_message_has_one_content(app: FunctionApp) -> None:
    with pytest.raises(TypeError, match="not both"):
        app.queue("plain").send("one", json={"id": 7})
    assert app.queue("plain").messages == []


def test_a_queue_can_be_cleared(app: FunctionApp) -> None:
    queue = app.queue("plain").send("one").send(b"two")
    assert queue.messages == ["one", "two"]
    assert queue.clear().messages == []


def test_a_reset_empties_the_queues(app: FunctionApp) -> None:
    app.queue("plain").send("one")
    assert app.reset().queue("plain").messages == []


def test_clients_of_the_sdk_reach_the_storage(app: FunctionApp) -> None:
    instance = app.start("approval")
    with QueueClient.from_connection_string(
        app.connection_string, "approval-queue", message_encode_policy=TextBase64EncodePolicy()
    ) as client:
        client.create_queue()
        client.send_message(instance.id)
    assert instance.status == "Completed"


def test_a_blob_starts_its_function_which_writes_another(app: FunctionApp) -> None:
    app.container("documents").upload("folder/a.txt", "hello").upload("ignored.bin", b"hello")
    assert app.container("upper").names() == ["folder/a.txt"]
    assert app.container("upper").download("folder/a.txt") == b"HELLO"


def test_a_changed_blob_starts_its_function_again_and_an_unchanged_one_does_not(app: FunctionApp) -> None:
    documents, upper = app.container("documents"), app.container("upper")
    documents.upload("a.txt", "one").upload("a.txt", "two")
    assert upper.download("a.txt") == b"TWO"
    upper.delete("a.txt")
    app.advance(days=1)
    assert upper.names() == []


def test_a_blob_that_fails_too_often_becomes_a_poison_message(app: FunctionApp) -> None:
    app.container("documents").upload("a.txt", "broken")
    app.advance(hours=2)
    (message,) = app.queue("webjobs-blobtrigger-poison").messages
    assert json.loads(message)["BlobName"] == "a.txt"


def test_a_row_without_its_keys_is_refused(app: FunctionApp) -> None:
    with pytest.raises(ValueError, match="A row of the table 'Prices' needs RowKey as text"):
        app.table("Prices").upsert({"PartitionKey": "tea", "Price": 2})


def test_inputs_and_outputs_of_blobs_and_tables_are_in_memory(app: FunctionApp) -> None:
    app.container("documents").upload("tea.txt", "green")
    for size in ("small", "large"):
        app.table("Prices").upsert({"PartitionKey": "tea", "RowKey": size, "Price": 2})
    app.queue("lookups").send("tea")
    assert app.table("Lookups").get("all", "tea") == {
        "PartitionKey": "all", "RowKey": "tea", "Text": "green", "Prices": 2,
    }  # fmt: skip


def test_sdk_clients_in_the_code_of_the_app_use_the_storage_in_memory(app: FunctionApp) -> None:
    app.container("upper").upload("size", "unknown")
    app.container("documents").upload("tea.txt", "green")
    app.queue("measures").send("tea")
    assert app.container("upper").download("size") == b"5"


def test_a_timer_fires_when_the_time_advances(app: FunctionApp) -> None:
    app.advance(hours=5, minutes=59)
    assert app.queue("reminders").messages == []
    app.advance(minutes=1)
    assert app.queue("reminders").messages == ["past due: False"]


def test_a_timer_fires_at_each_of_its_times(app: FunctionApp) -> None:
    app.advance(days=7)
    assert len(app.queue("reminders")) == 7


def test_posted_events_start_event_grid_functions(app: FunctionApp) -> None:
    event = {
        "id": "1", "subject": "orders/7", "eventType": "Shop.OrderPlaced", "eventTime": "2024-01-01T00:00:00Z",
        "data": {}, "dataVersion": "1.0",
    }  # fmt: skip
    response = app.client.post(
        "/runtime/webhooks/eventgrid?functionName=on_event", json=[event], headers={"aeg-event-type": "Notification"}
    )
    assert response.is_success
    assert app.queue("subjects").messages == ["orders/7"]


def test_a_posted_event_of_a_blob_starts_its_function(app: FunctionApp) -> None:
    app.container("pictures").upload("cat.png", b"1234")
    assert app.queue("sizes").messages == []
    event = {
        "id": "1", "subject": "/blobServices/default/containers/pictures/blobs/cat.png", "dataVersion": "",
        "eventType": "Microsoft.Storage.BlobCreated", "eventTime": "2024-01-01T00:00:00Z", "topic": "",
        "data": {"api": "PutBlob", "url": "https://shop.blob.core.windows.net/pictures/cat.png", "eTag": "0x1"},
    }  # fmt: skip
    response = app.client.post(
        "/runtime/webhooks/blobs?functionName=Host.Functions.on_picture", json=[event],
        headers={"aeg-event-type": "Notification"},
    )  # fmt: skip
    assert response.is_success
    assert app.queue("sizes").messages == ["pictures/cat.png: 4"]


def test_a_function_that_cannot_be_served_is_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\napp = func.FunctionApp()\n"
        '@app.queue_trigger(arg_name="message", queue_name="orders", connection="Missing")\n'
        "def take(message: func.QueueMessage):\n    pass\n"
    )
    with FunctionApp(tmp_path) as app:
        assert any("The 'take' function is in error" in entry.text for entry in app.logs)


def test_rows_keep_their_types(app: FunctionApp) -> None:
    row = {
        "PartitionKey": "p", "RowKey": "r", "When": datetime(2024, 5, 3, 12, 30, tzinfo=UTC), "Id": UUID(int=7),
        "Big": 2**40, "Half": 0.5, "Yes": True, "Bytes": b"\x00", "Text": "ü", "Number": 7,
    }  # fmt: skip
    table = app.table("Things").upsert(row)
    assert table.get("p", "r") == row
    assert table.rows("Number eq 7 and Yes eq true") == [row]
    assert table.rows("PartitionKey eq 'q'") == []
    assert table.delete("p", "r").get("p", "r") is None


def test_a_missing_blob_is_named_with_those_that_exist(app: FunctionApp) -> None:
    app.container("plain").upload("there", "x")
    with pytest.raises(LookupError, match=r"no blob 'missing' in the container 'plain'.*\['there'\]"):
        app.container("plain").download("missing")


def test_more_messages_are_listed_than_one_request_returns(app: FunctionApp) -> None:
    queue = app.queue("plain")
    for number in range(40):
        queue.send(str(number))
    assert queue.messages == [str(number) for number in range(40)]
