"""How the host starts, refuses to start, and stops: exit codes, messages, leftover processes."""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from azure.storage.queue import QueueServiceClient
from host_process import HostProcess, ends_of, until

from durable_host.config.connection import Connection
from durable_host.storage.azurite import connection_string as text_of
from durable_host.storage.azurite import free_connection, start_azurite

StartHost = Callable[..., HostProcess]

HELLO = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="hello")
def hello(req: func.HttpRequest) -> str:
    return "hello"
"""

SLOW = (
    HELLO
    + """

import asyncio
import time


@app.route(route="slow/{seconds}")
async def slow(req: func.HttpRequest) -> str:
    print("slow begins")
    await asyncio.sleep(float(req.route_params["seconds"]))
    return "finished"


@app.route(route="blocked")
def blocked(req: func.HttpRequest) -> str:
    print("blocked begins")
    time.sleep(600)
    return "never"
"""
)

LARGE = (
    HELLO
    + """

import os


@app.route(route="echo")
def echo(req: func.HttpRequest) -> func.HttpResponse:
    for _ in range(1000):
        print("one of many lines", "." * 200)
    print("the last of many lines")
    return func.HttpResponse(req.get_body())


@app.route(route="worker")
def worker(req: func.HttpRequest) -> str:
    return str(os.getpid())
"""
)

DURABLE = (
    HELLO
    + """

import azure.durable_functions as df


@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client) -> func.HttpResponse:
    return client.create_check_status_response(req, await client.start_new("chain", client_input=[1]))


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext):
    value = context.get_input()
    for _ in range(3):
        value = yield context.call_activity("extend", value)
    return value


@app.activity_trigger(input_name="values")
def extend(values: list) -> list:
    return [*values, len(values)]
"""
)


def workers_of(host: HostProcess) -> list[int]:
    processes = host.get("/admin/host/processes").json()["processes"]
    return [process["processId"] for process in processes]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_host_and_worker_with_exit_code_0(start_host: StartHost, number: int) -> None:
    host = start_host({"function_app.py": HELLO}, fork=False)
    assert host.get("/api/hello").text == "hello"
    processes = workers_of(host)
    assert len(processes) == 2
    assert host.stop(number) == 0
    until(lambda: ends_of(processes))


def test_a_host_that_is_started_as_by_users_passes_on_much_and_replaces_a_killed_worker(start_host: StartHost) -> None:
    """Forked hosts talk to their workers over other transports: see `forked_workers`."""
    host = start_host({"function_app.py": LARGE}, fork=False)
    body = os.urandom(1 << 20) * 8
    assert host.post("/api/echo", data=body).content == body
    host.wait_for("the last of many lines")
    assert host.output.count("one of many lines") == 1000
    worker = host.get("/api/worker").text
    os.kill(int(worker), signal.SIGKILL)
    until(lambda: (other := host.get("/api/worker")).ok and other.text != worker, host=host)
    assert host.post("/api/echo", data=body).content == body


def test_a_running_request_is_answered_before_the_host_ends(start_host: StartHost) -> None:
    host = start_host({"function_app.py": SLOW})
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(host.get("/api/slow/1.5").text))
    thread.start()
    host.wait_for("slow begins")
    assert host.stop() == 0
    thread.join()
    assert answers == ["finished"]


def test_a_second_signal_ends_everything_at_once(start_host: StartHost) -> None:
    host = start_host({"function_app.py": SLOW})
    processes = workers_of(host)
    threading.Thread(target=lambda: _ignore_errors(host, "/api/blocked"), daemon=True).start()
    host.wait_for("blocked begins")
    host.send_signal()
    host.wait_for("Stopping")
    assert host.stop() == 0
    until(lambda: ends_of(processes))


def test_functions_that_do_not_end_do_not_keep_the_host_from_ending_within_10_seconds(start_host: StartHost) -> None:
    host = start_host({"function_app.py": SLOW})
    processes = workers_of(host)
    for path in ("blocked", "slow/600"):
        threading.Thread(target=_ignore_errors, args=(host, f"/api/{path}"), daemon=True).start()
        host.wait_for(f"{path.removesuffix('/600')} begins")
    host.send_signal()
    host.wait_for("The host waits up to 4 s for running functions: slow; up to 8 s for running functions: blocked[.]")
    assert host.wait_exit(10.5) == 0
    until(lambda: ends_of(processes))
    assert "The event loop" not in host.output


def _ignore_errors(host: HostProcess, path: str) -> None:
    with contextlib.suppress(requests.RequestException):
        host.get(path)


def test_a_worker_that_dies_is_replaced(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HELLO})
    worker = next(pid for pid in workers_of(host) if pid != host.pid)
    os.kill(worker, signal.SIGKILL)
    until(lambda: host.get("/api/hello").text == "hello", host=host)
    assert worker not in workers_of(host)


def test_the_apps_python_may_be_a_command_on_path(start_host: StartHost) -> None:
    folder = Path(sys.executable).parent
    settings = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    host = start_host({"function_app.py": HELLO}, "--python", Path(sys.executable).name, settings=settings)
    assert f"({sys.executable})" in host.wait_for("Found Python version")


def test_an_app_that_does_not_import_is_reported_with_its_own_line_and_exit_code_6(start_host: StartHost) -> None:
    host = start_host({"function_app.py": "import azure.functions\n\nraise_this = undefined_name\n"}, wait=False)
    assert host.wait_exit() == 6
    assert "function_app.py:3" in host.output
    assert "NameError: name 'undefined_name' is not defined" in host.output
    assert "Traceback" not in host.output.split("function_app.py:3")[0]


@pytest.mark.parametrize(
    ("files", "code", "text"),
    [
        ({"host.json": "{"}, 3, "host.json"),
        ({"host.json": '{"version": "2.0", "extensions": {"queues": {"batchSize": "many"}}}'}, 3, "batchSize"),
        ({"local.settings.json": "{ not json"}, 3, "local.settings.json"),
        ({"function_app.py": HELLO + "import not_installed_anywhere\n"}, 6, "not_installed_anywhere"),
    ],
)
def test_a_mistake_in_the_app_ends_in_its_own_exit_code(
    start_host: StartHost, files: dict[str, str], code: int, text: str
) -> None:
    host = start_host({"function_app.py": HELLO, **files}, wait=False)
    assert host.wait_exit() == code
    assert text in host.output
    assert "Traceback (most recent call last)" not in host.output or code == 6


def test_a_port_in_use_is_reported_with_the_process_that_holds_it(start_host: StartHost) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        host = start_host({"function_app.py": HELLO}, "--port", str(port), wait=False)
        assert host.wait_exit() == 5
    assert f"Port {port} is unavailable" in host.output


def test_an_app_of_the_2x_durable_sdk_is_refused_with_the_way_out(start_host: StartHost) -> None:
    app = (
        HELLO
        + """

