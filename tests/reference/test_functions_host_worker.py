"""How much runs at a time: row 1 of the page functions-host. One host runs them all.

Source: docs/protocol/functions-host-worker.md#running-functions
"""

import base64
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient
from host_process import HostProcess, hub_settings, until, write_app

pytestmark = pytest.mark.process

APP = """
import os, threading, time
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
LOCK = threading.Lock()
COUNTS = {"messages": 0, "activities": 0}
MOST = dict(COUNTS)


def held(what):
    with LOCK:
        COUNTS[what] += 1
        MOST[what] = max(MOST[what], COUNTS[what])
    while not os.path.exists(what):
        time.sleep(0.05)
    with LOCK:
        COUNTS[what] -= 1
        COUNTS[what + " done"] = COUNTS.get(what + " done", 0) + 1


@app.route(route="most/{what}")
async def most(req: func.HttpRequest) -> str:
    return f"{MOST[req.route_params['what']]}"


@app.route(route="done/{what}")
async def done(req: func.HttpRequest) -> str:
    return f"{COUNTS.get(req.route_params['what'] + ' done', 0)}"


@app.route(route="threads")
async def threads(req: func.HttpRequest) -> str:
    return os.environ["PYTHON_THREADPOOL_THREAD_COUNT"] + " " + str(threading.active_count() < 100)


@app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
def message(msg: func.QueueMessage) -> None:
    held("messages")


@app.activity_trigger(input_name="number")
def activity(number: int) -> int:
    held("activities")
    return number


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext):
    return (yield context.task_all([context.call_activity("activity", n) for n in range(ACTIVITIES)]))


@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client) -> str:
    return await client.start_new("fan_out")
"""

MESSAGES = 60
AT_ONCE = 10 * (os.cpu_count() or 1)


@pytest.fixture(scope="module")
def queue(connection_string: str) -> Iterator[QueueClient]:
    queue = QueueClient.from_connection_string(connection_string, f"q{uuid.uuid4().hex[:12]}")
    queue.create_queue()
    for _ in range(MESSAGES):
        queue.send_message(base64.b64encode(b"x").decode())
    yield queue
    queue.delete_queue()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str, queue: QueueClient) -> Iterator[HostProcess]:
    files = {
        "function_app.py": APP.replace("ACTIVITIES", str(2 * AT_ONCE)),
        # The default on two cores.
        "host.json": '{"version": "2.0", "extensions": {"queues": {"batchSize": 16, "newBatchThreshold": 16}}}',
    }
    settings = {**hub_settings(connection_string), "QUEUE": queue.queue_name}
    host = HostProcess(write_app(tmp_path_factory.mktemp("threads"), files), settings)
    yield host.start()
    host.end()


def number(host: HostProcess, path: str) -> int:
    return int(host.get(path).text)


def most_at_once(host: HostProcess, what: str, expected: int, total: int) -> int:
    """The most that were seen to run at a time, when all of them have run."""
    until(lambda: number(host, f"/api/most/{what}") >= expected, host=host)
    Path(host.root, what).touch()
    until(lambda: number(host, f"/api/done/{what}") == total, host=host)
    return number(host, f"/api/most/{what}")


def test_the_worker_has_a_thousand_threads_made_on_demand(host: HostProcess) -> None:
    """functions-host 1: the setting is in the worker's environment."""
    assert host.get("/api/threads").text == "1000 True"


def test_thirty_two_blocking_messages_run_at_once(host: HostProcess) -> None:
    """functions-host 1: 60 blocking queue messages run 32 at once."""
    assert most_at_once(host, "messages", 32, MESSAGES) == 32


def test_ten_blocking_activities_a_core_run_at_once(host: HostProcess) -> None:
    """functions-host 1: 40 blocking activities run 20 at once on two cores."""
    assert host.get("/api/start").status_code == 200
    assert most_at_once(host, "activities", AT_ONCE, 2 * AT_ONCE) == AT_ONCE
