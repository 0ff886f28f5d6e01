"""Invocations from the point of view of user code: retries, time-outs, workers, threads, context, logs.

Source: docs/protocol/functions-host-worker.md#running-functions, docs/protocol/functions-host-worker.md#retry-policies
"""

import contextlib
import json
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterator

import pytest
import requests
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from host_process import HostProcess, ends_of, hub_settings, until, write_app

StartHost = Callable[..., HostProcess]

HEAD = """
import asyncio
import json
import logging
import os
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""

RETRIED = (
    HEAD
    + """
import azure.durable_functions as df

FAILURES = {}


def attempt(kind, context):
    retry = context.retry_context
    tried = FAILURES.setdefault(kind, [])
    tried.append(context.invocation_id)
    print(f"{kind} attempt {retry.retry_count} of {retry.max_retry_count}, {len(set(tried))} ids, "
          f"before: {retry.exception.message}")
    if retry.retry_count < 2:
        raise ValueError(f"{kind} {retry.retry_count}")
    return f"{kind} done"


@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
@app.route(route="retried")
def retried_http(req: func.HttpRequest, context: func.Context) -> str:
    return attempt("http", context)


@app.retry(strategy="exponential_backoff", max_retry_count="2", minimum_interval="00:00:00",
           maximum_interval="00:00:01")
@app.queue_trigger(arg_name="msg", queue_name="retried", connection="AzureWebJobsStorage")
def retried_queue(msg: func.QueueMessage, context: func.Context) -> None:
    attempt("queue", context)
    print(f"dequeued {msg.dequeue_count}")


@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
@app.timer_trigger(arg_name="t", schedule="0 0 0 1 1 *", run_on_startup=True)
def retried_timer(t: func.TimerRequest, context: func.Context) -> None:
    attempt("timer", context)


@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
@app.blob_trigger(arg_name="blob", path="retried/{name}", connection="AzureWebJobsStorage")
def retried_blob(blob: func.InputStream, context: func.Context) -> None:
    attempt("blob " + blob.read().decode(), context)


@app.retry(strategy="fixed_delay", max_retry_count="1", delay_interval="00:00:00")
@app.route(route="hopeless")
def hopeless(req: func.HttpRequest, context: func.Context) -> str:
    print(f"hopeless attempt {context.retry_context.retry_count}")
    raise ValueError("never")


@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client) -> str:
    return await client.start_new("calls")


@app.orchestration_trigger(context_name="context")
def calls(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("retried_activity", "x"))


@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
@app.activity_trigger(input_name="which")
def retried_activity(which: str, context: func.Context) -> str:
    return attempt("activity", context)
"""
)
PLAIN_QUEUES = json.dumps({"version": "2.0", "extensions": {"queues": {"messageEncoding": "none"}}})


def test_a_retry_policy_is_kept_for_every_trigger(start_host: StartHost, connection_string: str) -> None:
    queue = QueueServiceClient.from_connection_string(connection_string).create_queue("retried")
    blobs = BlobServiceClient.from_connection_string(connection_string).create_container("retried")
    host = start_host({"function_app.py": RETRIED, "host.json": PLAIN_QUEUES})
    queue.send_message("m")
    blobs.upload_blob("name", b"content")
    assert host.get("/api/retried").text == "http done"
    done = host.wait_status(host.get("/api/start").text, "Completed")
    assert done["output"] == "activity done"
    for kind in ("http", "queue", "timer", "blob content", "activity"):
        for count in range(3):
            before = f" ValueError: {kind} {count - 1}" if count else ""
            host.wait_for(f"{kind} attempt {count} of 2, {count + 1} ids, before:{before}$")
    host.wait_for("dequeued 1")
    host.wait_for("Soon retries will not be supported for function 'Functions.retried_queue'")
    assert "not be supported for function 'Functions.retried_timer'" not in host.output
    response = host.get("/api/hopeless")
    assert (response.status_code, response.json()["error"]) == (500, "ValueError: never")
    host.wait_for("Function execution failed after '1' retries")
    assert host.output.count("hopeless attempt") == 2


TIMED = (
    HEAD
    + """
import time


@app.route(route="async")
async def waits(req: func.HttpRequest) -> str:
    try:
        await asyncio.sleep(600)
    finally:
        print("cancelled politely")


