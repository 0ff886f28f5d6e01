"""Log records and printed lines of user code.

Source: docs/protocol/functions-host-worker.md#log-records, docs/protocol/functions-host-worker.md#printed-output
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from worker_apps import RunningApp, eventually, messages, running

from durable_host.invocation.datum import string
from durable_host.invocation.log_relay import relay, stderr_level

APP = r"""
import asyncio, concurrent.futures, ctypes, logging, os, subprocess, sys, threading

POOL = concurrent.futures.ThreadPoolExecutor(1)
log = logging.getLogger("my.logger")
logging.warning("at import")
logging.warning("Auth level is not applied to non http function app. This one is the app's own.")

@app.generic_trigger("g", type="someTrigger")
def levels(g):
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(logging, level)("%s of %s", level, g)
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("failed 100%%")

@app.generic_trigger("g", type="someTrigger")
async def tasks(g):
    async def child(name):
        log.info("%s %s", g, name)
    await asyncio.gather(child("a"), asyncio.create_task(child("b")))
    await asyncio.to_thread(log.info, "%s thread", g)
    await asyncio.get_running_loop().run_in_executor(None, log.info, g + " executor")

@app.generic_trigger("g", type="someTrigger")
def threads(g):
    thread = threading.Thread(target=log.info, args=(g + " thread",))
    thread.start()
    thread.join()
    POOL.submit(log.info, g + " pool").result()

@app.generic_trigger("g", type="someTrigger")
def storage(g, context):
    def work():
        context.thread_local_storage.invocation_id = g
        log.info("by storage")
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

DONE = threading.Event()

def in_background():
    DONE.wait()
    log.info("background")

threading.Thread(target=in_background, daemon=True).start()

@app.generic_trigger("g", type="someTrigger")
def background(g):
    DONE.set()

@app.generic_trigger("g", type="someTrigger")
def prints(g):
    print("one")
    print("two", "2", flush=True)
    sys.stdout.write("three\nfour")
    sys.stdout.buffer.write(b"!\n")
    print("ä \udc80")
    print("Warning: w", file=sys.stderr)
    print("it FAILED", file=sys.stderr)
    print("plain", file=sys.stderr)
    return sys.stdout.fileno()

@app.generic_trigger("g", type="someTrigger")
def native(g):
    os.write(1, b"from fd 1\n")
    os.write(2, b"from fd 2\n")
    subprocess.run([sys.executable, "-c", "print('from child')"], check=True)

@app.generic_trigger("g", type="someTrigger")
def endless(g):
    for _ in range(100):
        os.write(2, b"x" * 10_000)
    os.write(2, b"\nend of the line\n")

@app.generic_trigger("g", type="someTrigger")
def azure_noise(g):
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").info("noise")
    logging.getLogger("azure.core").warning("azure warning")
    logging.getLogger("azure.functions.AsgiMiddleware").error("system error")

@app.generic_trigger("g", type="someTrigger")
def quiet(g):
    logging.getLogger().handlers.clear()
    return "still works"

@app.generic_trigger("g", type="someTrigger")
def flood(g):
    for number in range(20000):
        log.info("line %d", number)
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    settings = {"PYTHON_ENABLE_DEBUG_LOGGING": "1"}
    async with running(tmp_path_factory.mktemp("logs"), APP, settings=settings) as running_app:
        yield running_app


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


async def until(caplog: pytest.LogCaptureFixture, logger: str, text: str) -> None:
    """Lines of other threads and programs may come after the answer."""
    await eventually(lambda: any(text in message for message in messages(caplog, logger)))


def of(caplog: pytest.LogCaptureFixture, logger: str) -> list[tuple[str, str, Any]]:
    return [
        (record.levelname, record.getMessage(), getattr(record, "invocation_id", None))
        for record in caplog.records
        if record.name == logger
    ]


async def test_records_keep_level_text_and_invocation(app: RunningApp, caplog: pytest.LogCaptureFixture):
    await app.call("levels", string("x"), invocation_id="id-1", trigger_metadata={"instanceId": "inst"})
    records = of(caplog, "Function.levels.User")
    assert [record[:2] for record in records[:5]] == [
        ("DEBUG", "debug of x"),
        ("INFO", "info of x"),
        ("WARNING", "warning of x"),
        ("ERROR", "error of x"),
        ("CRITICAL", "critical of x"),
    ]
    assert {record[2] for record in records} == {"id-1"}
    assert records[5][1].startswith("failed 100%")
    assert records[5][1].endswith("ZeroDivisionError: division by zero")
    [first, *_] = [record for record in caplog.records if record.name == "Function.levels.User"]
    assert (first.function, first.instance_id, first.category) == ("levels", "inst", "root")  # type: ignore[attr-defined]


async def test_tasks_and_their_threads_belong_to_their_invocation(app: RunningApp, caplog: pytest.LogCaptureFixture):
    await asyncio.gather(*(app.call("tasks", string(name), invocation_id=name) for name in ("i1", "i2")))
    records = of(caplog, "Function.tasks.User")
    assert sorted(text for _, text, _ in records) == sorted(
        f"{name} {what}" for name in ("i1", "i2") for what in ("a", "b", "thread", "executor")
    )
    assert all(text.startswith(str(owner)) for _, text, owner in records)


