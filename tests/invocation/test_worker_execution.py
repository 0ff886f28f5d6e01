"""How functions run: context, threads, exceptions, blocked loops.

Source: docs/protocol/functions-host-worker.md#running-functions,
    docs/protocol/functions-host-worker.md#context-object,
    docs/protocol/functions-host-worker.md#exceptions
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from worker_apps import RunningApp, eventually, messages, running, write_app

from durable_host.invocation.datum import string
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.requests import InvocationRequest

APP = """
import asyncio, json, os, sys, threading, time

def told(context):
    trace, retry = context.trace_context, context.retry_context
    return {
        "id": context.invocation_id, "name": context.function_name, "directory": context.function_directory,
        "trace": [trace.trace_parent, trace.trace_state, trace.Traceparent, trace.Tracestate],
        "attributes": [trace.attributes, trace.Attributes],
        "retry": [retry.retry_count, retry.max_retry_count, retry.rpc_exception.message, retry.exception.stack_trace],
        "thread": threading.current_thread() is threading.main_thread(),
    }

@app.generic_trigger("g", type="someTrigger")
def sync_context(g, context: func.Context): return told(context)

@app.generic_trigger("g", type="someTrigger")
async def async_context(g, context): return told(context)

@app.generic_trigger("context", type="someTrigger")
def own_context(context): return type(context).__name__

GATE = threading.Barrier(2, timeout=20)

@app.generic_trigger("g", type="someTrigger")
def together(g):
    GATE.wait()
    return "met"

MET = None

@app.generic_trigger("g", type="someTrigger")
async def together_async(g):
    global MET
    if MET is None:
        MET = asyncio.Event()
        await MET.wait()
    else:
        MET.set()
    return "met"

def deep():
    try:
        {}["k"]
    except KeyError as error:
        raise ValueError("boom") from error

@app.generic_trigger("g", type="someTrigger")
def chained(g): deep()

@app.generic_trigger("g", type="someTrigger")
async def chained_async(g): deep()

@app.generic_trigger("g", type="someTrigger")
def raises(g):
    class Odd(Exception):
        def __str__(self): raise RuntimeError("no text")
    raise {
        "exit": SystemExit(3), "interrupt": KeyboardInterrupt(), "cancelled": asyncio.CancelledError(), "odd": Odd(),
        "base": BaseException("b"), "stop": StopIteration(1),
    }[g]

@app.generic_trigger("g", type="someTrigger")
async def raises_async(g): raises(g)

@app.generic_trigger("g", type="someTrigger")
async def exits_in_task(g):
    async def leave(): sys.exit(1)
    task = asyncio.create_task(leave())
    await asyncio.wait([task])
    return "survived"

@app.generic_trigger("g", type="someTrigger")
async def blocks(g):
    while not os.path.exists("reported"):
        time.sleep(0.02)
    return "done"

@app.generic_trigger("g", type="someTrigger")
def reads_stdin(g):
    return [sys.stdin.read(), sys.argv[0].endswith("__main__.py")]

@app.generic_trigger("g", type="someTrigger")
def module_names(g):
    import importlib.util
    return [name for name in ("frames", "scope", "process", "durable_host") if importlib.util.find_spec(name)]

@app.generic_trigger("g", type="someTrigger")
def returns_coroutine(g): return asyncio.sleep(0)
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    async with running(tmp_path_factory.mktemp("execution"), APP) as running_app:
        yield running_app


@pytest.mark.parametrize(("function", "is_main"), [("sync_context", False), ("async_context", True)])
async def test_context_describes_the_invocation(app: RunningApp, function: str, is_main: bool):
    response = await app.text(
        function,
        invocation_id="11111111-2222-3333-4444-555555555555",
        trace_parent="00-a-b-01",
        trace_state="s=1",
        retry_count=1,
        max_retry_count=3,
        last_error=("ValueError: x", "stack"),
    )
    assert json.loads(response or "") == {
        "id": "11111111-2222-3333-4444-555555555555",
        "name": function,
        "directory": app.function(function).directory,
        "trace": ["00-a-b-01", "s=1", "00-a-b-01", "s=1"],
        "attributes": [{}, {}],
        "retry": [1, 3, "ValueError: x", "stack"],
        "thread": is_main,
    }


async def test_context_without_a_retry_policy_has_zeros(app: RunningApp):
    told = json.loads(await app.text("sync_context") or "")
    assert told["retry"] == [0, 0, "", ""]


async def test_binding_called_context_is_not_replaced(app: RunningApp):
    assert await app.text("own_context", string("x")) == "str"


@pytest.mark.parametrize("function", ["together", "together_async"])
async def test_calls_run_side_by_side(app: RunningApp, function: str):
    assert await asyncio.gather(app.text(function), app.text(function)) == ["met", "met"]


@pytest.mark.parametrize("function", ["chained", "chained_async"])
async def test_failure_has_type_text_and_the_users_frames_with_causes(app: RunningApp, function: str):
    with pytest.raises(FunctionFailed) as failure:
        await app.call(function)
    assert str(failure.value) == "ValueError: boom"
    stack = failure.value.stack
    assert "KeyError: 'k'" in stack
    assert "The above exception was the direct cause of the following exception" in stack
    assert f"in {function}" in stack
    assert "in deep" in stack
    assert "call_dispatcher.py" not in stack
    assert "function_call.py" not in stack
    assert "concurrent" not in stack