@app.route(route="blocks")
def blocks(req: func.HttpRequest) -> str:
    time.sleep(600)


@app.route(route="pid")
def pid(req: func.HttpRequest) -> str:
    return str(os.getpid())
"""
)


def test_an_invocation_that_takes_too_long_is_ended_and_the_next_ones_run(start_host: StartHost) -> None:
    host = start_host(
        {"function_app.py": TIMED, "host.json": json.dumps({"version": "2.0", "functionTimeout": "00:00:01"})}
    )
    first = host.get("/api/pid").text
    response = host.get("/api/async")
    assert response.status_code == 500
    assert "Timeout value of 00:00:01 was exceeded by function: Functions.waits" in response.json()["error"]
    host.wait_for(r"Timeout value of 00:00:01 exceeded by function 'Functions.waits' \(Id: '.*'\)\. Initiating")
    host.wait_for("cancelled politely")
    assert host.get("/api/pid").text == first
    assert host.get("/api/blocks").status_code == 500
    host.wait_for("A function timeout has occurred. Restarting worker process executing invocationId")
    until(lambda: host.get("/api/pid").text not in ("", first), host=host)
    host.wait_for(r"Worker process started and initialized\.")


def test_at_the_end_running_invocations_may_finish_and_the_rest_is_cut_off(start_host: StartHost) -> None:
    host = start_host({"function_app.py": TIMED})
    worker = int(host.get("/api/pid").text)
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(host.get("/api/async").status_code)
        except requests.RequestException as error:
            answers.append(type(error))

    thread = threading.Thread(target=ask)
    thread.start()
    host.wait_for("Executing 'Functions.waits'")
    host.send_signal()
    assert host.wait_exit(10.5) == 0
    thread.join(30)
    assert len(answers) == 1
    until(lambda: ends_of([worker]))


HOLDS_INTERPRETER = """

import ctypes


@app.route(route="hold")
def hold(req: func.HttpRequest) -> str:
    native = ctypes.PyDLL(None)
    while True:
        native.pause()  # no other thread runs meanwhile, as beside native code that computes


@app.route(route="pid")
def pid(req: func.HttpRequest) -> str:
    return str(os.getpid())
"""


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_a_worker_that_native_code_keeps_busy_does_not_outlive_its_host(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEAD + HOLDS_INTERPRETER})
    worker = int(host.get("/api/pid").text)

    def ask() -> None:
        with contextlib.suppress(requests.RequestException):
            host.get("/api/hold")

    thread = threading.Thread(target=ask)
    thread.start()
    host.wait_for("Executing 'Functions.hold'")
    host.send_signal()
    assert host.wait_exit(15) == 0
    thread.join(30)
    until(lambda: ends_of([worker]))


BUSY = """
import multiprocessing, re, subprocess


def report(*pids):
    with open("pids", "a") as file:
        file.write("".join(f"{pid}\\n" for pid in (os.getpid(), *pids)))


@app.route(route="computes")
def computes(req: func.HttpRequest) -> str:
    report()
    while True:
        pass


@app.route(route="blocks")
async def blocks(req: func.HttpRequest) -> str:
    report()
    threading.Event().wait()


@app.route(route="forks")
def forks(req: func.HttpRequest) -> str:
    child = multiprocessing.get_context("fork").Process(target=threading.Event().wait)
    child.start()
    report(child.pid)
    child.join()


@app.route(route="starts")
def starts(req: func.HttpRequest) -> str:
    child = subprocess.Popen(["sleep", "600"])
    report(child.pid)
    child.wait()


@app.route(route="matches")
def matches(req: func.HttpRequest) -> str:
    report()
    re.match("(a+)+b", "a" * 60)
    return "never"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help")
@pytest.mark.parametrize("functions", [("computes", "forks", "starts", "blocks"), ("forks", "matches")], ids=" ".join)
def test_nothing_of_a_busy_worker_outlives_a_host_that_is_killed(
    start_host: StartHost, functions: tuple[str, ...]
) -> None:
    host = start_host({"function_app.py": HEAD + BUSY})

    def ask(function: str) -> None:
        with contextlib.suppress(requests.RequestException):
            host.get(f"/api/{function}")

    def pids() -> list[int]:
        with contextlib.suppress(OSError):
            return [int(line) for line in (host.root / "pids").read_text().split()]
        return []

    threads = [threading.Thread(target=ask, args=(function,)) for function in functions]
    processes = 0
    for thread, function in zip(threads, functions, strict=True):
        thread.start()
        processes += 1 + (function in {"forks", "starts"})
        # One by one: after "blocks" the worker reads no further call.
        until(lambda: len(pids()) == processes, host=host)  # noqa: B023 (called at once)
    host.kill()
    until(lambda: ends_of(pids()))
    for thread in threads:
        thread.join(30)