async def test_user_threads_and_pools_inherit_the_invocation(app: RunningApp, caplog: pytest.LogCaptureFixture):
    for name in ("i1", "i2"):
        await app.call("threads", string(name), invocation_id=name)
    assert [(text, owner) for _, text, owner in of(caplog, "Function.threads.User")] == [
        ("i1 thread", "i1"),
        ("i1 pool", "i1"),
        ("i2 thread", "i2"),
        ("i2 pool", "i2"),
    ]


async def test_thread_local_storage_attaches_a_thread(app: RunningApp, caplog: pytest.LogCaptureFixture):
    await app.call("storage", string("id-7"), invocation_id="id-7")
    assert of(caplog, "Function.storage.User") == [("INFO", "by storage", "id-7")]


async def test_records_without_an_invocation_are_shown(app: RunningApp, caplog: pytest.LogCaptureFixture):
    await app.call("background")
    await until(caplog, "Host.Function.Console", "background")


async def test_printed_lines_are_console_records(app: RunningApp, caplog: pytest.LogCaptureFixture):
    assert await app.text("prints", invocation_id="p") == "1"
    assert of(caplog, "Host.Function.Console") == [
        ("INFO", "one", "p"),
        ("INFO", "two 2", "p"),
        ("INFO", "three", "p"),
        ("INFO", "four!", "p"),
        ("INFO", "ä \\udc80", "p"),
        ("WARNING", "Warning: w", "p"),
        ("ERROR", "it FAILED", "p"),
        ("INFO", "plain", "p"),
    ]


async def test_output_of_native_code_and_child_programs_is_captured(app: RunningApp, caplog: pytest.LogCaptureFixture):
    await app.call("native")
    for text in ("from fd 1", "from fd 2", "from child"):
        await until(caplog, "Host.Function.Console", text)


async def test_a_line_on_stderr_that_never_ends_is_shown_in_pieces(app: RunningApp, caplog: pytest.LogCaptureFixture):
    await app.call("endless")
    await until(caplog, "Host.Function.Console", "end of the line")
    pieces = [text for _, text, _ in of(caplog, "Host.Function.Console") if text.startswith("xxx")]
    assert sum(len(piece) for piece in pieces) == 1_000_000
    assert max(len(piece) for piece in pieces) < 500_000


async def test_azure_sdk_logs_are_warnings_and_worse(app: RunningApp, caplog: pytest.LogCaptureFixture):
    await app.call("azure_noise")
    assert [text for _, text, _ in of(caplog, "Function.azure_noise.User")] == ["azure warning"]
    assert [text for _, text, _ in of(caplog, "Host.Worker")] == ["system error"]


async def test_many_records_arrive_in_order(app: RunningApp, caplog: pytest.LogCaptureFixture):
    await app.call("flood")
    assert messages(caplog, "Function.flood.User") == [f"line {number}" for number in range(20000)]


async def test_app_that_removes_the_handlers_still_works(app: RunningApp):
    assert await app.text("quiet") == "still works"


async def test_records_at_import_time_are_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, "import logging\nlogging.warning('at import')\nprint('printed')\n"):
        assert messages(caplog, "Host.Function.Console")[:2] == ["at import", "printed"]


async def test_records_below_the_minimum_level_stay_in_the_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    settings = {"PYTHON_ENABLE_DEBUG_LOGGING": "1"}
    async with running(tmp_path, APP, minimum_level=logging.WARNING, settings=settings) as quiet:
        await quiet.call("levels", string("x"))
        assert [level for level, _, _ in of(caplog, "Function.levels.User")] == [
            "WARNING",
            "ERROR",
            "CRITICAL",
            "ERROR",
        ]


FORKS = """
import logging, os

@app.generic_trigger("g", type="someTrigger")
def forks(g):
    pid = os.fork()
    if pid == 0:
        print("child prints")
        logging.warning("child logs")
        os._exit(0)
    os.waitpid(pid, 0)
    return "parent"
"""


@pytest.mark.skipif("not hasattr(__import__('os'), 'fork')")
async def test_forked_child_does_not_disturb_the_pipes(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, FORKS) as app:
        assert await app.text("forks") == "parent"
        assert await app.text("forks") == "parent"
        await until(caplog, "Host.Function.Console", "child prints")
        await until(caplog, "Host.Function.Console", "child logs")


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("a warning", logging.WARNING),
        ("Warn: error", logging.WARNING),
        ("Error", logging.ERROR),
        ("failed", logging.ERROR),
        ("SEVERE", logging.ERROR),
        ("unhandled exception", logging.ERROR),
        ("hello", logging.INFO),
    ],
)
async def test_level_of_a_line_on_stderr(line: str, level: int):
    assert stderr_level(line) == level


async def test_of_the_auth_level_warnings_that_of_the_sdk_is_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, APP):
        told = [text for text in messages(caplog, "Host.Function.Console") if text.startswith("Auth level")]
    assert told == ["Auth level is not applied to non http function app. This one is the app's own."]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("LanguageWorkerConsoleLog[INFO] ready", "[INFO] ready"),
        ("LanguageWorkerConsoleLog ready", "ready"),
        ("languageworkerconsolelogready", "ready"),
        ("see LanguageWorkerConsoleLog", "see LanguageWorkerConsoleLog"),
    ],
)
async def test_the_mark_of_lines_for_the_hosts_log_is_not_shown(
    caplog: pytest.LogCaptureFixture, stream: str, line: str, shown: str
):
    with caplog.at_level(logging.INFO):
        relay({"k": "console", "s": stream, "t": line}, None)
    assert messages(caplog, "Host.Function.Console") == [shown]
