"""An app of the 1.x SDK stops while instances wait, is upgraded to 2.x, and the instances continue."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from durable_world import MANAGEMENT, finished, raise_event, start_instance
from host_process import HostProcess, hub_settings, until, write_app
from v2_environment import v2_interpreter

pytestmark = pytest.mark.timeout(300)

APP = """
import json, os, time
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
gates = os.environ["GATES"]


def is_open(name):
    return os.path.exists(os.path.join(gates, name))


@app.activity_trigger(input_name="value")
def say(value: str) -> str:
    return f"said {value}"


@app.activity_trigger(input_name="order")
def order(order: dict) -> dict:
    return {"ordered": order["item"]}


@app.activity_trigger(input_name="gate")
def behind(gate: str) -> str:
    while not is_open(gate):
        time.sleep(0.05)
    return f"through {gate}"


@app.activity_trigger(input_name="gate")
def fails_until(gate: str) -> str:
    if not is_open(gate):
        raise ValueError(f"{gate} is closed")
    return f"{gate} is open"


@app.orchestration_trigger(context_name="context")
def after_an_activity(context):
    ordered = yield context.call_activity("order", context.get_input())
    approval = yield context.wait_for_external_event("go")
    said = yield context.call_activity("say", approval)
    more = yield context.wait_for_external_event("go on")
    again = yield context.call_activity("say", more)
    return [context.get_input()["item"], ordered, approval, said, again]


@app.orchestration_trigger(context_name="context")
def after_a_timer(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=0.2))
    approval = yield context.wait_for_external_event("go")
    said = yield context.call_activity("say", approval)
    return said


@app.orchestration_trigger(context_name="context")
def against_a_timer(context):
    first = yield context.call_activity("say", "first")
    timeout = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    approval = context.wait_for_external_event("go")
    winner = yield context.task_any([approval, timeout])
    if winner is approval:
        timeout.cancel()
    said = yield context.call_activity("say", winner.result)
    return [first, said]


@app.orchestration_trigger(context_name="context")
def within_a_timer(context):
    first = yield context.call_activity("say", "first")
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=context.get_input()))
    second = yield context.call_activity("say", "second")
    return [first, second]


@app.orchestration_trigger(context_name="context")
def with_a_child(context):
    first = yield context.call_activity("say", "first")
    child = yield context.call_sub_orchestrator("child", {"item": "desk"}, context.instance_id + "-child")
    second = yield context.call_sub_orchestrator("quick", "text")
    return [first, child, second]


@app.orchestration_trigger(context_name="context")
def child(context):
    ordered = yield context.call_activity("order", context.get_input())
    approval = yield context.wait_for_external_event("go")
    said = yield context.call_activity("say", approval)
    return [ordered, said]


@app.orchestration_trigger(context_name="context")
def quick(context):
    said = yield context.call_activity("say", context.get_input())
    return said


@app.orchestration_trigger(context_name="context")
def with_a_retry(context):
    opened = yield context.call_activity_with_retry("fails_until", df.RetryOptions(1500, 30), context.get_input())
    said = yield context.call_activity("say", opened)
    return said


@app.orchestration_trigger(context_name="context")
def after_retries(context):
    try:
        yield context.call_activity_with_retry("fails_until", df.RetryOptions(100, 3), "never")
    except Exception:
        pass
    said = yield context.call_activity("say", "failed")
    approval = yield context.wait_for_external_event("go")
    again = yield context.call_activity("say", approval)
    return [said, again]


@app.orchestration_trigger(context_name="context")
def with_buffered_events(context):
    said = yield context.call_activity("say", "first")
    go = yield context.wait_for_external_event("go")
    one = yield context.wait_for_external_event("buffered")
    two = yield context.wait_for_external_event("buffered")
    return [said, go, one, two]


@app.orchestration_trigger(context_name="context")
def fans_out(context):
    results = yield context.task_all([context.call_activity("behind", f"gate{n}") for n in range(4)])
    said = yield context.call_activity("say", "all")
    return [results, said]


