"""Blob-triggered functions through `func start`.

Source: docs/protocol/functions-host-blobs.md#scan-for-blobs, docs/protocol/functions-host-blobs.md#blob-delivery
"""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient, ContentSettings
from azure.storage.queue import QueueServiceClient
from host_process import HostProcess, until

StartHost = Callable[..., HostProcess]

HEAD = "import azure.functions as func\nimport json\n\napp = func.FunctionApp()\n\n\n"
TELL = """
@app.blob_trigger(arg_name="blob", path="%BOX%/{name}.{ext}", connection="AzureWebJobsStorage")
def tell(blob: func.InputStream) -> None:
    content = blob.read()
    print("TOLD", json.dumps({
        "name": blob.name, "uri": blob.uri, "length": blob.length, "content": content.decode("latin-1"),
        "metadata": blob.metadata, "properties": blob.blob_properties,
    }))
"""


class World:
    """A container of its own, and the settings of an app that watches it."""

    def __init__(self, connection_string: str) -> None:
        self.blobs = BlobServiceClient.from_connection_string(connection_string)
        self.queues = QueueServiceClient.from_connection_string(connection_string)
        self.box_name = f"box{uuid.uuid4().hex[:16]}"
        self.box: ContainerClient = self.blobs.get_container_client(self.box_name)
        self.host_id = f"h{uuid.uuid4().hex[:16]}"
        self.settings = {"AzureFunctionsWebHost__hostid": self.host_id, "BOX": self.box_name}

    def receipts(self) -> list[str]:
        container = self.blobs.get_container_client("azure-webjobs-hosts")
        prefix = f"blobreceipts/{self.host_id}/"
        try:
            found = container.list_blobs(name_starts_with=prefix, include=["metadata"])
            return [blob.name.removeprefix(prefix) for blob in found if not blob.metadata]
        except ResourceNotFoundError:
            return []

    def poison(self) -> list[dict[str, Any]]:
        queue = self.queues.get_queue_client("webjobs-blobtrigger-poison")
        try:
            texts = [base64.b64decode(message.content) for message in queue.peek_messages(max_messages=32)]
        except ResourceNotFoundError:
            return []
        return [message for message in map(json.loads, texts) if message["ContainerName"] == self.box_name]


@pytest.fixture
def world(connection_string: str) -> Iterator[World]:
    made = World(connection_string)
    made.box.create_container()
    yield made
    if made.box.exists():
        made.box.delete_container()


def told(line: str) -> dict[str, Any]:
    return json.loads(line[line.index("TOLD ") + 5 :])


def test_a_blob_comes_with_its_name_content_properties_and_metadata(start_host: StartHost, world: World) -> None:
    host = start_host({"function_app.py": HEAD + TELL}, settings=world.settings)
    data = bytes(range(256))
    world.box.upload_blob(
        "ä b/report.2024.txt", data, metadata={"owner": "me"}, content_settings=ContentSettings("text/x-report")
    )
    found = told(host.wait_for("TOLD"))
    assert found["name"] == f"{world.box_name}/ä b/report.2024.txt"
    assert found["uri"].endswith("/%C3%A4%20b/report.2024.txt")
    assert found["length"] == 256
    assert found["content"].encode("latin-1") == data
    assert found["metadata"] == {"owner": "me"}
    assert found["properties"]["ContentType"] == "text/x-report"
    assert found["properties"]["ETag"] == world.box.get_blob_client("ä b/report.2024.txt").get_blob_properties().etag
    host.wait_for(f"Reason='New blob detected\\(LogsAndContainerScan\\): {world.box_name}/ä b/report.2024.txt'")
    host.wait_for(r"Trigger Details: MessageId: \S+, DequeueCount: 1, InsertedOn: \S+, BlobCreated: \S+, BlobLastMod")


def test_two_functions_get_two_receipts_and_a_restart_runs_nothing_again(start_host: StartHost, world: World) -> None:
    app = HEAD + TELL.replace("TOLD", "FIRST") + TELL.replace("tell(", "other(").replace("TOLD", "SECOND")
    world.box.upload_blob("early.txt", b"before the host")
    host = start_host({"function_app.py": app}, settings=world.settings)
    host.wait_for("FIRST")
    host.wait_for("SECOND")
    receipts = until(lambda: len(found := world.receipts()) == 2 and found, host=host)
    etag = world.box.get_blob_client("early.txt").get_blob_properties().etag
    assert sorted(receipts) == [
        f"Host.Functions.{name}/{etag}/{world.box_name}/early.txt" for name in ("other", "tell")
    ]
    assert host.stop() == 0
    again = start_host(host.root, settings=world.settings)
    world.box.upload_blob("late.txt", b"after the restart")
    again.wait_for("FIRST.*late.txt")
    again.wait_for("SECOND.*late.txt")
    assert "early.txt" not in again.output


