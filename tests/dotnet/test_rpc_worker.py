"""Worker processes that speak FunctionRpc: start, calls, cancellation, faults, end. The worker is the scripted one."""

import asyncio
import base64
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dotnet_pools import dotnet_options, running_dotnet
from event_stream_client import EventStreamClient
from rpc_messages import StartStream, StreamingMessage
from scripted_apps import http_function, queue_function, write_scripted_app
from worker_apps import RunningApp, eventually, http, messages

from durable_host.config.log_levels import TRACE
from durable_host.function_rpc import handshake, heartbeat, worker
from durable_host.function_rpc.invocations import encodable
from durable_host.invocation.datum import Datum, HttpData, json_text, string
from durable_host.invocation.errors import (
    AppError,
    FunctionCancelled,
    FunctionFailed,
    FunctionTimedOut,
    WorkerLost,
    WorkerStartFailed,
)
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.requests import InvocationRequest

pytestmark = pytest.mark.process

HELLO = http_function("Hello", route="hello/{id:int}")
FAILS = http_function("Fails", does="fail")
WAITS = http_function("Waits", does="wait")
DIES = http_function("Dies", does="die")


def seen(response: Any) -> dict[str, Any]:
    """What the worker got, from the response of a function that echoes."""
    assert response.return_value is not None
    return json.loads(response.return_value.value.body)


async def start_error(root: Path, *misbehaves: str, **app: Any) -> AppError:
    """The error of an app whose worker does not start."""
    write_scripted_app(root, [HELLO], misbehaves=list(misbehaves), **app)
    pool = WorkerPool(dotnet_options(root))
    try:
        with pytest.raises(AppError) as caught:
            await pool.start()
        return caught.value
    finally:
        await pool.stop(0)


# Start


async def test_the_worker_gets_both_spellings_of_the_arguments_and_its_environment(tmp_path: Path) -> None:
    code = "import os, sys, json\ndef Hello(call): return call.respond(json.dumps([sys.argv[1:], dict(os.environ)]))"
    async with running_dotnet(tmp_path, [HELLO], code=code) as app:
        arguments, environ = json.loads((await app.get("Hello")).body)
    named = dict(zip(arguments[::2], arguments[1::2], strict=True))
    port, worker_id = named["--port"], named["--workerId"]
    assert named == {
        "--host": "127.0.0.1", "--port": port, "--workerId": worker_id, "--requestId": named["--requestId"],
        "--grpcMaxMessageLength": "2147483647", "--functions-uri": f"http://127.0.0.1:{port}/",
        "--functions-worker-id": worker_id, "--functions-request-id": named["--requestId"],
        "--functions-grpc-max-message-length": "2147483647",
    }  # fmt: skip
    root = str(tmp_path)
    assert [environ[f"FUNCTIONS_{name}_DIRECTORY"] for name in ("APPLICATION", "WORKER")] == [root, root]
    assert environ["FUNCTIONS_WORKER_RUNTIME"] == "dotnet-isolated"
    assert environ["AZURE_FUNCTIONS_ENVIRONMENT"] == "Development"
    assert environ["DOTNET_NOLOGO"] == environ["DOTNET_CLI_TELEMETRY_OPTOUT"] == "true"


async def test_the_index_has_the_functions_of_the_worker(tmp_path: Path) -> None:
    blob = {"name": "b", "type": "blob", "direction": "Out", "blobPath": "out/{rand-guid}"}
    retry = {"max_retry_count": 3, "delay_interval": "2s", "retry_strategy": "fixed_delay"}
    async with running_dotnet(tmp_path, [HELLO, {**queue_function("Q", "in", blob), "retry": retry}]) as app:
        assert [one.name for one in app.index.functions] == ["Hello", "Q"]
        assert app.index.dotnet_version == "10.0.12"
        queue = app.function("Q")
        assert [(one.type, one.direction) for one in queue.bindings] == [("queueTrigger", "in"), ("blob", "out")]
        assert queue.outputs[0].text("path") == "out/{rand-guid}"
        assert queue.retry is not None
        assert (queue.retry.strategy, queue.retry.max_retry_count, queue.retry.delay_interval) == ("fixedDelay", 3, 2)


