"""Durable functions of a .NET app through `func start`, with the scripted worker: no .NET is needed."""

import json
import os
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from durable_world import MANAGEMENT, finished, raise_event, wait_custom_status
from host_process import HostProcess
from scripted_apps import durable_function
from scripted_hosts import StartScriptedHost

CODE = """
import json, os
from pathlib import Path
from scripted_core import SESSIONS, TURNS, TaskFailure, activity, entity, orchestration

@orchestration
def Chain(context):
    value = 0
    for _ in range(context.input):
        value = yield context.activity("Increment", value)
    return value

@orchestration
def Approval(context):
    yield context.activity("Ask", context.input)
    context.custom_status({"waiting": True})
    if (yield context.event("Approval")):
        return (yield context.activity("Increment", 1))
    return "rejected"

@orchestration
def Http(context):
    response = yield context.call_http(context.input)
    return response

@orchestration
def Locks(context):
    for number in range(3):
        release = yield context.lock("@counter@a", "@counter@b")
        yield context.call_entity("@counter@a", "add", 1)
        yield context.call_entity("@counter@b", "add", 10)
        release()
    return [(yield context.call_entity("@counter@a", "get")), (yield context.call_entity("@counter@b", "get"))]

@orchestration
def Fails(context):
    try:
        yield context.call_entity("@counter@f", "boom")
    except TaskFailure as failure:
        return str(failure)

@orchestration
def Kinds(context):
    return (yield context.activity("Kind", context.input))

@orchestration
def Caught(context):
    try:
        yield context.activity("Fail", "x")
    except TaskFailure as failure:
        details = failure.details
        return [details.errorType, details.errorMessage, details.innerFailure.errorType]

@orchestration
def Many(context):
    return sum((yield context.all([context.activity("Increment", n) for n in range(context.input)])))

@orchestration
def Parent(context):
    return [(yield context.child("Version", 1)), (yield context.child("Version", 1, version="1.0"))]

@orchestration
def Version(context):
    return context.version

@orchestration
def Again(context):
    context.custom_status(context.input)
    if context.input == 0:
        return "done"
    yield context.timer(0.01)
    context.continue_as_new(context.input - 1)

@activity
def Increment(value):
    return value + 1

@activity
def Ask(value):
    return None

@activity
def Kind(kind):
    kinds = {"json text": '{"a":1}', "bytes": b"\\x01\\x02", "null": None, "empty": "", "list": [1, 2], "true": True}
    return kinds[kind]

@activity
def Fail(value):
    import scripted_worker
    inner = scripted_worker.Failure("System.FormatException", "inner")
    raise scripted_worker.Failure("System.InvalidOperationException", "no: " + value, inner)

@activity
def Forget(value):
    SESSIONS.clear()

@activity
def Turns(value):
    return TURNS[-value:]

@orchestration
def LastTurns(context):
    return (yield context.activity("Turns", context.input))

@orchestration
def LoseSessions(context):
    yield context.activity("Forget", None)

@entity
def counter(state, operation, given):
    if operation == "boom":
        raise ValueError("entity boom")
    state = (state or 0) + (given if operation == "add" else 0)
    return state, state
"""
ORCHESTRATIONS = (
    "Chain", "Approval", "Http", "Locks", "Fails", "Kinds", "Caught", "Many", "Parent", "Version", "Again", "LastTurns",
    "LoseSessions",
)  # fmt: skip
FUNCTIONS = [
    *(durable_function(name, "orchestration") for name in ORCHESTRATIONS),
    *(durable_function(name, "activity") for name in ("Increment", "Ask", "Kind", "Fail", "Forget", "Turns")),
    durable_function("counter", "entity"),
]
HOST_JSON = {"version": "2.0", "extensions": {"durableTask": {"defaultVersion": "2.5"}}}