def test_overwriting_a_blob_runs_the_function_again(start_host: StartHost, world: World) -> None:
    host = start_host({"function_app.py": HEAD + TELL}, settings=world.settings)
    for number in range(3):
        world.box.upload_blob("same.txt", f"version {number}", overwrite=True)
        host.wait_for(f"TOLD.*version {number}")
    assert host.output.count("TOLD") == 3


def test_blobs_written_in_the_second_of_a_scan_are_not_missed(start_host: StartHost, world: World) -> None:
    host = start_host({"function_app.py": HEAD + TELL}, settings=world.settings)
    for number in range(40):
        world.box.upload_blob(f"n{number}.txt", b"x")
        if number % 10 == 9:
            host.wait_for(f"TOLD.*/n{number}.txt")
    until(lambda: host.output.count("TOLD") == 40, host=host)


def test_a_blob_that_always_fails_runs_five_times_and_its_message_goes_to_poison(
    start_host: StartHost, world: World
) -> None:
    app = HEAD + TELL.replace("content = blob.read()", "raise ValueError('never ' + blob.name)")
    host = start_host({"function_app.py": app}, settings=world.settings)
    world.box.upload_blob("bad.txt", b"x")
    host.wait_for("Message has reached MaxDequeueCount of 5. Moving message to queue 'webjobs-blobtrigger-poison'.")
    messages = until(world.poison, host=host)
    etag = world.box.get_blob_client("bad.txt").get_blob_properties().etag
    assert messages == [
        {
            "Type": "BlobTrigger",
            "FunctionId": "Host.Functions.tell",
            "BlobType": "BlockBlob",
            "ContainerName": world.box_name,
            "BlobName": "bad.txt",
            "ETag": etag,
        }
    ]
    assert host.output.count("Exception: ValueError: never") == 5
    for count in range(1, 6):
        assert f"DequeueCount: {count}" in host.output


def test_the_poison_threshold_of_host_json_counts(start_host: StartHost, world: World) -> None:
    app = HEAD + TELL.replace("content = blob.read()", "raise ValueError('never')")
    host_json = json.dumps({"version": "2.0", "extensions": {"blobs": {"poisonBlobThreshold": 2}}})
    host = start_host({"function_app.py": app, "host.json": host_json}, settings=world.settings)
    world.box.upload_blob("bad.txt", b"x")
    host.wait_for("Message has reached MaxDequeueCount of 2.")
    assert host.output.count("Exception: ValueError: never") == 2


def test_a_function_that_writes_a_blob_wakes_the_next_one_at_once(start_host: StartHost, world: World) -> None:
    chain = """
@app.blob_trigger(arg_name="blob", path="%BOX%/in/{name}", connection="AzureWebJobsStorage")
@app.blob_output(arg_name="out", path="%BOX%/out/{name}.txt", connection="AzureWebJobsStorage")
def copy(blob: func.InputStream, out: func.Out[bytes]) -> None:
    out.set(blob.read().upper())


@app.route(methods=["POST"], binding_arg_name="reply")
@app.blob_output(arg_name="$return", path="%BOX%/in/{name}", connection="AzureWebJobsStorage")
def put(req: func.HttpRequest, reply: func.Out[func.HttpResponse]) -> bytes:
    return req.get_body()
"""
    app = HEAD + chain + TELL.replace("%BOX%/{name}.{ext}", "%BOX%/out/{name}.txt")
    host = start_host({"function_app.py": app}, settings=world.settings)
    assert host.post("/api/put?name=a", data=b'{"name": "a", "text": "hello"}').status_code < 300
    found = told(host.wait_for("TOLD"))
    assert found["name"] == f"{world.box_name}/out/a.txt"
    assert found["content"] == '{"NAME": "A", "TEXT": "HELLO"}'
    assert "azurewebjobsparentid" in {name.lower() for name in found["metadata"]}