@app.generic_trigger(arg_name="context", type="orchestrationTrigger", durable_requires_grpc=True)
def grpc_orchestrator(context) -> str:
    return ""
"""
    )
    host = start_host({"function_app.py": app}, wait=False)
    assert host.wait_exit() == 6
    assert "azure-functions-durable<2" in host.output


def test_functions_that_cannot_run_are_listed_with_the_reason_and_the_others_run(start_host: StartHost) -> None:
    app = (
        HELLO
        + """

@app.service_bus_queue_trigger(arg_name="msg", queue_name="q", connection="Bus")
def bus(msg: func.ServiceBusMessage) -> None:
    pass


@app.queue_trigger(arg_name="msg", queue_name="q-q", connection="NotThere")
def lost(msg: func.QueueMessage) -> None:
    pass


@app.queue_trigger(arg_name="msg", queue_name="Not_A_Name", connection="AzureWebJobsStorage")
def misnamed(msg: func.QueueMessage) -> None:
    pass


@app.queue_trigger(arg_name="msg", queue_name="%NOT_SET%", connection="AzureWebJobsStorage")
def unset(msg: func.QueueMessage) -> None:
    pass


@app.route(route="unknown")
@app.generic_input_binding(arg_name="given", type="neverHeardOf")
def unknown(req: func.HttpRequest, given) -> str:
    return "x"
