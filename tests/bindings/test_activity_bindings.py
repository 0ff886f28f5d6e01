"""Bindings of activities: the values of expressions, and the result of a bound return value.

The values are those that the Functions host was seen to give.

Source: docs/protocol/functions-host-expressions.md#binding-data
"""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from durable_host.testing import VirtualHost

APP = """
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp()
ACCOUNT = "AzureWebJobsStorage"


@app.orchestration_trigger(context_name="context")
def call(context: df.DurableOrchestrationContext):
    asked = context.get_input()
    if "input" in asked:
        return (yield context.call_activity(asked["activity"], asked["input"]))
    return (yield context.call_activity(asked["activity"]))


def writing(name, path):
    @app.function_name(name)
    @app.activity_trigger(input_name="inp")
    @app.blob_output(arg_name="out", path=f"%BOX%/{name}/{path}", connection=ACCOUNT)
    def write(inp, out: func.Out[str]) -> str:
        out.set("written")
        return "done"


writing("by_data", "{data}")
writing("by_name", "{inp}")
writing("by_member", "{name}")
writing("by_dotted", "{data.name}")
writing("by_instance", "{instanceId}")
writing("by_unknown", "{nothing}")


@app.activity_trigger(input_name="inp")
@app.blob_input(arg_name="content", path="%BOX%/files/{data}", connection=ACCOUNT)
def read(inp: str, content: str):
    return content


@app.activity_trigger(input_name="inp")
@app.queue_output(arg_name="$return", queue_name="%QUEUE%", connection=ACCOUNT)
def queued(inp: str) -> str:
    return inp


@app.activity_trigger(input_name="inp")
@app.blob_output(arg_name="$return", path="%BOX%/returned.txt", connection=ACCOUNT)
def stored(inp: str) -> str:
    return inp


@app.activity_trigger(input_name="inp")
def default(inp: str = "default"):
    return inp


@app.activity_trigger(input_name="inp")
@app.generic_input_binding(arg_name="doc", type="cosmosDB")
def unserved(inp: str, doc) -> str:
    return inp
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[VirtualHost]:
    root = tmp_path_factory.mktemp("activities")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text(
        '{"version": "2.0", "extensions": {"queues": {"messageEncoding": "none"}}}', encoding="utf-8"
    )
    with VirtualHost(root, settings=settings) as host:
        yield host


@pytest.fixture(scope="module")
def container(connection_string: str, box: str) -> ContainerClient:
    client = ContainerClient.from_connection_string(connection_string, box)
    if not client.exists():
        client.create_container()
    client.upload_blob("files/5", b"five")
    client.upload_blob("files/plain.txt", b"never found")
    return client


@pytest.fixture
def queue(connection_string: str, settings: dict[str, str]) -> Iterator[QueueClient]:
    client = QueueClient.from_connection_string(connection_string, settings["QUEUE"])
    client.create_queue()
    yield client
    client.delete_queue()


def outcome(host: VirtualHost, activity: str, *given: Any) -> Any:
    asked = {"activity": activity, **({"input": given[0]} if given else {})}
    found = host.wait(host.start("call", asked))
    assert found.status == "Completed", found.output
    return found.output


def failure(host: VirtualHost, activity: str, given: Any) -> str:
    found = host.wait(host.start("call", {"activity": activity, "input": given}))
    assert found.status == "Failed"
    return str(found.output)


def names_in(container: ContainerClient, folder: str) -> set[str]:
    return {blob.name.removeprefix(f"{folder}/") for blob in container.list_blobs(folder)}


@pytest.mark.parametrize("activity", ["by_data", "by_name"])
@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("plain.txt", '"plain.txt"'),
        (12, "12"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        ([1, 2], "[1, 2]"),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_the_whole_input_is_its_json_text(
    host: VirtualHost, container: ContainerClient, activity: str, given: Any, name: str
) -> None:
    assert outcome(host, activity, given) == "done"
    assert name in names_in(container, activity)


def test_members_of_an_object_and_the_instance_have_names(host: VirtualHost, container: ContainerClient) -> None:
    assert outcome(host, "by_member", {"name": "one.txt"}) == "done"
    assert names_in(container, "by_member") == {"one.txt"}
    instance_id = host.start("call", {"activity": "by_instance", "input": 1}, instance_id="by-instance-1")
    assert host.wait(instance_id).output == "done"
    assert names_in(container, "by_instance") == {"by-instance-1"}


@pytest.mark.parametrize(
    ("activity", "given", "told"),
    [
        ("by_dotted", {"name": "x"}, "Error while accessing 'name': property doesn't exist."),
        ("by_dotted", "text", "Error while accessing 'name': property doesn't exist."),
        ("by_unknown", {"name": "x"}, "No value for named parameter 'nothing'."),
        ("by_member", "text", "No value for named parameter 'name'."),
        ("by_member", ["name"], "No value for named parameter 'name'."),
    ],
)
def test_a_name_that_the_input_does_not_have_fails_the_activity(
    host: VirtualHost, container: ContainerClient, activity: str, given: Any, told: str
) -> None:
    assert told in failure(host, activity, given)


def test_a_number_finds_its_blob_and_a_text_with_its_quotes_does_not(
    host: VirtualHost, container: ContainerClient, box: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "Function"):
        assert outcome(host, "read", 5) == "five"
        assert "found no blob" not in caplog.text
        assert outcome(host, "read", 6) is None
        assert f"The blob input 'content' found no blob at '{box}/files/6', so it has no value." in caplog.text
        assert "comes with its quotes" not in caplog.text
        assert outcome(host, "read", "plain.txt") is None
    assert f"found no blob at '{box}/files/\"plain.txt\"'" in caplog.text
    assert "{data} is the JSON text of the activity's input, so a text comes with its quotes" in caplog.text


@pytest.mark.parametrize(
    ("returned", "messages"),
    [
        ("007", ["007"]),
        ("123", ["123"]),
        ("null", ["null"]),
        ("not { json", ["not { json"]),
        ('{"a": 1}', [{"a": 1}]),
        ('["x", {"b": 2}]', ["x", {"b": 2}]),
    ],
)
def test_a_returned_text_is_the_result_as_it_is_and_goes_to_the_queue_by_its_rules(
    host: VirtualHost, queue: QueueClient, returned: str, messages: list[Any]
) -> None:
    assert outcome(host, "queued", returned) == returned
    found = [message.content for message in queue.receive_messages(max_messages=10)]
    assert [json.loads(text) if text.startswith("{") else text for text in found] == messages


@pytest.mark.parametrize("returned", ["007", '{"a": 1}', "null", "[1]"])
def test_a_returned_text_goes_to_a_blob(host: VirtualHost, container: ContainerClient, returned: str) -> None:
    assert outcome(host, "stored", returned) == returned
    assert container.download_blob("returned.txt").readall().decode() == returned


def test_an_activity_without_an_input_gets_none_whatever_the_default(host: VirtualHost) -> None:
    assert outcome(host, "default") is None


def test_a_call_of_an_activity_that_is_not_served_says_why(host: VirtualHost) -> None:
    told = failure(host, "unserved", "x")
    assert "The app has 'unserved', but this host does not serve it: this host has no 'cosmosDB'." in told
    assert "registered" not in told
    assert "The following are the known activity functions: " in failure(host, "nobody", "x")