async def test_a_function_that_does_not_load_leaves_the_others_working(tmp_path: Path) -> None:
    async with running_dotnet(tmp_path, [HELLO, {**FAILS, "loads": False}]) as app:
        (problem,) = app.index.errors
        assert problem.function == "Fails"
        assert "could not load the function: System.InvalidOperationException: Method 'Fails'" in problem.message
        assert seen(await app.call("Hello", http()))["input"]


async def test_an_app_without_functions_says_what_may_be_missing(tmp_path: Path) -> None:
    async with running_dotnet(tmp_path, []) as app:
        assert app.index.model == "none"
        assert "no method with the attribute [Function]" in (app.index.hint or "")


async def test_only_the_functions_that_the_host_serves_are_loaded(tmp_path: Path) -> None:
    async with running_dotnet(tmp_path, [HELLO, FAILS], changes={"functions": ("hello",)}) as app:
        assert [one.name for one in app.index.functions] == ["Hello"]
        assert app.index.excluded == ("Fails",)


@pytest.mark.parametrize(
    ("misbehaves", "expected"),
    [
        ("init fails", "The worker could not be initialized."),
        ("metadata fails", "The worker could not list its functions."),
        ("default indexing", "The worker does not list its functions."),
        ("exits at once", "code 134 (0x86) while it loaded the app."),
        ("dies at load", "code 3 (0x3) while it loaded the app."),
    ],
)
async def test_a_worker_that_does_not_start_says_why(tmp_path: Path, misbehaves: str, expected: str) -> None:
    error = await start_error(tmp_path, misbehaves)
    assert expected in error.message
    assert error.remedy


async def test_an_answer_that_makes_no_sense_is_an_error_and_no_endless_start(tmp_path: Path) -> None:
    error = await start_error(tmp_path, capabilities={"HttpUri": "http://[bad"})
    assert error.message == "The worker could not be started."
    assert "ValueError" in str(error.cause)


@pytest.mark.parametrize(
    ("misbehaves", "limit", "expected"),
    [
        ("never connects", "START_SECONDS", "has not connected to the host within"),
        ("sends nothing", "START_SECONDS", "has not connected to the host within"),
        ("wrong worker id", "START_SECONDS", "has not connected to the host within"),
        ("wrong first message", "START_SECONDS", "has not connected to the host within"),
        ("garbage message", "START_SECONDS", "has not connected to the host within"),
        ("garbage frames", "START_SECONDS", "has not connected to the host within"),
        ("init silent", "INIT_SECONDS", "has not answered the host's first request within"),
        ("metadata silent", "METADATA_SECONDS", "has not listed its functions within"),
        ("load silent", "LOAD_SECONDS", "has not loaded its functions within"),
    ],
)
async def test_each_step_of_the_start_has_a_time_limit(
    tmp_path: Path, misbehaves: str, limit: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, limit, 1.0)
    error = await start_error(tmp_path, misbehaves)
    assert isinstance(error, WorkerStartFailed)
    assert expected in error.message


async def test_a_stream_with_an_unknown_or_a_used_worker_id_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = "import sys\ndef Hello(call): return call.respond(' '.join(sys.argv[1:]))"
    async with running_dotnet(tmp_path, [HELLO], code=code, misbehaves=["second stream"]) as app:
        arguments = (await app.get("Hello")).body.decode().split()
        assert len(messages(caplog, "Host.Worker", logging.WARNING)) == 1
        for worker_id in ("", "x", arguments[arguments.index("--workerId") + 1]):
            stranger = await EventStreamClient.connect("127.0.0.1", int(arguments[arguments.index("--port") + 1]))
            start = StreamingMessage(start_stream=StartStream(worker_id=worker_id))
            stranger.send(start.SerializeToString())
            assert [message async for message in stranger.messages()] == []
        assert (await app.get("Hello")).status == 200
    refused = messages(caplog, "Host.Worker", logging.WARNING)
    assert refused == ["A stream that does not begin with the ID of a started worker process was refused."] * 4


# Calls


async def test_empty_and_unknown_messages_have_no_effect(tmp_path: Path) -> None:
    async with running_dotnet(tmp_path, [HELLO], misbehaves=["empty messages"]) as app:
        assert [(await app.get("Hello")).status for _ in range(3)] == [200, 200, 200]