@app.orchestration_trigger(context_name="context")
def with_an_entity(context):
    counter = df.EntityId("counter", context.instance_id)
    one = yield context.call_entity(counter, "add", 1)
    approval = yield context.wait_for_external_event("go")
    total = yield context.call_entity(counter, "add", approval)
    return [one, total]


@app.entity_trigger(context_name="context")
def counter(context):
    value = (context.get_state(lambda: 0) or 0) + context.get_input()
    context.set_state(value)
    context.set_result(value)


@app.orchestration_trigger(context_name="context")
def leaves_a_task_open(context):
    slow = context.call_activity("behind", context.get_input())
    fast = context.call_activity("say", "fast")
    winner = yield context.task_any([slow, fast])
    return winner.result


@app.orchestration_trigger(context_name="context")
def continues(context):
    total = context.get_input()
    said = yield context.call_activity("say", str(total))
    more = yield context.wait_for_external_event("go")
    if more == "end":
        return [total, said]
    context.continue_as_new(total + more)


@app.orchestration_trigger(context_name="context")
def is_changed(context):
    said = yield context.call_activity("say", "old")
    approval = yield context.wait_for_external_event("go")
    return [said, approval]
"""


class Upgraded:
    """A hub whose app is of 1.x at first. `gates` holds the files that activities wait for."""

    def __init__(self, host: HostProcess, gates: Path, interpreter: str) -> None:
        self.host = host
        self.gates = gates
        self._interpreter = interpreter

    def upgrade(self) -> None:
        self.host.stop()
        self.start_upgraded()

    def start_upgraded(self) -> None:
        self.host.start("--python", self._interpreter)

    def open(self, *names: str) -> None:
        for name in names:
            (self.gates / name).touch()

    def begin(self, name: str, input: Any = None, events: int = 1) -> str:
        """Start an instance and wait until its history has this number of events after its start."""
        id = start_instance(self.host, name, input)
        until(lambda: len(self.events_of(id)) > events, host=self.host)
        return id

    def events_of(self, instance_id: str) -> list[dict[str, Any]]:
        return self.host.status(instance_id).get("historyEvents") or []

    def completed(self, instance_id: str) -> int:
        """How many activities have completed."""
        return sum(event["EventType"] == "TaskCompleted" for event in self.events_of(instance_id))

    def output(self, instance_id: str) -> Any:
        return finished(self.host, instance_id, limit=60)["output"]

    def raise_event(self, instance_id: str, name: str, data: Any) -> None:
        raise_event(self.host, instance_id, name, data)


@pytest.fixture(params=["AzureStorage", "sqlite"])
def hub(request: pytest.FixtureRequest, tmp_path: Path, connection_string: str) -> Iterator[Upgraded]:
    interpreter = str(v2_interpreter())
    gates = tmp_path / "gates"
    gates.mkdir()
    durable = {"durableTask": {"storageProvider": {"type": request.param}}}
    files = {"function_app.py": APP, "host.json": json.dumps({"version": "2.0", "extensions": durable})}
    settings = {**hub_settings(connection_string), "GATES": str(gates)}
    host = HostProcess(write_app(tmp_path / "app", files), settings)
    host.start()
    yield Upgraded(host, gates, interpreter)
    host.end()


def test_instances_that_1x_has_begun_continue_under_2x(hub: Upgraded) -> None:
    activity = hub.begin("after_an_activity", {"item": "chair"})
    timer = hub.begin("after_a_timer", events=2)
    race = hub.begin("against_a_timer", events=2)
    within = hub.begin("within_a_timer", 8, events=2)
    family = hub.begin("with_a_child")
    until(lambda: hub.host.get(f"{MANAGEMENT}/instances/{family}-child").status_code != 404, host=hub.host)
    until(lambda: len(hub.events_of(f"{family}-child")) > 1, host=hub.host)
    retry = hub.begin("with_a_retry", "lock", events=2)
    retried = hub.begin("after_retries", events=8)
    buffered = hub.begin("with_buffered_events")
    hub.raise_event(buffered, "buffered", 1)
    hub.raise_event(buffered, "buffered", 2)
    until(lambda: len(hub.events_of(buffered)) > 3, host=hub.host)
    entity = hub.begin("with_an_entity", events=2)
    total = hub.begin("continues", 5)

    hub.upgrade()
    hub.open("lock")
    hub.raise_event(activity, "go", "yes")
    for id in (timer, race, buffered, retried, f"{family}-child"):
        hub.raise_event(id, "go", "yes")
    hub.raise_event(entity, "go", 41)
    hub.raise_event(total, "go", 10)
    assert hub.output(timer) == "said yes"
    assert hub.output(race) == ["said first", "said yes"]
    assert hub.output(within) == ["said first", "said second"]
    assert hub.output(family) == ["said first", [{"ordered": "desk"}, "said yes"], "said text"]
    assert hub.output(retry) == "said lock is open"
    assert hub.output(retried) == ["said failed", "said yes"]
    assert hub.output(buffered) == ["said first", "yes", 1, 2]
    assert hub.output(entity) == [1, 42]
    hub.raise_event(total, "go", "end")
    assert hub.output(total) == [15, "said 15"]

    # Rows of both generations are in one history now; it is loaded again.
    until(lambda: hub.completed(activity) == 2, host=hub.host)
    hub.upgrade()
    hub.raise_event(activity, "go on", "more")
    assert hub.output(activity) == ["chair", {"ordered": "chair"}, "yes", "said yes", "said more"]
    assert "DH6208" not in hub.host.output


def test_work_that_1x_has_requested_is_done_once_by_2x(hub: Upgraded) -> None:
    many = start_instance(hub.host, "fans_out")
    hub.open("gate0", "gate1")
    until(lambda: hub.completed(many) == 2, host=hub.host)
    open_task = start_instance(hub.host, "leaves_a_task_open", "slow")
    until(lambda: hub.completed(open_task) == 1, host=hub.host)
    hub.host.kill()
    hub.start_upgraded()
    hub.open("gate2", "gate3", "slow")
    assert hub.output(many) == [[f"through gate{n}" for n in range(4)], "said all"]
    assert hub.output(open_task) == "said fast"
    completed = [e for e in hub.events_of(many) if e["EventType"] == "TaskCompleted"]
    assert [e["FunctionName"] for e in completed] == ["behind"] * 4 + ["say"]


def test_code_that_does_something_else_is_left_alone_and_finished_by_1x(hub: Upgraded) -> None:
    id = hub.begin("is_changed")
    code = hub.host.root / "function_app.py"
    hub.host.stop()
    code.write_text(APP.replace('call_activity("say", "old")', 'call_activity("order", {"item": "new"})'))
    hub.start_upgraded()
    hub.raise_event(id, "go", "yes")
    line = hub.host.wait_for("DH6208")
    assert id in line
    assert "does not make the call TaskScheduled 0 of 'say'" in hub.host.output
    assert hub.host.status(id)["runtimeStatus"] == "Running"
    hub.host.stop()
    code.write_text(APP)
    hub.host.start()
    assert hub.output(id) == ["said old", "yes"]


def test_there_is_no_way_back_from_2x_to_1x(hub: Upgraded) -> None:
    id = hub.begin("after_an_activity", {"item": "chair"})
    hub.upgrade()
    hub.raise_event(id, "go", "yes")
    until(lambda: hub.completed(id) == 2, host=hub.host)
    hub.host.stop()
    hub.host.start()
    hub.raise_event(id, "go on", "more")
    assert id in hub.host.wait_for("DH6208.*was run with azure-functions-durable 2.x")
    assert hub.host.status(id)["runtimeStatus"] == "Running"
    hub.upgrade()
    assert hub.output(id)[-1] == "said more"
