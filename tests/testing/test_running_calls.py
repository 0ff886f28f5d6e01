"""Functions that never end: the test ends with an error that names them."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import SimpleNamespace

import pytest

from durable_host.errors import ConfigurationError
from durable_host.testing import FunctionApp, LiveFunctionApp, running_calls
from durable_host.testing.app_under_test import failure_report
from durable_host.testing.kit_patience import DEFAULT, SETTING, StillBusy, patience_of
from durable_host.testing.running_calls import RunningCalls

APP = """
import time

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.orchestration_trigger(context_name="context")
def order(context):
    yield context.call_activity("charge", 1)


@app.orchestration_trigger(context_name="context")
def stuck(context):
    time.sleep(600)
    yield


@app.activity_trigger(input_name="amount")
def charge(amount: int) -> int:
    time.sleep(600)
    return amount


@app.route(route="starts")
@app.durable_client_input(client_name="client")
async def starts(req: func.HttpRequest, client):
    return await client.start_new("order")


@app.route(route="never")
def never(req: func.HttpRequest) -> str:
    time.sleep(600)
    return ""


@app.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage):
    time.sleep(600)


@app.orchestration_trigger(context_name="context")
def approval(context):
    yield context.wait_for_external_event("Approval")
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("endless-calls")
    (folder / "host.json").write_text('{"version": "2.0"}', "utf-8")
    (folder / "function_app.py").write_text(APP, "utf-8")
    return folder


@pytest.fixture(scope="module")
def loaded_app(root: Path) -> Iterator[FunctionApp]:
    with FunctionApp(root, settings={SETTING: "3"}) as app:
        yield app


@pytest.fixture
def app(loaded_app: FunctionApp) -> FunctionApp:
    return loaded_app.reset()


@pytest.mark.process
def test_a_start_that_never_returns_fails_with_the_name_of_the_function(
    app: FunctionApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StillBusy, match=r"The function 'charge' of instance 'a' has been running for 3 s.*PATIENCE"):
        app.start("order", instance_id="a")
    with monkeypatch.context() as patch:
        patch.setattr(running_calls, "_LOOKS_EVERY", 0.0)  # so that each read is looked at
        assert app.instance("a").status == "Running"
        assert app.instance("a").history
        assert app.queue("work").messages == []
        assert "activity 'charge'" in failure_report(app)
    with pytest.raises(StillBusy):
        app.instance("a").raise_event("Late", 1)
    assert app.reset().start("approval").status == "Running"


@pytest.mark.process
@pytest.mark.parametrize(
    ("step", "what"),
    [
        (lambda app: app.start("stuck", instance_id="b"), "orchestrator 'stuck' of instance 'b'"),
        (lambda app: app.client.get("/api/starts"), "function 'charge' of instance '"),
        (lambda app: app.client.get("/api/never"), "function 'never'"),
        (lambda app: app.client.stream("GET", "/api/never").__enter__(), "function 'never'"),
        (lambda app: app.queue("work").send("x"), "function 'work'"),
        (lambda app: app.call("work", "x"), "function 'work'"),
    ],
    ids=["an orchestrator", "what a request starts", "a request", "a stream", "a message", "a call"],
)
def test_every_step_ends(app: FunctionApp, step: Callable[[FunctionApp], object], what: str) -> None:
    with pytest.raises(StillBusy, match=f"The {what}"):
        step(app)


@pytest.mark.process
def test_a_double_that_never_returns_is_named_too(app: FunctionApp) -> None:
    released = threading.Event()
    app.activity("charge").runs(lambda amount: released.wait())
    try:
        with pytest.raises(StillBusy, match="The function 'charge' of instance 'c'"):
            app.start("order", instance_id="c")
    finally:
        released.set()


@pytest.mark.process
def test_a_live_app_ends_its_waits_too(root: Path) -> None:
    with LiveFunctionApp(root, settings={SETTING: "3"}) as app:
        with pytest.raises(StillBusy, match="GET /api/never has not ended within 3 s"):
            app.client.get("/api/never")
        assert app.instances() == []
        with pytest.raises(StillBusy, match="still busy after 3 s"):
            app.start("order", instance_id="a")
        assert app.instance("a").status == "Running"
        assert app.queue("other").messages == []
        report = failure_report(app)
        assert "activity 'charge'" in report
        with pytest.raises(StillBusy, match="The function 'work' has not ended within 3 s"):
            app.call("work", "x")


async def test_a_call_that_ends_in_time_is_not_interrupted() -> None:
    calls = RunningCalls(60)
    async with calls.limit():
        with calls.running("It"):
            await asyncio.sleep(0)
    assert not calls.never_end


async def test_an_app_that_works_without_any_call_is_interrupted() -> None:
    with pytest.raises(StillBusy, match="although no function runs"):
        async with RunningCalls(0.01).limit():
            await asyncio.Event().wait()


async def test_calls_that_a_test_reads_piece_by_piece_may_take_long() -> None:
    calls = RunningCalls(0.01, lambda: [(0.0, time.monotonic())])
    begun = asyncio.Event()

    async def waits() -> None:
        async with calls.limit():
            begun.set()
            await asyncio.Event().wait()

    with calls.running("The stream"):
        waiting = asyncio.create_task(waits())
        await begun.wait()
        with calls.running("The other"), pytest.raises(StillBusy, match="The other has been running"):
            await waiting
        assert not calls.never_end


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of running calls, which are looked at in each turn of the loop."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(running_calls, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(running_calls, "_LOOKS_EVERY", 0.0)
    return clock


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def wait_within(limit: AbstractAsyncContextManager[None], clock: SimpleNamespace, end: float) -> None:
    """Wait without an end; after some turns of the loop, it is `end`."""
    async with limit:
        await turns()
        clock.now = end
        await asyncio.Event().wait()


async def test_a_read_beside_a_call_that_is_known_not_to_end_has_a_limit_of_its_own(clock: SimpleNamespace) -> None:
    calls = RunningCalls(60)
    with calls.running("It"):
        with pytest.raises(StillBusy, match="It has been running"):
            await wait_within(calls.limit(), clock, 61)
        assert calls.never_end
        async with calls.limit_to_read():
            await turns()
        with pytest.raises(StillBusy, match="no other function runs"):
            await wait_within(calls.limit_to_read(), clock, 122)
        with pytest.raises(StillBusy, match="It has been running"):
            await wait_within(calls.limit(), clock, 123)
    assert not calls.never_end


async def test_a_call_that_does_not_end_is_reported_beside_shorter_streams(clock: SimpleNamespace) -> None:
    streams: list[tuple[float, float]] = []
    calls = RunningCalls(60, lambda: streams)
    with calls.running("The call"):
        clock.now = 40
        streams.append((30, 40))
        with calls.running("The stream"), pytest.raises(StillBusy, match="The call has been running"):
            await wait_within(calls.limit(), clock, 61)


async def test_a_stream_that_is_older_than_a_call_is_not_reported(clock: SimpleNamespace) -> None:
    calls = RunningCalls(60, lambda: [(0, 0)])
    with calls.running("The stream"):
        clock.now = 50
        with calls.running("The call"):
            async with calls.limit():
                clock.now = 61
                await turns()


async def test_errors_of_the_work_pass() -> None:
    with pytest.raises(TimeoutError, match="mine"):
        async with RunningCalls(60).limit():
            raise TimeoutError("mine")


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_a_patience_that_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{SETTING}' is '{text}', expected a number of seconds"):
        patience_of({SETTING: text})


def test_patience_is_a_setting() -> None:
    assert (patience_of({}), patience_of({SETTING: " 600 "})) == (DEFAULT, 600.0)