def test_a_blob_that_is_deleted_before_its_run_is_dropped_without_an_error(start_host: StartHost, world: World) -> None:
    message = {
        "Type": "BlobTrigger", "FunctionId": "Host.Functions.tell", "BlobType": "BlockBlob",
        "ContainerName": world.box_name, "BlobName": "gone.txt", "ETag": '"0x1"',
    }  # fmt: skip
    queue = world.queues.get_queue_client(f"azure-webjobs-blobtrigger-{world.host_id}")
    queue.create_queue()
    for changed in ({}, {"FunctionId": "Host.Functions.unknown"}, {"BlobName": "changed.txt"}):
        queue.send_message(base64.b64encode(json.dumps({**message, **changed}).encode()).decode())
    world.box.upload_blob("changed.txt", b"newer")
    host = start_host({"function_app.py": HEAD + TELL}, settings=world.settings)
    assert told(host.wait_for("TOLD"))["content"] == "newer"
    until(lambda: queue.get_queue_properties().approximate_message_count == 0, host=host)
    assert "Failed" not in host.output
    assert host.output.count("TOLD") == 1
    assert world.poison() == []


def test_a_message_that_is_none_goes_to_poison(start_host: StartHost, world: World) -> None:
    queue = world.queues.get_queue_client(f"azure-webjobs-blobtrigger-{world.host_id}")
    queue.create_queue()
    queue.send_message(base64.b64encode(b"garbage").decode())
    host = start_host({"function_app.py": HEAD + TELL}, settings=world.settings)
    host.wait_for("is not a message of a blob trigger")
    until(lambda: queue.get_queue_properties().approximate_message_count == 0, host=host)


def test_the_container_may_come_later_and_go_again(start_host: StartHost, world: World) -> None:
    world.box.delete_container()
    host = start_host({"function_app.py": HEAD + TELL}, settings=world.settings)
    until(lambda: _created(world), host=host)
    world.box.upload_blob("first.txt", b"x")
    host.wait_for("TOLD.*first.txt")
    assert "WARN" not in host.output.upper()


def _created(world: World) -> bool:
    try:
        world.box.create_container()
    except Exception:
        return False
    return True


@pytest.mark.parametrize(
    ("annotation", "expected"), [("bytes", "bytes"), ("str", "bytes"), ("func.InputStream", "InputStream")]
)
def test_what_the_parameter_receives(start_host: StartHost, world: World, annotation: str, expected: str) -> None:
    body = f"""
@app.blob_trigger(arg_name="blob", path="%BOX%", connection="AzureWebJobsStorage")
def tell(blob: {annotation}) -> None:
    print("TYPE", type(blob).__name__)
"""
    host = start_host({"function_app.py": HEAD + body}, settings=world.settings)
    world.box.upload_blob("a", b"x")
    host.wait_for(f"TYPE {expected}")


def test_the_parameter_may_be_a_client_of_the_storage_sdk(start_host: StartHost, world: World) -> None:
    body = """
import azurefunctions.extensions.bindings.blob as sdk

@app.blob_trigger(arg_name="blob", path="%BOX%/{name}", connection="AzureWebJobsStorage")
@app.blob_output(arg_name="out", path="%BOX%-copies/{name}", connection="AzureWebJobsStorage")
def tell(blob: sdk.BlobClient, out: func.Out[bytes]) -> None:
    out.set(blob.download_blob().readall())
    print("CLIENT", blob.blob_name)
"""
    host = start_host({"function_app.py": HEAD + body}, settings=world.settings)
    world.box.upload_blob("a", bytes(range(256)))
    host.wait_for("CLIENT a")
    copy = world.blobs.get_blob_client(f"{world.box_name}-copies", "a")
    until(copy.exists, host=host)
    assert copy.download_blob().readall() == bytes(range(256))