@pytest.mark.differs("dotnet-identities")
async def test_an_http_request_arrives_whole(tmp_path: Path) -> None:
    request = HttpData(
        "POST", "http://localhost/api/hello/7?q=a&q=b&e=", {"x-two": "v1,v2", "cookie": "a=1"}, {"q": "a,b"},
        {"id": "7"}, b'{"k":"v","ID":9,"n":null,"o":{"a":1.10}}',
    )  # fmt: skip
    async with running_dotnet(tmp_path, [HELLO]) as app:
        got = seen(await app.call("Hello", Datum("http", request), trace_parent="00-ab-cd-01"))
    rpc = got["input"]["req"]["http"]
    assert (rpc["method"], rpc["url"]) == ("POST", request.url)
    assert rpc["nullable_headers"] == {"x-two": {"value": "v1,v2"}, "cookie": {"value": "a=1"}}
    assert rpc["nullable_params"] == {"id": {"value": "7"}}
    assert set(rpc["body"]) == {"bytes"}
    assert not {"rawBody", "headers", "identities"} & set(rpc)
    assert got["metadata"] == {
        "id": {"string": "7"},
        "Query": {"json": '{"q":"a,b"}'},
        "Headers": {"json": '{"x-two":"v1,v2","cookie":"a=1"}'},
        "q": {"string": "a,b"},
        "k": {"string": "v"},
        "o": {"json": '{"a":1.10}'},
    }
    assert got["trace"] == "00-ab-cd-01"


async def test_an_http_request_without_a_body_has_none(tmp_path: Path) -> None:
    async with running_dotnet(tmp_path, [HELLO]) as app:
        assert "body" not in seen(await app.call("Hello", http()))["input"]["req"]["http"]


async def test_headers_that_are_not_utf8_do_not_fail_the_call(tmp_path: Path) -> None:
    async with running_dotnet(tmp_path, [HELLO]) as app:
        got = seen(await app.call("Hello", http(headers={"x": "caf\udce9"})))
    assert got["input"]["req"]["http"]["nullable_headers"]["x"]["value"].startswith("caf")


def test_trace_headers_that_are_not_utf8_can_be_sent() -> None:
    call = InvocationRequest(function="f", invocation_id="i", inputs={}, trace_parent="\udce9", trace_state="a\udce9")
    assert (encodable(call).trace_parent, encodable(call).trace_state) == ("?", "a?")


async def test_a_response_has_its_status_headers_cookies_and_body(tmp_path: Path) -> None:
    code = """def Hello(call):
    cookies = (
        {"name": "c1", "value": "v 1", "path": {"value": "/a"}, "http_only": {"value": True}, "max_age": {"value": 60}},
        {"name": "c2", "value": "v2", "secure": {"value": True}, "same_site": 2,
         "expires": {"value": "2026-01-02T03:04:05Z"}},
    )
    return call.respond(b"\\x00\\xff", 202, {"X-Sample": "yes"}, cookies)
"""
    async with running_dotnet(tmp_path, [HELLO], code=code) as app:
        reply = await app.get("Hello")
    assert (reply.status, reply.headers, reply.body, reply.is_complete) == (202, {"X-Sample": "yes"}, b"\x00\xff", True)
    assert reply.cookies == [
        "c1=v%201; max-age=60; path=/a; httponly",
        "c2=v2; expires=Fri, 02 Jan 2026 03:04:05 GMT; path=/; secure; samesite=strict",
    ]


async def test_a_message_of_a_queue_arrives_with_its_metadata(tmp_path: Path) -> None:
    metadata = {
        "Id": "m-1", "PopReceipt": "pr", "DequeueCount": 2, "QueueTrigger": '{"id":"own"}',
        "InsertionTime": "2026-11-28T10:00:00+00:00", "id": "lost",
    }  # fmt: skip
    code = "import json\ndef Q(call): return json.dumps(call.seen())"
    async with running_dotnet(tmp_path, [queue_function("Q", "in")], code=code) as app:
        text = await app.text("Q", string('{"id":"own","Count":5,"at":"x","deep":[1]}'), trigger_metadata=metadata)
    got = json.loads(text or "")
    assert got["input"]["message"] == {"string": '{"id":"own","Count":5,"at":"x","deep":[1]}'}
    assert got["metadata"] == {
        "Id": {"string": "m-1"}, "PopReceipt": {"string": "pr"}, "DequeueCount": {"json": "2"},
        "QueueTrigger": {"string": '{"id":"own"}'}, "InsertionTime": {"json": '"2026-11-28T10:00:00+00:00"'},
        "Count": {"json": "5"}, "at": {"string": "x"}, "deep": {"json": "[1]"},
    }  # fmt: skip