@pytest.fixture(scope="module")
def host(start_scripted_host: StartScriptedHost) -> HostProcess:
    return start_scripted_host(FUNCTIONS, "--task-hub", "sqlite", code=CODE, host_json=HOST_JSON)


def begin(host: HostProcess, name: str, input: Any = None, instance_id: str = "") -> str:
    response = host.post(f"{MANAGEMENT}/orchestrators/{name}/{instance_id}".rstrip("/"), data=json.dumps(input))
    assert response.status_code == 202, response.text
    return response.json()["id"]


def output(host: HostProcess, name: str, input: Any = None, wanted: str = "Completed") -> Any:
    return finished(host, begin(host, name, input), wanted)["output"]


def test_a_chain_of_activities_ends(host: HostProcess) -> None:
    assert output(host, "Chain", 20) == 20


def test_later_turns_of_a_chain_have_no_history(host: HostProcess) -> None:
    assert output(host, "Chain", 10) == 10
    turns = output(host, "LastTurns", 11)
    assert [turn["history"] for turn in turns][1:10] == [False] * 9
    assert {turn["past"] for turn in turns[1:10]} == {0}


def test_an_approval_continues_although_the_worker_lost_its_session(host: HostProcess) -> None:
    instance_id = begin(host, "Approval", {"title": "Desk"})
    wait_custom_status(host, instance_id, {"waiting": True})
    output(host, "LoseSessions")
    raise_event(host, instance_id, "approval", True)
    assert finished(host, instance_id)["output"] == 2


def test_an_approval_continues_after_the_worker_was_killed(host: HostProcess) -> None:
    instance_id = begin(host, "Approval")
    wait_custom_status(host, instance_id, {"waiting": True})
    os.kill(worker_pid(host), signal.SIGKILL)
    raise_event(host, instance_id, "Approval", False)
    assert finished(host, instance_id)["output"] == "rejected"


def worker_pid(host: HostProcess) -> int:
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(host.root / "Scripted.dll").encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    (pid,) = found
    return pid


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("json text", '{"a":1}'),
        ("bytes", "AQI="),
        ("null", None),
        ("empty", ""),
        ("list", [1, 2]),
        ("true", True),
    ],
)
def test_results_of_activities_keep_their_kind(host: HostProcess, kind: str, result: Any) -> None:
    assert output(host, "Kinds", kind) == result


def test_a_failed_activity_reaches_the_orchestrator_with_its_inner_failure(host: HostProcess) -> None:
    assert output(host, "Caught") == ["System.InvalidOperationException", "no: x", "System.FormatException"]


def test_locks_over_two_entities_are_granted_and_released(host: HostProcess) -> None:
    instances = [begin(host, "Locks") for _ in range(3)]
    results = [finished(host, one)["output"] for one in instances]
    assert max(results) == [9, 90]


def test_a_failed_operation_reaches_the_caller(host: HostProcess) -> None:
    assert "entity boom" in output(host, "Fails")


def test_all_activities_of_a_large_fan_out_run(host: HostProcess) -> None:
    assert output(host, "Many", 200) == sum(range(1, 201))


def test_children_get_the_default_version_or_their_own(host: HostProcess) -> None:
    assert output(host, "Parent") == ["2.5", "1.0"]


def test_an_orchestration_continues_as_new_until_it_ends(host: HostProcess) -> None:
    status = finished(host, begin(host, "Again", 5))
    assert (status["output"], status["customStatus"]) == ("done", 0)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an HTTP server with one answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("a", "b")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def test_the_host_sends_the_request_of_the_http_activity(host: HostProcess, server: str) -> None:
    response = output(host, "Http", server)
    assert (response["statusCode"], response["content"], response["headers"]["a"]) == (200, "hello", "b")


def test_a_request_that_gets_no_answer_fails_the_task(host: HostProcess) -> None:
    status = finished(host, begin(host, "Http", "http://127.0.0.1:9/"), "Failed")
    assert "127.0.0.1" in status["output"]
