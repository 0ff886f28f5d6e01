"""An app in virtual time, through the API of tests: real worker process, real SDK, everything else in memory."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from v2_environment import v2_interpreter

from durable_host.durable.api.errors import InstanceNotFound, UnknownFunction
from durable_host.testing import FunctionApp, StillRunning, assert_replays
from durable_host.testing.app_under_test import failure_report

APP = """
import logging
import os
import time
from datetime import timedelta

import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
calls = 0


@app.orchestration_trigger(context_name="context")
def approval(context):
    context.set_custom_status("waiting")
    approved = context.wait_for_external_event("Approval")
    expired = context.create_timer(context.current_utc_datetime + timedelta(days=3))
    first = yield context.task_any([approved, expired])
    if first == expired:
        return "expired"
    expired.cancel()
    return (yield context.call_activity("charge", 5))


@app.orchestration_trigger(context_name="context")
def parent(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    return (yield context.call_sub_orchestrator("child", 2, context.instance_id + ":child"))


@app.orchestration_trigger(context_name="context")
def child(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    return context.get_input() * 2


@app.orchestration_trigger(context_name="context")
def counting(context):
    return (yield context.call_entity(df.EntityId("counter", "a"), "add", 3))


@app.orchestration_trigger(context_name="context")
def flaky(context):
    return (yield context.call_activity("fails_once", "x"))


@app.activity_trigger(input_name="amount")
def charge(amount: int) -> int:
    logging.info("charging %s", amount)
    return amount


@app.activity_trigger(input_name="text")
def fails_once(text: str) -> str:
    global calls
    calls += 1
    if calls == 1:
        raise ValueError("the first call fails")
    return text


@app.activity_trigger(input_name="text")
def ends_the_worker(text: str) -> int:
    marker = os.environ["MARKER"]
    if not os.path.exists(marker):
        open(marker, "w").close()
        os._exit(3)
    return os.getpid()


@app.orchestration_trigger(context_name="context")
def slow(context):
    yield context.call_activity("sleeps", "")


@app.activity_trigger(input_name="text")
def sleeps(text: str) -> str:
    time.sleep(600)
    return text


@app.orchestration_trigger(context_name="context")
def deadly(context):
    return (yield context.call_activity("ends_the_worker", ""))


@app.entity_trigger(context_name="context")
def counter(context):
    total = context.get_state(lambda: 0) + (context.get_input() or 0)
    context.set_state(total)
    context.set_result(total)


@app.function_name("square")
@app.queue_trigger(arg_name="message", queue_name="numbers", connection="AzureWebJobsStorage")
def square(message: func.QueueMessage) -> None:
    logging.warning("got %s", message.get_json())
"""


@pytest.fixture(scope="module", params=["1.x", "2.x"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionApp]:
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    python = None if request.param == "1.x" else v2_interpreter()
    settings = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "MARKER": str(root / "ended")}
    with FunctionApp(root, settings=settings, python=python) as app:
        yield app


@pytest.fixture
def app(loaded: FunctionApp) -> FunctionApp:
    return loaded.reset()


def test_an_instance_shows_what_it_waits_for(app: FunctionApp) -> None:
    instance = app.start("approval", {"item": "laptop"}).wait_until(waiting_for="Approval")
    assert (instance.name, instance.status, instance.custom_status) == ("approval", "Running", "waiting")
    assert (instance.input, instance.output, instance.error) == ({"item": "laptop"}, None, None)
    assert instance.created == app.now == datetime(2024, 1, 1, tzinfo=UTC)
    event, timer = instance.waits
    assert (event.kind, event.name) == ("event", "Approval")
    assert event.place is not None
    assert "in approval" in event.place
    assert (timer.kind, timer.due) == ("timer", app.now + timedelta(days=3))


def test_an_event_continues_an_instance(app: FunctionApp) -> None:
    instance = app.start("approval").raise_event("Approval", {"by": "ada"})
    assert instance.wait().output == 5
    instance.ledger.assert_taken("Approval", {"by": "ada"}, times=1)
    instance.ledger.assert_none_lost()
    instance.history.assert_matches(
        [
            "ExecutionStarted approval",
            "TimerCreated",
            {"type": "EventRaised", "name": "Approval", "data": {"by": "ada"}},
            "TaskScheduled charge",
            {"type": "TaskCompleted", "name": "charge", "data": 5},
            {"type": "ExecutionCompleted", "data": 5},
        ]
    )


@pytest.mark.parametrize("value", ["42", "text", 42, None, {"a": "1"}])
def test_an_input_is_the_same_in_the_instance_and_in_its_history(app: FunctionApp, value: Any) -> None:
    instance = app.start("approval", value)
    assert instance.input == value
    instance.history.assert_contains({"type": "ExecutionStarted", "data": value})


def test_an_event_that_comes_late_is_lost(app: FunctionApp) -> None:
    instance = app.start("approval").raise_event("Other").wait()
    assert instance.output == "expired"
    assert [(event.name, event.fate) for event in instance.ledger] == [("Other", "neverTaken")]


async def test_every_result_may_be_awaited(app: FunctionApp) -> None:
    instance = await app.start("approval")
    await instance.wait_until(waiting_for="Approval")
    await app.advance(days=3)
    assert (await instance.wait()).output == "expired"
    assert await app.entity("counter", "a").signal("add", 1)
    await app.reset()


def test_time_jumps_until_all_conditions_are_met(app: FunctionApp) -> None:
    instance = app.start("parent", instance_id="p")
    instance.wait_until(calls="child")
    assert app.now == datetime(2024, 1, 1, 1, tzinfo=UTC)
    assert [wait.kind for wait in instance.waits] == ["child"]
    assert [(one.id, one.name, one.status) for one in instance.children] == [("p:child", "child", "Running")]
    instance.wait_until(status="completed", condition=lambda one: one.output == 4)
    assert app.now == datetime(2024, 1, 1, 2, tzinfo=UTC)


def test_an_instance_can_be_awaited_before_it_exists(app: FunctionApp) -> None:
    child = app.instance("p:child")
    assert not child.exists
    with pytest.raises(InstanceNotFound):
        _ = child.status
    app.start("parent", instance_id="p")
    assert child.wait().output == 4
    assert child.exists


def test_instances_are_listed_by_name_and_status(app: FunctionApp) -> None:
    app.start("parent", instance_id="p").wait()
    app.start("approval", instance_id="a")
    assert [one.id for one in app.instances()] == ["p", "p:child", "a"]
    assert [one.id for one in app.instances(name="approval")] == ["a"]
    assert [one.id for one in app.instances(status="Completed")] == ["p", "p:child"]


def test_a_wait_that_cannot_end_describes_the_instance(app: FunctionApp) -> None:
    instance = app.start("approval", instance_id="a")
    with pytest.raises(StillRunning) as failure:
        instance.wait_until(waiting_for="approval", limit=timedelta(days=1))
    text = str(failure.value)
    assert text.startswith("The instance 'a' was expected to wait for 'approval', but nothing is due before 2024-01-02")
    assert "'a' (approval): Running, custom status \"waiting\"" in text
    assert "event 'Approval', since 2024-01-01 00:00:00" in text
    assert "timer until 2024-01-04 00:00:00" in text
    assert "ExecutionStarted approval" in text
    assert "Until now it has waited for 'Approval', not for 'approval'." in text


@pytest.mark.parametrize("wanted", [{"status": "Running"}, {"waiting_for": "Approval"}, {"custom_status": "other"}])
def test_an_instance_that_has_ended_is_not_waited_for(app: FunctionApp, wanted: dict[str, Any]) -> None:
    instance = app.start("approval", instance_id="a").wait()
    with pytest.raises(StillRunning, match="but it has ended") as failure:
        instance.wait_until(**wanted)
    assert '\'a\' (approval): Completed, custom status "waiting", output "expired"' in str(failure.value)


def test_a_wait_for_an_unknown_instance_says_which_there_are(app: FunctionApp) -> None:
    app.start("approval", instance_id="a").wait()
    with pytest.raises(StillRunning, match=r"does not exist. The task hub has 'a' \(approval\)"):
        app.instance("b").wait()


def test_a_suspended_instance_says_how_to_continue(app: FunctionApp) -> None:
    instance = app.start("approval").suspend("later")
    with pytest.raises(StillRunning, match=r"call resume\(\)"):
        instance.wait()
    assert instance.resume().wait().output == "expired"


@pytest.mark.parametrize(("wanted", "error"), [({}, TypeError), ({"status": "Done"}, ValueError)])
def test_a_condition_that_makes_no_sense_is_refused(
    app: FunctionApp, wanted: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        app.start("approval").wait_until(**wanted)


def test_instances_are_terminated_restarted_and_purged(app: FunctionApp) -> None:
    instance = app.start("approval", {"n": 1}, instance_id="a").terminate("enough")
    assert (instance.status, instance.output) == ("Terminated", "enough")
    again = instance.restart()
    assert again.id != "a"
    assert again.input == {"n": 1}
    assert not instance.purge().exists


def test_a_failed_instance_shows_its_error(app: FunctionApp) -> None:
    instance = app.start("flaky").wait()
    if instance.status == "Failed":  # once in each worker
        assert "the first call fails" in str(instance.error)
    assert app.start("flaky").wait().output == "x"


def test_a_saved_history_replays(app: FunctionApp, tmp_path: Path) -> None:
    saved = app.start("approval").wait().history.save(tmp_path / "histories" / "expired.json")
    assert app.replay(saved).instances(name="approval") != []
    assert assert_replays(tmp_path / "histories" / "*.json", app=app) == [saved]


def test_the_function_of_a_double_may_use_the_app_but_not_the_time(app: FunctionApp) -> None:
    def charge(amount: int) -> int:
        app.activity("charge").returns(7)
        app.start("approval", instance_id="another").raise_event("Approval", 1)
        app.entity("counter", "a").signal("add", amount)
        with pytest.raises(RuntimeError, match="time stands still until it returns"):
            app.advance(days=1)
        return amount

    app.activity("charge").runs(charge)
    assert app.start("approval").raise_event("Approval").output == 5
    assert app.entity("counter", "a").state == 5
    assert app.instance("another").output == 7


def test_entities_are_signaled_and_read(app: FunctionApp) -> None:
    counter = app.entity("counter", "a")
    assert (counter.exists, counter.state) == (False, None)
    counter.signal("add", 2)
    assert app.start("counting").wait_until(calls="counter").wait().output == 5
    assert (counter.exists, counter.state) == (True, 5)


@pytest.mark.parametrize(
    "read",
    [
        lambda app: app.entity("typo", "a").state,
        lambda app: app.entity("typo", "a").exists,
        lambda app: app.entity("typo", "a").signal("add", 1),
    ],
    ids=["state", "exists", "signal"],
)
def test_an_entity_that_the_app_does_not_have_is_refused(
    app: FunctionApp, read: Callable[[FunctionApp], object]
) -> None:
    with pytest.raises(UnknownFunction, match=r"'typo' doesn't exist.* known entity functions: 'counter'"):
        read(app)


def test_instances_of_an_orchestrator_that_the_app_does_not_have_are_refused(app: FunctionApp) -> None:
    assert app.instances(name="Approval") == []
    with pytest.raises(UnknownFunction, match="'typo' doesn't exist"):
        app.instances(name="typo")


@pytest.mark.parametrize("arguments", [("counter", 1), (None, "a")])
def test_an_entity_is_named_with_text(app: FunctionApp, arguments: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match="needs a text"):
        app.entity(*arguments)


def test_other_functions_are_called_and_log(app: FunctionApp) -> None:
    app.call("square", 4)
    [line] = [one for one in app.logs if one.text == "got 4"]
    assert (line.level, line.function) == ("WARNING", "square")
    instance = app.start("approval").raise_event("Approval", 1)
    [line] = [one for one in app.logs if one.text == "charging 5"]
    assert (line.level, line.function, line.instance_id) == ("INFO", "charge", instance.id)
    assert app.reset().logs == []


def test_each_test_begins_with_an_empty_hub(app: FunctionApp) -> None:
    before = app.now
    app.start("approval", instance_id="the-same-id")
    app.entity("counter", "a").signal("add", 2)
    app.advance(days=1)
    app.reset()
    assert app.instances() == []
    assert not app.entity("counter", "a").exists
    assert app.now == before
    assert app.start("approval", instance_id="the-same-id").status == "Running"


def test_time_begins_where_a_test_wants_it(app: FunctionApp) -> None:
    begin = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert app.reset(start=begin).start("approval").created == begin
    assert app.reset().now == datetime(2024, 1, 1, tzinfo=UTC)


def test_time_waits_for_the_worker_that_replaces_a_dead_one(app: FunctionApp) -> None:
    begin = app.now
    assert app.start("deadly").wait().status == "Completed"
    assert app.now - begin < timedelta(seconds=2)
    assert app.reset().start("approval").status == "Running"


def _start_what_does_not_end(app: FunctionApp) -> None:
    backend = app._memory
    backend.run(backend.app.client.start("slow"))  # without waiting, as in a test that is interrupted
    while not any(line.text.startswith("Executing 'Functions.sleeps'") for line in app.logs):
        time.sleep(0.01)


def test_a_function_that_still_runs_does_not_hold_up_the_next_test(app: FunctionApp) -> None:
    _start_what_does_not_end(app)
    assert app.reset().start("approval").status == "Running"


def test_a_function_that_still_runs_does_not_hold_up_the_report_of_a_failure(app: FunctionApp) -> None:
    _start_what_does_not_end(app)
    assert "activity 'sleeps'" in failure_report(app)


class Size:
    """An object that the SDK can send."""

    @staticmethod
    def to_json(_: "Size") -> str:
        return "XL"


def test_an_input_may_be_an_object_that_the_sdk_sends(app: FunctionApp, request: pytest.FixtureRequest) -> None:
    typed = {"__class__": "Size", "__module__": __name__, "__data__": "XL"}
    assert app.start("approval", Size()).input == ("XL" if "[2.x]" in request.node.name else typed)


@pytest.mark.parametrize(
    ("misuse", "told"),
    [
        (lambda app: app.start("approval", b"x"), "JSON cannot represent a value of the type bytes"),
        (lambda app: app.start("approval", instance_id=UUID(int=1)), "instance_id needs a text, not UUID"),
        (lambda app: app.start(None), "orchestrator needs a text, not None"),
        (lambda app: app.start("approval").raise_event("Approval", {1}), "JSON cannot represent .* set"),
        (lambda app: app.start("approval").wait(5), r"limit needs a timedelta such as timedelta\(days=3\), not 5"),
        (lambda app: app.start("approval").restart(new_id=False), "new_id needs a text, not False"),
        (lambda app: app.advance(day=1), "advance takes weeks, days, .* not day"),
        (lambda app: app.queue("orders").send({"id": 1}), "a message is text or bytes, not dict. Use json="),
        (lambda app: app.queue("orders").send("x", visible_after=5), "visible_after needs a timedelta"),
        (lambda app: app.container("files").upload("a", {"id": 1}), "a blob is text or bytes, not dict"),
    ],
)
def test_an_argument_of_another_type_is_refused_by_name(
    app: FunctionApp, misuse: Callable[[FunctionApp], object], told: str
) -> None:
    with pytest.raises(TypeError, match=told):
        misuse(app)


def test_an_event_needs_a_name(app: FunctionApp) -> None:
    with pytest.raises(ValueError, match="An event needs a name"):
        app.start("approval").raise_event("")


@pytest.mark.parametrize(
    ("by", "units", "error"),
    [
        (timedelta(days=1), {"hours": 2}, TypeError),
        (3, {}, TypeError),
        (timedelta(days=-1), {}, ValueError),
        (None, {"days": -1}, ValueError),
    ],
)
def test_an_advance_that_makes_no_sense_is_refused(
    app: FunctionApp, by: Any, units: dict[str, float], error: type[Exception]
) -> None:
    with pytest.raises(error, match="advance"):
        app.advance(by, **units)


def test_an_unknown_orchestrator_is_refused(app: FunctionApp) -> None:
    with pytest.raises(UnknownFunction, match="approval"):
        app.start("approvl")


def test_no_run_listens_where_the_one_before_did(app: FunctionApp) -> None:
    """SDKs keep connections, and those to the endpoint of the run before would break off."""
    urls: list[str] = []
    for _ in range(3):
        durable = app.reset()._memory.app._durable
        assert durable is not None
        urls.append(json.loads(durable.payload(None, None))["rpcBaseUrl"])
    assert len(set(urls)) == 3