WORKERS = (
    HEAD
    + """
STARTED = threading.Semaphore(0)


@app.route(route="pid")
async def pid(req: func.HttpRequest) -> str:
    return str(os.getpid())


@app.route(route="threads")
def threads(req: func.HttpRequest) -> str:
    print("one more runs")
    while not os.path.exists("go-on"):
        threading.Event().wait(0.02)
    return threading.current_thread().name
"""
)


def test_several_workers_share_the_calls(start_host: StartHost) -> None:
    host = start_host({"function_app.py": WORKERS}, settings={"FUNCTIONS_WORKER_PROCESS_COUNT": "3"})
    seen: set[str] = set()
    until(lambda: seen.add(host.get("/api/pid").text) or len(seen) == 3, host=host)
    processes = [process["processId"] for process in host.get("/admin/host/processes").json()["processes"]]
    assert seen == {str(pid) for pid in processes} - {str(host.pid)}
    assert host.stop() == 0
    until(lambda: ends_of(processes))


@pytest.mark.parametrize("count", ["0", "11", "many"])
def test_an_impossible_number_of_workers_is_refused(start_host: StartHost, count: str) -> None:
    host = start_host({"function_app.py": WORKERS}, settings={"FUNCTIONS_WORKER_PROCESS_COUNT": count}, wait=False)
    assert host.wait_exit() == 3
    assert f"FUNCTIONS_WORKER_PROCESS_COUNT is '{count}'" in host.output


@pytest.mark.parametrize("limit", ["many", "0", "-1"])
def test_an_impossible_limit_of_bodies_is_refused(start_host: StartHost, limit: str) -> None:
    host = start_host({"function_app.py": WORKERS}, settings={"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": limit}, wait=False)
    assert host.wait_exit() == 3
    assert f"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT is '{limit}', expected a number of bytes" in host.output


def test_as_many_threads_run_functions_as_are_asked_for(start_host: StartHost) -> None:
    host = start_host({"function_app.py": WORKERS}, settings={"PYTHON_THREADPOOL_THREAD_COUNT": "2"})
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(host.get("/api/threads").text)) for _ in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: host.output.count("Executing 'Functions.threads'") == 5, host=host)
    until(lambda: host.output.count("one more runs") == 2, host=host)
    assert host.get("/api/pid").status_code == 200
    assert host.output.count("one more runs") == 2
    (host.root / "go-on").touch()
    for thread in threads:
        thread.join(30)
    assert len(names) == 5
    assert len(set(names)) == 2


CONTEXT = (
    HEAD
    + """
from concurrent.futures import ThreadPoolExecutor

POOL = ThreadPoolExecutor(1)
log = logging.getLogger("my.module")


@app.route(route="context")
async def told(req: func.HttpRequest, context: func.Context) -> str:
    trace = context.trace_context
    return json.dumps({
        "id": context.invocation_id, "name": context.function_name, "directory": context.function_directory,
        "parent": trace.trace_parent, "state": trace.trace_state, "old": trace.Traceparent,
        "attributes": sorted(trace.attributes), "retry": context.retry_context.retry_count,
        "most": context.retry_context.max_retry_count,
    })


@app.route(route="logs/{name}")
def logs(req: func.HttpRequest, context: func.Context) -> str:
    name = req.route_params["name"]
    log.debug(f"{name} debug")
    log.warning(f"{name} warning 100%")
    print(f"{name} printed")
    started = threading.Thread(target=lambda: log.info(f"{name} started thread"))
    started.start()
    POOL.submit(log.info, f"{name} pool thread").result()

    def attached():
        context.thread_local_storage.invocation_id = context.invocation_id
        log.info(f"{name} attached thread")

    LATER.append(attached)
    while LATER:
        threading.Event().wait(0.01)
    started.join()
    return context.invocation_id


LATER = []


def serve():
    while True:
        while LATER:
            LATER[0]()
            LATER.pop(0)
        threading.Event().wait(0.01)


threading.Thread(target=serve, daemon=True).start()


@app.route(route="async/{name}")
async def async_logs(req: func.HttpRequest, context: func.Context) -> str:
    name = req.route_params["name"]
    await asyncio.gather(say(name, "task one"), asyncio.to_thread(log.info, f"{name} to_thread"), say(name, "two"))
    return context.invocation_id


async def say(name, what):
    await asyncio.sleep(0)
    log.info(f"{name} {what}")
"""
)