"""
    )
    host = start_host({"function_app.py": app})
    assert host.get("/api/hello").text == "hello"
    assert "'serviceBusTrigger'" in host.output
    for name, reason in (
        ("lost", "AzureWebJobsNotThere"),
        ("misnamed", "not a valid queue name"),
        ("unset", "'%NOT_SET%' does not resolve to a value."),
        ("unknown", "neverHeardOf"),
    ):
        errors = host.get(f"/admin/functions/{name}/status").json()["errors"]
        assert reason in errors[0], (name, errors)


def test_a_folder_without_functions_starts_and_says_so(start_host: StartHost) -> None:
    host = start_host({})
    assert f"DH4006: No functions were found in {host.root}. Create one: func new" in host.output
    assert host.get("/admin/host/status").json()["state"] == "Running"


def test_names_of_functions_that_the_app_does_not_have_are_reported(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HELLO}, "--functions", "helo", "world")
    assert "names 'helo', 'world', which the app does not have. It has: hello." in host.output


def test_a_quiet_start_shows_the_address_and_what_the_app_says(start_host: StartHost) -> None:
    host = start_host({"function_app.py": SLOW}, "--quiet")
    assert host.get("/api/slow/0").text == "finished"
    host.wait_for("slow begins")
    assert "Functions:" not in host.output
    assert "Executing" not in host.output


def test_an_env_file_comes_after_the_environment_and_before_local_settings(start_host: StartHost) -> None:
    code = HELLO.replace('return "hello"', 'return os.environ["A"] + os.environ["B"] + os.environ["C"]')
    files = {
        "function_app.py": f"import os\n{code}",
        "local.settings.json": json.dumps({"IsEncrypted": False, "Values": {"A": "a3 ", "B": "b3 ", "C": "c3"}}),
        "dev.env": "# what this machine needs\nexport A=a2\nB='b2 '\n",
    }
    host = start_host(files, "--env-file", "dev.env", settings={"A": "a1 "})
    assert host.get("/api/hello").text == "a1 b2 c3"


def test_an_env_file_that_is_not_there_ends_the_start(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HELLO}, "--env-file", "missing.env", wait=False)
    assert host.wait_exit() == 2
    assert "missing.env" in host.output


def test_only_the_functions_asked_for_are_loaded(start_host: StartHost) -> None:
    host = start_host({"function_app.py": SLOW}, "--functions", "hello")
    assert [function["name"] for function in host.get("/admin/functions").json()] == ["hello"]
    assert host.get("/api/slow/0").status_code == 404


def test_the_error_of_durable_functions_without_a_storage_setting_names_it(start_host: StartHost) -> None:
    host = start_host({"function_app.py": DURABLE}, settings={"AzureWebJobsStorage": ""}, wait=False)
    assert host.wait_exit() == 3
    assert "AzureWebJobsStorage" in host.output


def test_no_azurite_and_none_may_be_started(start_host: StartHost) -> None:
    nobody = text_of(free_connection())
    host = start_host({"function_app.py": DURABLE}, settings={"AzureWebJobsStorage": nobody}, wait=False)
    assert host.wait_exit() == 4
    assert "Traceback" not in host.output


def test_durable_functions_run_on_the_embedded_engine_without_any_storage(start_host: StartHost) -> None:
    host_json = {"version": "2.0", "extensions": {"durableTask": {"storageProvider": {"type": "sqlite"}}}}
    files = {"function_app.py": DURABLE, "host.json": json.dumps(host_json)}
    host = start_host(files, settings={"AzureWebJobsStorage": ""})
    instance_id = host.get("/api/start").json()["id"]
    assert host.wait_status(instance_id, "Completed")["output"] == [1, 1, 2, 3]


def test_the_error_of_a_second_host_of_an_embedded_hub_names_the_first_and_no_storage_account(
    start_host: StartHost, tmp_path: Path
) -> None:
    provider = {"type": "sqlite", "path": str(tmp_path / "shared.db")}
    host_json = {"version": "2.0", "extensions": {"durableTask": {"storageProvider": provider}}}
    files = {"function_app.py": DURABLE, "host.json": json.dumps(host_json)}
    settings = {"AzureWebJobsStorage": "", "AzureFunctionsJobHost__extensions__durableTask__hubName": "Shared"}
    start_host(files, settings=settings)
    second = start_host(files, settings=settings, wait=False)
    assert second.wait_exit() == 4
    assert "is already served by another host" in second.output
    assert "remedy: Stop the other host" in second.output


@pytest.fixture
def own_azurite(tmp_path: Path) -> tuple[Connection, Path]:
    return free_connection(), tmp_path / "azurite-data"


def test_an_outage_of_azurite_is_survived(start_host: StartHost, own_azurite: tuple[Connection, Path]) -> None:
    connection, data = own_azurite
    app = (
        DURABLE
        + """

@app.queue_trigger(arg_name="msg", queue_name="outage", connection="AzureWebJobsStorage")
def received(msg: func.QueueMessage) -> None:
    print("received " + msg.get_body().decode())
"""
    )
    host_json = {"version": "2.0", "extensions": {"queues": {"messageEncoding": "none"}}}
    azurite = start_azurite(connection, data_dir=data)
    try:
        queue = QueueServiceClient.from_connection_string(text_of(connection)).create_queue("outage")
        host = start_host(
            {"function_app.py": app, "host.json": json.dumps(host_json)},
            settings={"AzureWebJobsStorage": text_of(connection)},
        )
        queue.send_message("before")
        host.wait_for("received before")
        azurite.stop()
        host.wait_for("cannot be read and is being retried")
        azurite = start_azurite(connection, data_dir=data)
        name = uuid.uuid4().hex
        queue.send_message(name)
        host.wait_for(f"received {name}")
        instance_id = host.get("/api/start").json()["id"]
        assert host.wait_status(instance_id, "Completed")["output"] == [1, 1, 2, 3]
        assert host.stop() == 0
    finally:
        azurite.stop()
