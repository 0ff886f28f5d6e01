"""Queues, blobs, tables and timers of an app under test: real worker process and SDKs, storage in memory."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from durable_host.testing import FunctionApp

APP = """
import json
import logging

import azure.functions as func
import azure.durable_functions as df

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
"""
HOST = {"version": "2.0", "extensions": {"queues": {"visibilityTimeout": "00:00:30", "maxDequeueCount": 3}}}
SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
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