@pytest.fixture(scope="module")
def json_host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    """A host with NDJSON output."""
    root = write_app(tmp_path_factory.mktemp("json"), {"function_app.py": CONTEXT})
    host = HostProcess(root, hub_settings(connection_string)).start("--output", "json", wait=False)
    host.base_url = json.loads(host.wait_for('"event":"started"', 40))["base_url"]
    yield host
    host.end()


def records(host: HostProcess) -> list[dict]:
    return [json.loads(line) for line in list(host.lines)]


def test_the_context_describes_the_invocation(json_host: HostProcess) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    told = json_host.get("/api/context", headers={"traceparent": parent, "tracestate": "a=1"}).json()
    assert uuid.UUID(told["id"])
    assert told["name"] == "told"
    assert told["directory"] == str(json_host.root)
    assert (told["parent"], told["old"], told["state"]) == (parent, parent, "a=1")
    assert told["attributes"] == []
    assert (told["retry"], told["most"]) == (0, 0)
    assert json_host.get("/api/context").json()["parent"].startswith("00-")


def test_records_of_every_thread_and_task_belong_to_their_invocation(json_host: HostProcess) -> None:
    names = [f"n{number}" for number in range(4)]
    ids: dict[str, str] = {}

    def ask(path: str, name: str) -> None:
        ids[name] = json_host.get(f"/api/{path}/{name}").text

    asked = [("logs", f"s{name}") for name in names] + [("async", f"a{name}") for name in names]
    threads = [threading.Thread(target=ask, args=one) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for name in names:
        for kind, function, texts in (
            ("s", "logs", ("warning 100%", "printed", "started thread", "pool thread", "attached thread")),
            ("a", "async_logs", ("task one", "to_thread", "two")),
        ):
            for text in texts:
                message = f"{kind}{name} {text}"

                def found(message: str = message) -> list[dict]:
                    return [record for record in records(json_host) if record.get("message") == message]

                [record] = until(found, host=json_host)
                assert record["invocationId"] == ids[kind + name], message
                assert record["function"] == function
                wanted = "Host.Function.Console" if text == "printed" else f"Function.{function}.User"
                assert record["category"] == wanted
                assert record["level"] == ("Warning" if text.startswith("warning") else "Information")
    assert not any("debug" in record.get("message", "") for record in records(json_host))


def test_every_line_of_json_output_is_a_record(json_host: HostProcess) -> None:
    json_host.get("/api/nowhere")
    kinds = {(record.get("event"), "message" in record) for record in records(json_host)}
    assert kinds == {("started", False), (None, True)}
    for record in records(json_host):
        if "message" in record:
            assert {"time", "level", "category", "message"} <= set(record)
    [started] = [record for record in records(json_host) if record.get("event") == "started"]
    assert {function["name"] for function in started["functions"]} == {"told", "logs", "async_logs"}


def test_levels_of_host_json_decide_what_is_shown_and_change_with_it(start_host: StartHost) -> None:
    def levels(**rules: str) -> str:
        named = {name.replace("_", "."): level for name, level in rules.items()}
        return json.dumps({"version": "2.0", "logging": {"logLevel": named}})

    host = start_host({"function_app.py": CONTEXT, "host.json": levels(default="Warning")})
    host.get("/api/logs/quiet")
    host.wait_for("quiet warning")
    assert "quiet started thread" not in host.output
    assert "Executing" not in host.output
    (host.root / "host.json").write_text(levels(default="Warning", Function_logs_User="Information"))
    host.wait_for("Reloaded in")
    host.get("/api/logs/loud")
    host.wait_for("loud started thread")
    assert "Executing" not in host.output