@pytest.mark.parametrize("function", ["raises", "raises_async"])
@pytest.mark.parametrize(
    ("what", "type_name"),
    [
        ("exit", "SystemExit"),
        ("interrupt", "KeyboardInterrupt"),
        ("cancelled", "CancelledError"),
        ("odd", "Odd"),
        ("base", "BaseException"),
    ],
)
async def test_nothing_that_user_code_raises_ends_the_worker(app: RunningApp, function: str, what: str, type_name: str):
    pid = app.pool.pids
    with pytest.raises(FunctionFailed) as failure:
        await app.call(function, string(what))
    assert failure.value.type == type_name
    assert await app.text("own_context", string("x")) == "str"
    assert app.pool.pids == pid


async def test_exit_in_a_background_task_leaves_the_worker_running(app: RunningApp):
    assert await app.text("exits_in_task") == "survived"


async def test_blocked_event_loop_is_reported_with_the_line(app: RunningApp, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    blocking = asyncio.create_task(app.text("blocks"))
    await eventually(lambda: messages(caplog, "Host.Worker", logging.WARNING))
    await asyncio.to_thread(Path(app.function("blocks").directory, "reported").touch)
    assert await blocking == "done"
    [warning] = messages(caplog, "Host.Worker", logging.WARNING)
    assert "by async function 'blocks'" in warning
    assert "in blocks: time.sleep(0.02)" in warning


async def test_user_code_cannot_read_the_hosts_requests(app: RunningApp):
    assert json.loads(await app.text("reads_stdin") or "") == ["", True]


async def test_modules_of_the_worker_are_not_importable_by_their_bare_names(app: RunningApp):
    assert json.loads(await app.text("module_names") or "") in ([], ["durable_host"])


async def test_coroutine_of_a_plain_function_is_an_error(app: RunningApp):
    with pytest.raises(FunctionFailed, match='for Python type "coroutine"'):
        await app.call("returns_coroutine")


async def test_function_that_the_app_does_not_have_is_an_error(app: RunningApp):
    with pytest.raises(FunctionFailed, match="the app has no function 'nowhere'"):
        await app.pool.invoke(InvocationRequest(function="nowhere", invocation_id="x", inputs={}))


THREADS = """
import threading
GATE = threading.Barrier(3)

@app.generic_trigger("g", type="someTrigger")
def meet(g):
    GATE.wait(20)
    return "met"
"""


async def test_thread_count_is_that_of_the_setting(tmp_path: Path):
    settings = {"PYTHON_THREADPOOL_THREAD_COUNT": "3"}
    async with running(tmp_path, THREADS, settings=settings) as app:
        assert await asyncio.gather(*(app.text("meet") for _ in range(3))) == ["met"] * 3


async def test_bad_thread_count_warns_and_uses_the_default(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, THREADS, settings={"PYTHON_THREADPOOL_THREAD_COUNT": "many"}) as app:
        assert await asyncio.gather(*(app.text("meet") for _ in range(3))) == ["met"] * 3
    assert any("PYTHON_THREADPOOL_THREAD_COUNT must be a number" in text for text in messages(caplog, "Host.Worker"))


CONTEXT_VARIABLES = """
from contextvars import ContextVar
SEEN = ContextVar("seen", default="nothing")

@app.generic_trigger("g", type="someTrigger")
def sync_call(g):
    before = SEEN.get()
    SEEN.set(g)
    return before

@app.generic_trigger("g", type="someTrigger")
async def async_call(g): return sync_call(g)
"""


@pytest.mark.parametrize("function", ["sync_call", "async_call"])
async def test_context_variables_do_not_leak_from_call_to_call(tmp_path: Path, function: str):
    async with running(tmp_path, CONTEXT_VARIABLES, settings={"PYTHON_THREADPOOL_THREAD_COUNT": "1"}) as app:
        assert await app.text(function, string("a")) == "nothing"
        assert await app.text(function, string("b")) == "nothing"


BLUEPRINT = {
    "function_app.py": """
        import azure.functions as func
        from deep.parts import bp
        app = func.FunctionApp()
        app.register_functions(bp)
        """,
    "deep/parts.py": """
        import azure.functions as func
        bp = func.Blueprint()

        @bp.generic_trigger("g", type="someTrigger")
        @bp.durable_client_input("client")
        async def where(g, client, context: func.Context): return context.function_directory
        """,
}


async def test_function_directory_is_that_of_the_users_file(tmp_path: Path):
    client = json.dumps({"taskHubName": "H", "creationUrls": {}, "managementUrls": {}})
    async with running(tmp_path, BLUEPRINT) as app:
        assert await app.text("where", inputs={"client": string(client)}) == str(tmp_path / "deep")


async def test_working_directory_is_the_app_root(tmp_path: Path):
    text = '@app.generic_trigger("g", type="someTrigger")\ndef where(g):\n    import os\n    return os.getcwd()\n'
    async with running(write_app(tmp_path, text)) as app:
        assert await app.text("where") == str(tmp_path)