async def test_a_parameter_of_an_sdk_type_gets_a_reference(tmp_path: Path) -> None:
    deferred = {"properties": {"supportsDeferredBinding": "True"}}
    blob = {"name": "b", "type": "blob", "direction": "In", "blobPath": "files/a", **deferred}
    plain = {**blob, "name": "text", "dataType": "String"}
    code = "import json\ndef Q(call): return json.dumps(call.seen()['input'])"
    place = json_text('{"Connection":"S","ContainerName":"files","BlobName":"a"}')
    async with running_dotnet(tmp_path, [queue_function("Q", "in", blob, plain, **deferred)], code=code) as app:
        inputs = {"b": place, "text": string("content")}
        metadata = {"Id": "m", "PopReceipt": "p", "DequeueCount": 1, "InsertionTime": "t1"}
        text = await app.text("Q", string("body"), inputs=inputs, trigger_metadata=metadata)
        assert not app.function("Q").bindings[2].is_deferred
    got = json.loads(text or "")
    assert got["text"] == {"string": "content"}
    assert {name: got[name]["model_binding_data"]["source"] for name in ("b", "message")} == {
        "b": "AzureStorageBlobs",
        "message": "AzureStorageQueues",
    }
    message = json.loads(base64.b64decode(got["message"]["model_binding_data"]["content"]))
    assert message == {
        "MessageId": "m", "PopReceipt": "p", "MessageText": "body", "Body": "body", "NextVisibleOn": None,
        "InsertedOn": "t1", "ExpiresOn": None, "DequeueCount": 1,
    }  # fmt: skip


async def test_returned_values_keep_their_kinds(tmp_path: Path) -> None:
    code = """VALUES = {"text": '{"a":1}', "bytes": b"\\x01", "number": 5, "list": ["a"], "null": None}
def Q(call):
    call.outputs["o"] = ["one", "two"]
    return VALUES[call.trigger.string]
"""
    async with running_dotnet(tmp_path, [queue_function("Q", "in")], code=code) as app:
        found = {name: await app.call("Q", string(name)) for name in ("text", "bytes", "number", "list", "null")}
    assert {name: response.return_value for name, response in found.items()} == {
        "text": string('{"a":1}'),
        "bytes": Datum("bytes", b"\x01"),
        "number": json_text("5"),
        "list": json_text('["a"]'),
        "null": None,
    }
    assert found["null"].outputs == {"o": json_text('["one", "two"]')}


async def test_the_second_attempt_has_a_retry_context(tmp_path: Path) -> None:
    async with running_dotnet(tmp_path, [HELLO]) as app:
        first = seen(await app.call("Hello", http(), max_retry_count=3))
        second = seen(
            await app.call("Hello", http(), max_retry_count=3, retry_count=1, last_error=("T: earlier", "   at A"))
        )
    assert first["retry"] == {}
    assert second["retry"] == {
        "retry_count": 1,
        "max_retry_count": 3,
        "exception": {"message": "T: earlier", "stack_trace": "   at A"},
    }


