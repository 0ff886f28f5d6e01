"""Apps that work without end while virtual time stands still: the test ends with an error that names the loop."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueClient
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


@app.orchestration_trigger(context_name="context")
def in_a_moment(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=500))


@app.orchestration_trigger(context_name="context")
def children(context):
    count = context.get_input() or 0
    if count:
        yield context.task_all([context.call_sub_orchestrator("children", 0) for _ in range(count)])
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


@app.entity_trigger(context_name="ctx")
def chain(ctx, input=None):
    ctx.signal_entity(type(ctx.entity_id)("chain", str(int(ctx.entity_id.key) + 1)), "again")
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
    monkeypatch.setattr(work_bound, "MOST_OF_A_NAME", MOST)
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
        app.start("after_an_hour")
    assert app.reset().instances() == []


@pytest.mark.parametrize("loaded", ["2.x"], indirect=True)
def test_an_entity_that_signals_itself_is_a_loop(app: FunctionApp) -> None:
    with pytest.raises(EndlessWork, match=f"The entity '@echo@a' has run {MOST} times"):
        app.entity("echo", "a").signal("again")


@pytest.mark.parametrize("loaded", ["2.x"], indirect=True)
def test_entities_that_signal_one_another_are_a_loop(app: FunctionApp) -> None:
    with pytest.raises(EndlessWork, match=f"The entities '@chain' have run {MOST} times"):
        app.entity("chain", "0").signal("again")


@pytest.mark.parametrize("loaded", ["2.x"], indirect=True)
def test_entities_of_a_stopped_app_can_be_read(app: FunctionApp) -> None:
    with pytest.raises(EndlessWork):
        app.start("again", instance_id="a")
    assert app.entity("echo", "a").state is None


def test_a_stopped_app_can_be_read(app: FunctionApp) -> None:
    app.container("letters").upload("one", "text")
    with pytest.raises(EndlessWork):
        app.start("again_with_activity", instance_id="a")
    assert [one.id for one in app.instances()] == ["a"]
    assert app.instance("a").status in {"Pending", "Running"}
    assert "'a' (again_with_activity): " in app.report()
    assert app.queue("own").messages == []
    assert app.container("letters").download("one") == b"text"


def test_a_loop_that_a_read_finds_is_not_hidden(app: FunctionApp) -> None:
    with QueueClient.from_connection_string(app.connection_string, "own") as queue:
        queue.create_queue()
        queue.send_message("Zmlyc3Q=")
        with pytest.raises(EndlessWork):
            app.instances()
    assert app.instances() == []


def test_the_runs_of_a_loop_are_logged_a_few_hundred_times_at_most(
    app: FunctionApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_bound, "MOST_LOGGED", 10)
    with pytest.raises(EndlessWork):
        app.queue("own").send("first")
    begun = [line.text for line in app.logs if line.text.startswith("Executing 'Functions.feeds_itself'")]
    assert len(begun) == 10
    assert "Its further runs at this time are not logged." in [line.text for line in app.logs]
    app.reset().queue("numbers").send("1")
    assert len([line for line in app.logs if line.text.startswith("Executing 'Functions.reads'")]) == 1


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
def test_much_work_is_not_a_loop(app: FunctionApp, act: Callable[[FunctionApp], Any]) -> None:
    assert act(app)


def test_steps_of_the_test_do_not_add_up_while_a_timer_waits(app: FunctionApp) -> None:
    waiting = app.start("in_a_moment")
    for _ in range(2 * MOST):
        app.queue("numbers").send("1")
    assert waiting.status == "Running"


def test_the_name_of_an_instance_may_be_counted_less_strictly_than_the_instance(
    app: FunctionApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_bound, "MOST_OF_A_NAME", 10 * MOST)
    assert app.start("children", 2 * MOST).output == "done"


def test_a_virtual_host_ends_a_loop_too(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setattr(work_bound, "MOST_RUNS", MOST)
    settings = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    with VirtualHost(root, settings=settings) as host, pytest.raises(EndlessWork, match="continued as new"):
        host.start("again")


def test_no_app_needs_as_many_runs_as_the_bound_allows() -> None:
    bound = WorkBound(VirtualClock())
    for _ in range(work_bound.MOST_OF_A_NAME):
        bound.function_runs("f")
    assert not bound.is_stopped
    bound.function_runs("f")
    assert bound.is_stopped


def test_an_instance_continues_as_new_also_after_a_step() -> None:
    bound = WorkBound(VirtualClock())
    bound.execution_begins("a", "0", "again")
    bound.begin_step()
    for number in range(1, work_bound.MOST_RUNS + 2):
        bound.execution_begins("a", str(number), "again")
    with pytest.raises(EndlessWork, match=f"The instance 'a' .* continued as new {work_bound.MOST_RUNS:,} times"):
        bound.at_rest(None)


@pytest.mark.parametrize(("level", "meanwhile"), [(logging.INFO, logging.WARNING), (logging.ERROR, logging.ERROR)])
def test_many_runs_are_logged_less_until_time_passes(level: int, meanwhile: int) -> None:
    clock = VirtualClock()
    bound, log = WorkBound(clock), logging.getLogger("Function.of_many_runs")
    log.setLevel(level)
    for _ in range(2 * work_bound.MOST_LOGGED):
        bound.shorten_log("of_many_runs")
    assert log.level == meanwhile
    bound.at_rest(None)
    assert log.level == level
    log.setLevel(logging.NOTSET)


async def test_a_loop_that_hardly_waits_is_reported_as_one() -> None:
    clock = VirtualClock()
    bound = WorkBound(clock)
    for _ in range(work_bound.MOST_RUNS + 1):
        bound.instance_advances("a", "polls")
        await clock.advance(50e-6)
    with pytest.raises(EndlessWork, match=r"10,000 times in 0\.5 virtual seconds") as failed:
        bound.at_rest(None)
    assert "It is only 2024-01-01 00:00:00, because the loop hardly waits" in failed.value.__notes__[1]
