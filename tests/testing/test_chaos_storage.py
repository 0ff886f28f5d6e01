"""Chaos in the storage of an app under test: requests of triggers and bindings are refused, or lose their answers."""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from durable_host.testing import ChaosFailed, FunctionApp, chaos_runs

APP = """
import json

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
ACCOUNT = "AzureWebJobsStorage"


@app.queue_trigger(arg_name="message", queue_name="parcels", connection=ACCOUNT)
@app.queue_output(arg_name="label", queue_name="labels", connection=ACCOUNT)
def pack(message: func.QueueMessage, label: func.Out[str]):
    label.set("label")


@app.queue_trigger(arg_name="message", queue_name="orders", connection=ACCOUNT)
@app.table_output(arg_name="row", table_name="Orders", connection=ACCOUNT)
def book(message: func.QueueMessage, row: func.Out[str]):
    row.set(json.dumps({"PartitionKey": "p", "RowKey": message.get_body().decode()}))


@app.blob_trigger(arg_name="file", path="lists/{name}.txt", connection=ACCOUNT)
@app.blob_output(arg_name="copy", path="copies/{name}.txt", connection=ACCOUNT)
def copy_list(file: func.InputStream, copy: func.Out[str]):
    copy.set(file.read().decode())


@app.orchestration_trigger(context_name="context")
def archive(context):
    yield context.call_activity("write", {"id": context.instance_id})
    return (yield context.call_activity("read", {"id": context.instance_id}))


@app.activity_trigger(input_name="given")
@app.blob_output(arg_name="paper", path="archive/{id}.txt", connection=ACCOUNT)
def write(given: dict, paper: func.Out[str]) -> None:
    paper.set("content")


@app.activity_trigger(input_name="given")
@app.blob_input(arg_name="paper", path="archive/{id}.txt", connection=ACCOUNT)
def read(given: dict, paper: str) -> str:
    return paper
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionApp]:
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    with FunctionApp(root) as app:
        yield app


def packed(app: FunctionApp) -> None:
    app.queue("parcels").send("1")
    app.advance(hours=1)
    assert len(app.queue("labels")) == 1, "two labels"


def booked(app: FunctionApp) -> None:
    app.queue("orders").send("1")
    app.advance(hours=1)
    assert len(app.table("Orders").rows()) == 1
    assert len(app.queue("orders").poison) == 0, "booked, and yet in the poison queue"


def copied(app: FunctionApp) -> None:
    app.container("lists").upload("a.txt", "content")
    app.advance(hours=1)
    assert app.container("copies").download("a.txt") == b"content"


def archived(app: FunctionApp) -> None:
    assert app.start("archive").wait().output == "content"


@pytest.mark.parametrize(
    ("test", "failure", "request_"),
    [
        (packed, "two labels", "message to queue 'labels'"),
        (booked, "booked, and yet in the poison queue", "write to table 'Orders'"),
    ],
)
def test_an_output_whose_answer_is_lost_is_written_again_and_the_cause_is_that_request(
    app: FunctionApp, test: Callable[[FunctionApp], None], failure: str, request_: str
) -> None:
    with pytest.raises(ChaosFailed, match=failure) as failed:
        chaos_runs(app, test, runs=100, seed=1, storage_errors=0.2)
    (fault,) = failed.value.schedule
    assert fault.startswith("storage-errors")
    assert fault.endswith(f"(answer lost): {request_}")
    assert f"1. Storage carries out the {request_}, but its answer is lost." in str(failed.value)


@pytest.mark.parametrize("test", [copied, archived])
def test_the_host_repeats_requests_that_fail(app: FunctionApp, test: Callable[[FunctionApp], None]) -> None:
    result = chaos_runs(app, test, runs=10, seed=1, storage_errors=0.5)
    assert result.failure is None
    assert result.faults["storage-errors"] >= 10


def test_the_same_seed_has_the_same_faults_in_each_run(app: FunctionApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "Host.Chaos")
    faults: list[list[str]] = []
    for _ in range(2):
        caplog.clear()
        chaos_runs(app, archived, runs=5, seed=1, storage_errors=0.5)
        faults.append([record.getMessage() for record in caplog.records if record.name == "Host.Chaos"])
    assert faults[0] == faults[1]
    assert any("request PUT archive/archive #1.txt" in fault for fault in faults[0])
    assert any("request GET archive/archive #1.txt" in fault for fault in faults[0])


@pytest.mark.parametrize(
    ("fault", "delay"),
    [
        ("storage-errors (refused): receipt of message 1 of queue 'parcels'", timedelta()),
        ("storage-errors (time-out): receipt of message 1 of queue 'parcels'", timedelta()),
        ("storage-errors (answer lost): receipt of message 1 of queue 'parcels'", timedelta(seconds=30)),
        ("storage-errors (answer lost): deletion of message 1 of queue 'parcels'", timedelta()),
    ],
)
def test_a_message_whose_receipt_gets_no_answer_comes_again(app: FunctionApp, fault: str, delay: timedelta) -> None:
    def sent(app: FunctionApp) -> None:
        app.queue("parcels").send("1")
        if delay:
            app.advance(delay - timedelta(seconds=1))
            assert len(app.queue("labels")) == 0
            app.advance(seconds=1)
        assert len(app.queue("labels")) == 1

    result = chaos_runs(app, sent, schedule=[fault])
    assert result.failure is None
    assert result.faults == {"storage-errors": 1}


def test_requests_of_the_test_do_not_fail(app: FunctionApp, caplog: pytest.LogCaptureFixture) -> None:
    def stores(app: FunctionApp) -> None:
        app.queue("other").send("1")
        app.container("other").upload("a.txt", "content")
        app.table("Other").upsert({"PartitionKey": "p", "RowKey": "r"})
        assert len(app.queue("other")) == 1

    assert chaos_runs(app, stores, runs=1, storage_errors=1.0).failure is None
    assert not any("ther" in record.getMessage() for record in caplog.records if record.name == "Host.Chaos")