def test_captures_and_properties_fill_binding_expressions(start_host: StartHost, world: World) -> None:
    body = """
@app.generic_trigger(arg_name="blob", type="blobTrigger", path="%BOX%/in-{date}/{f}", connection="AzureWebJobsStorage")
@app.blob_output(arg_name="out", path="%BOX%/{f}_{date}_{Properties.ContentType}_{metadata.kind}",
                 connection="AzureWebJobsStorage")
@app.blob_input(arg_name="same", path="{BlobTrigger}", connection="AzureWebJobsStorage")
def tell(blob: func.InputStream, same: func.InputStream, out: func.Out[str]) -> None:
    out.set(same.read().decode() + " " + str(same.name == blob.name))
"""
    host = start_host({"function_app.py": HEAD + body}, settings=world.settings)
    world.box.upload_blob(
        "in-2024/05/a", b"text", metadata={"kind": "k"}, content_settings=ContentSettings(content_type="x-y")
    )
    blob = world.box.get_blob_client("a_2024/05_x-y_k")
    until(blob.exists, host=host)
    assert blob.download_blob().readall() == b"text True"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{c}/x", "Invalid blob trigger path '{c}/x'. Container paths cannot contain {resolve} tokens."),
        ("", "Paths must be in the format 'container/blob'."),
        ("Bad_Name/x", "'Bad_Name' is not a valid container name."),
        ("box/{name", "Invalid template '{name'. Missing closing bracket"),
        ("%NOPE%/x", "'%NOPE%' does not resolve to a value."),
    ],
)
def test_a_bad_path_is_an_error_of_its_function(start_host: StartHost, world: World, path: str, message: str) -> None:
    body = (
        TELL.replace("%BOX%/{name}.{ext}", path)
        + '\n\n@app.route()\ndef hi(req: func.HttpRequest) -> str:\n    return "hi"\n'
    )
    host = start_host({"function_app.py": HEAD + body}, settings=world.settings)
    assert host.get("/api/hi").text == "hi"
    line = host.wait_for("The 'tell' function is in error")
    assert message in line


def test_a_trigger_without_its_connection_is_an_error_of_its_function(start_host: StartHost, world: World) -> None:
    body = TELL.replace('"AzureWebJobsStorage"', '"Elsewhere"')
    host = start_host({"function_app.py": HEAD + body}, settings=world.settings)
    host.wait_for("Storage account connection string 'AzureWebJobsElsewhere' does not exist")


def test_a_blob_function_runs_by_hand(start_host: StartHost, world: World) -> None:
    body = TELL.replace("%BOX%/{name}.{ext}", "elsewhere/{name}")
    host = start_host({"function_app.py": HEAD + body}, settings=world.settings)
    world.box.upload_blob("hand.txt", b"by hand")
    answer = host.post("/admin/functions/tell?wait=true", json={"input": f"{world.box_name}/hand.txt"}).json()
    assert answer["status"] == "Succeeded"
    assert told(host.wait_for("TOLD"))["content"] == "by hand"
    missing = host.post("/admin/functions/tell?wait=true", json={"input": "nobox/where"}).json()
    assert missing["status"] == "Failed"
    assert "There is no blob 'nobox/where'." in missing["error"]


def test_events_of_event_grid_are_taken_at_the_webhook(start_host: StartHost, world: World) -> None:
    body = TELL.replace("connection=", 'source="EventGrid", connection=')
    host = start_host({"function_app.py": HEAD + body}, settings=world.settings)
    path = "/runtime/webhooks/blobs?functionName=Host.Functions.tell"
    handshake = {
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "abc"},
    }
    assert host.post(path, json=[handshake]).json() == {"validationResponse": "abc"}
    client = world.box.upload_blob("grid.txt", b"by event")
    created = {"eventType": "Microsoft.Storage.BlobCreated", "data": {"url": client.url, "eTag": "0x0"}}
    assert host.post(path, json=[created]).status_code == 202
    assert told(host.wait_for("TOLD"))["content"] == "by event"
    host.wait_for("New blob detected\\(EventGrid\\)")
    assert host.post(path, data="nonsense").status_code == 400
    assert host.post(path, json=[1]).status_code == 400
    assert host.post(path, json=[{**created, "data": {"url": "http://[x"}}]).status_code == 202
    unknown = host.post("/runtime/webhooks/blobs?functionName=AccountKey%3DSECRET", json=[created])
    assert unknown.status_code == 404
    assert "SECRET" not in unknown.text
    assert host.get(path).status_code == 405


def test_a_v1_blob_function_runs(start_host: StartHost, world: World) -> None:
    binding = {"name": "blob", "type": "blobTrigger", "direction": "in", "path": "%BOX%/{n}", "connection": ""}
    host = start_host(
        {
            "old/__init__.py": "def main(blob) -> None:\n    print('OLD', blob.name)\n",
            "old/function.json": json.dumps({"bindings": [binding]}),
        },
        settings=world.settings,
    )
    world.box.upload_blob("a", b"x")
    host.wait_for(f"OLD {world.box_name}/a")