@pytest.mark.differs("dotnet-failures")
async def test_a_failure_has_the_type_the_message_and_the_users_frames(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running_dotnet(tmp_path, [FAILS]) as app:
        with pytest.raises(FunctionFailed) as caught:
            await app.call("Fails", http())
    failure = caught.value
    assert (str(failure), failure.type) == (
        "System.InvalidOperationException: no luck today",
        "System.InvalidOperationException",
    )
    assert failure.stack == "   at Scripted.Functions.Fails() in Functions.cs:line 7"
    assert (failure.failure.file, failure.failure.line) == ("Functions.cs", 7)
    (whole,) = [one for one in caplog.records if "An exception was thrown by the invocation" in one.getMessage()]
    assert whole.levelno == logging.DEBUG


@pytest.mark.differs("dotnet-logs")
async def test_logs_have_their_function_their_level_and_their_category(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    async with running_dotnet(tmp_path, [queue_function("Loud", "in", does="log")]) as app:
        await app.call("Loud", string(""), invocation_id="i-1")
    records = [one for one in caplog.records if one.name == "Function.Loud.User"]
    assert [(one.levelno, one.getMessage()) for one in records] == [
        (TRACE, "at trace"),
        (logging.DEBUG, "at debug"),
        (logging.INFO, "at information"),
        (logging.WARNING, "at warning"),
        (logging.ERROR, "at error"),
        (logging.CRITICAL, "at critical"),
    ]
    assert {(vars(one)["category"], vars(one)["invocation_id"]) for one in records} == {("Scripted.Functions", "i-1")}
    others = {one.getMessage(): one.levelno for one in caplog.records if one.name == "Host.Worker"}
    assert others["a system line"] == logging.DEBUG
    assert others["Application started. Press Ctrl+C to shut down."] == logging.DEBUG


async def test_printed_lines_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    code = """import sys
def Hello(call):
    for line in ("plain", "LanguageWorkerConsoleLog own", "azfuncjsonlog:{}"):
        print(line, flush=True)
    for line in ("a warning", "an error", "no news"):
        print(line, file=sys.stderr, flush=True)
    return call.respond()
"""
    async with running_dotnet(tmp_path, [HELLO], code=code) as app:
        await app.get("Hello")
    found = {one.getMessage(): one.levelname for one in caplog.records if one.name == "Host.Function.Console"}
    assert found == {"plain": "INFO", "own": "INFO", "a warning": "WARNING", "an error": "ERROR", "no news": "INFO"}


async def test_large_values_and_many_calls_pass(tmp_path: Path) -> None:
    body = os.urandom(3_000_000)
    code = "def Hello(call): return call.respond(call.trigger.http.body.bytes[::-1])"
    async with running_dotnet(tmp_path, [HELLO], code=code) as app:
        replies = await asyncio.gather(*(app.get("Hello", body=body[number:]) for number in range(4)))
        assert [reply.body == body[number:][::-1] for number, reply in enumerate(replies)] == [True] * 4
        small = await asyncio.gather(*(app.get("Hello", body=b"ab") for _ in range(200)))
        assert {reply.body for reply in small} == {b"ba"}


async def test_a_flood_of_logs_does_not_stop_the_call(tmp_path: Path) -> None:
    async with running_dotnet(tmp_path, [HELLO], misbehaves=["floods logs"]) as app:
        assert (await app.get("Hello")).status == 200


# Cancellation and time-outs


async def begun(app: RunningApp, function: str, caplog: pytest.LogCaptureFixture, **fields: Any) -> asyncio.Task[Any]:
    """A call that waits in the worker, after its first line in the log."""
    caplog.set_level(logging.INFO)
    before = len(messages(caplog, f"Function.{function}.User"))
    call = asyncio.create_task(app.call(function, http(), **fields))
    await eventually(lambda: call.done() or len(messages(caplog, f"Function.{function}.User")) > before)
    return call


async def test_a_cancelled_call_ends_as_cancelled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = """import scripted_worker as worker
async def Stops(call):
    call.log("waits")
    await call.cancelled.wait()
    raise worker.Failure("System.OperationCanceledException", "The operation was canceled.")
"""
    async with running_dotnet(tmp_path, [WAITS, http_function("Stops")], code=code) as app:
        for function in ("Waits", "Stops"):
            call = await begun(app, function, caplog, invocation_id=function)
            app.pool.cancel(function)
            with pytest.raises(FunctionCancelled):
                await call
        assert app.pool.running_calls == 0


async def test_a_cancelled_call_that_succeeds_has_its_result(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = """async def Waits(call):
    call.log("waits")
    await call.cancelled.wait()
    return call.respond("late")
"""
    async with running_dotnet(tmp_path, [WAITS], code=code) as app:
        call = await begun(app, "Waits", caplog, invocation_id="i-1")
        app.pool.cancel("i-1")
        assert (await call).return_value.value.body == b"late"


@pytest.mark.differs("dotnet-time-out")
@pytest.mark.parametrize("does", ["wait", "never end"])
async def test_a_call_that_takes_too_long_restarts_the_worker(
    tmp_path: Path, does: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running_dotnet(tmp_path, [HELLO, http_function("Waits", does=does)]) as app:
        (pid,) = app.pool.pids
        with pytest.raises(FunctionTimedOut):
            await app.call("Waits", http(), timeout=0.1)
        assert (await app.get("Hello")).status == 200
        assert app.pool.pids != (pid,)
    assert any("Restarting worker process" in text for text in messages(caplog, "Host.Worker"))


async def test_a_stop_waits_for_running_calls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = """import asyncio, pathlib
async def Hello(call):
    call.log("begins")
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.01)
    return call.respond(b"done")
"""
    async with running_dotnet(tmp_path, [HELLO], code=code) as app:
        call = await begun(app, "Hello", caplog)
        stop = asyncio.create_task(app.pool.stop(20))
        await asyncio.sleep(0)
        (tmp_path / "go").touch()
        await stop
        assert (await call).return_value.value.body == b"done"


async def test_a_stop_cancels_calls_that_do_not_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_dotnet(tmp_path, [WAITS]) as app:
        call = await begun(app, "Waits", caplog)
        await app.pool.stop(0.1)
        with pytest.raises(WorkerLost, match="was stopped before the function ended") as caught:
            await call
        assert caught.value.ending is None


async def test_a_worker_that_does_not_terminate_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TERMINATE_SECONDS", 0.2)
    async with running_dotnet(tmp_path, [HELLO], misbehaves=["ignores terminate"]) as app:
        (pid,) = app.pool.pids
        await app.pool.stop(1)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


# Faults


async def test_calls_in_a_worker_that_dies_fail_and_the_next_one_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_dotnet(tmp_path, [HELLO, WAITS]) as app:
        (pid,) = app.pool.pids
        call = await begun(app, "Waits", caplog)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerLost, match=r"signal 9 \(SIGKILL\) while it ran the function"):
            await call
        assert time.monotonic() - killed < 10
        assert (await app.get("Hello")).status == 200


async def test_a_worker_that_dies_in_each_call_ends_with_a_clear_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durable_host.invocation.slot.SHORTEST_WAIT", 0.0)
    async with running_dotnet(tmp_path, [DIES, HELLO]) as app:
        for _ in range(4):
            with pytest.raises(WorkerLost):
                await app.call("Dies", http())
        assert (await app.get("Hello")).status == 200
    assert any("keeps dying" in text for text in messages(caplog, "Host.Worker", logging.CRITICAL))


async def test_a_worker_whose_stream_breaks_is_replaced(tmp_path: Path) -> None:
    async with running_dotnet(tmp_path, [HELLO], misbehaves=["garbage later"]) as app:
        (pid,) = app.pool.pids
        with pytest.raises(WorkerLost):
            await app.get("Hello")
        await eventually(lambda: app.pool.pids not in ((), (pid,)))


async def test_an_idle_worker_that_does_not_answer_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.05)
    monkeypatch.setattr(heartbeat, "PATIENCE", 0.2)
    async with running_dotnet(tmp_path, [HELLO], misbehaves=["no answer to status"]) as app:
        (pid,) = app.pool.pids
        await eventually(lambda: app.pool.pids not in ((), (pid,)))
    assert any("has not answered" in text for text in messages(caplog, "Host.Worker", logging.ERROR))


async def test_a_busy_worker_that_does_not_answer_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.05)
    monkeypatch.setattr(heartbeat, "PATIENCE", 2.0)
    silences: list[float] = []
    kill = worker.FunctionRpcWorker._is_stuck
    monkeypatch.setattr(
        worker.FunctionRpcWorker, "_is_stuck", lambda self, silent: (silences.append(silent), kill(self, silent))
    )
    async with running_dotnet(tmp_path, [WAITS], misbehaves=["no answer to status"]) as app:
        call = await begun(app, "Waits", caplog, invocation_id="i-1")
        await eventually(lambda: len(silences) > 1)
        assert not call.done()
        app.pool.cancel("i-1")
        with pytest.raises(FunctionCancelled):
            await call


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("watches", [False, True])
async def test_no_worker_survives_a_host_that_is_killed(tmp_path: Path, watches: bool) -> None:
    root = write_scripted_app(tmp_path / "app", [HELLO])
    program = f"""
import asyncio, sys
sys.path[:0] = {[str(Path(__file__).parents[1] / name) for name in ("dotnet", "invocation", "app")]!r}
from pathlib import Path
from dotnet_pools import dotnet_options
from durable_host.invocation.pool import WorkerPool
from durable_host.function_rpc import rpc_process
if {watches}:
    rpc_process.dies_with_host = lambda: None
async def main():
    pool = WorkerPool(dotnet_options(Path({str(root)!r})))
    await pool.start()
    print(pool.pids[0], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    host = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert host.stdout is not None
    pid = int(await host.stdout.readline())
    host.kill()
    await host.wait()
    await eventually(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
