"""Apps that work without end while virtual time stands still: the test ends with an error that names the loop."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from v2_environment import v2_interpreter

from durable_host.testing import FunctionApp, VirtualClock, VirtualHost, work_bound
from durable_host.testing.work_bound import EndlessWork, WorkBound

APP = """
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
ACCOUNT = "AzureWebJobsStorage"


@app.orchestration_trigger(context_name="context")
def again(context):
    context.continue_as_new(context.get_input())


@app.orchestration_trigger(context_name="context")
def again_with_activity(context):
    yield context.call_activity("work", 1)
    context.continue_as_new(None)


@app.orchestration_trigger(context_name="context")
def after_an_hour(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    while True:
        yield context.call_activity("work", 1)


@app.orchestration_trigger(context_name="context")
def timers(context):
    while True:
        yield context.create_timer(context.current_utc_datetime)


@app.orchestration_trigger(context_name="context")
def nested(context):
    yield context.call_sub_orchestrator("nested", None)


@app.orchestration_trigger(context_name="context")
def fan_out(context):
    yield context.task_all([context.call_activity("work", number) for number in range(context.get_input())])
    return "done"


@app.orchestration_trigger(context_name="context")
def every_second(context):
    for _ in range(context.get_input()):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    return "done"


@app.activity_trigger(input_name="number")
def work(number: int) -> int:
    return number


@app.route(route="again")
@app.durable_client_input(client_name="client")
async def start_again(req: func.HttpRequest, client):
    return func.HttpResponse(await client.start_new("again", "by-http"))


@app.queue_trigger(arg_name="message", queue_name="own", connection=ACCOUNT)
@app.queue_output(arg_name="out", queue_name="own", connection=ACCOUNT)
def feeds_itself(message: func.QueueMessage, out: func.Out[str]):
    out.set("again")


@app.queue_trigger(arg_name="message", queue_name="numbers", connection=ACCOUNT)
def reads(message: func.QueueMessage):
    pass


@app.entity_trigger(context_name="ctx")
def echo(ctx, input=None):
    ctx.signal_entity(ctx.entity_id, "again")
"""
MOST = 60


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    return root


@pytest.fixture(scope="module", params=["1.x", "2.x"])
def loaded(request: pytest.FixtureRequest, root: Path) -> Iterator[FunctionApp]:
    python = v2_interpreter() if request.param == "2.x" else None
    with FunctionApp(root, python=python) as app:
        yield app


@pytest.fixture
def app(loaded: FunctionApp, monkeypatch: pytest.MonkeyPatch) -> FunctionApp:
    monkeypatch.setattr(work_bound, "MOST_RUNS", MOST)
    return loaded.reset()


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda app: app.start("again", instance_id="a"), "The instance 'a' (again) has continued as new"),
        (lambda app: app.start("again_with_activity", instance_id="a"), "'a' (again_with_activity) has continued as"),
        (lambda app: app.start("after_an_hour", 1, instance_id="a").wait(), "'a' (after_an_hour) has called or await"),
        (lambda app: [app.start("after_an_hour", 1), app.advance(days=1)], "(after_an_hour) has called or awaited"),
        (lambda app: app.start("timers", instance_id="a").wait(), "The instance 'a' (timers) has called or awaited"),
        (lambda app: app.client.get("/api/again"), "The instance 'by-http' (again) has continued as new"),
        (lambda app: app.start("nested"), "The orchestrator 'nested' has been started"),
        (lambda app: app.queue("own").send("first"), "The function 'feeds_itself' has run"),
        (lambda app: app.call("feeds_itself", "first"), "The function 'feeds_itself' has run"),
    ],
)
def test_a_loop_in_which_no_time_passes_ends_with_its_name(
    app: FunctionApp, act: Callable[[FunctionApp], Any], what: str
) -> None:
    with pytest.raises(EndlessWork) as failed:
        act(app)
    assert what in str(failed.value)
    assert f"{MOST} times without virtual time passing" in str(failed.value)
    with pytest.raises(EndlessWork):  # until the next reset
        app.instances()
    assert app.reset().instances() == []


@pytest.mark.parametrize("loaded", ["2.x"], indirect=True)
def test_an_entity_that_signals_itself_is_a_loop(app: FunctionApp) -> None:
    with pytest.raises(EndlessWork, match=f"The entity '@echo@a' has run {MOST} times"):
        app.entity("echo", "a").signal("again")


def test_the_error_has_a_code_a_cause_and_a_remedy(app: FunctionApp) -> None:
    with pytest.raises(EndlessWork) as failed:
        app.start("again")
    code, cause, remedy = failed.value.__notes__
    assert code == "code: DH3061"
    assert "It is still 2024-01-01 00:00:00, because time passes only when nothing is left to do" in cause
    assert "Let the loop wait for a timer or an event" in remedy


@pytest.mark.parametrize(
    "act",
    [
        lambda app: app.start("fan_out", 2 * MOST).output == "done",
        lambda app: app.start("every_second", 2 * MOST).wait().output == "done",
        lambda app: [app.queue("numbers").send("1") for _ in range(2 * MOST)],
    ],
    ids=["results of a fan-out", "steps of time", "steps of the test"],
)
def test_much_work_is_no_loop(app: FunctionApp, act: Callable[[FunctionApp], Any]) -> None:
    assert act(app)


def test_a_virtual_host_ends_a_loop_too(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setattr(work_bound, "MOST_RUNS", MOST)
    settings = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    with VirtualHost(root, settings=settings) as host, pytest.raises(EndlessWork, match="continued as new"):
        host.start("again")


def test_no_app_needs_as_many_runs_as_the_bound_allows() -> None:
    bound = WorkBound(VirtualClock())
    for _ in range(work_bound.MOST_RUNS):
        bound.function_runs("f")
    assert not bound.is_stopped
    bound.function_runs("f")
    assert bound.is_stopped
