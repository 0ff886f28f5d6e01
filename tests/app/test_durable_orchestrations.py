"""Orchestrations through the real host: retries, sub-orchestrations, generations, all and any, timers and the rest.

Source: docs/protocol/durable-actions.md#kinds-of-actions, docs/protocol/durable-replay.md#completion,
    docs/protocol/durable-failures.md#failed-children
"""

from collections.abc import Iterator
from typing import Any

import pytest
from durable_world import (
    HEADER,
    MANAGEMENT,
    StartHost,
    finished,
    history_rows,
    memory_of,
    messages_in_hub,
    output,
    raise_event,
    run,
    start_instance,
    wait_custom_status,
)
from host_process import HostProcess, hub_settings, until, write_app

APP = (
    HEADER
    + '''
import models

tries = {}


@app.activity_trigger(input_name="order")
def flaky(order):
    """Fails until it was tried `times` times."""
    tries[order["key"]] = tries.get(order["key"], 0) + 1
    if tries[order["key"]] < order["times"]:
        raise ValueError(f"try {tries[order['key']]}")
    return f"try {tries[order['key']]}"


@app.activity_trigger(input_name="value")
def echo(value):
    return value


@app.activity_trigger(input_name="value")
def fail(value):
    raise RuntimeError(f"failed with {value}")


@app.activity_trigger(input_name="seconds")
async def slow(seconds):
    import asyncio
    await asyncio.sleep(seconds)
    return seconds


@app.activity_trigger(input_name="order")
def retried(order: dict) -> str:
    return f"ran {order}"


@app.orchestration_trigger(context_name="context")
def retry_activity(context):
    order = context.get_input()
    options = df.RetryOptions(50, order["attempts"])
    first = yield context.call_activity("echo", "before")
    try:
        result = yield context.call_activity_with_retry("flaky", options, order)
    except Exception as error:
        result = f"gave up: {str(error)}"
    last = yield context.call_activity("echo", "after")
    return [first, result, last]


@app.orchestration_trigger(context_name="context")
def retry_many(context):
    orders = context.get_input()
    tasks = [context.call_activity_with_retry("flaky", df.RetryOptions(20 * (n + 1), 5), order)
             for n, order in enumerate(orders)]
    results = yield context.task_all(tasks)
    return results + [(yield context.call_activity("echo", "after"))]


@app.orchestration_trigger(context_name="context")
def retry_child(context):
    order = context.get_input()
    try:
        return (yield context.call_sub_orchestrator_with_retry("flaky_child", df.RetryOptions(50, 3), order))
    except Exception as error:
        return f"gave up: {error}"


@app.orchestration_trigger(context_name="context")
def flaky_child(context):
    return (yield context.call_activity("flaky", context.get_input()))


@app.orchestration_trigger(context_name="context")
def parent(context):
    order = context.get_input() or {}
    try:
        result = yield context.call_sub_orchestrator("child", order.get("input"), order.get("id"))
    except Exception as error:
        result = f"child failed: {error}"
    return {"self": context.instance_id, "parent": context.parent_instance_id, "child": result}


@app.orchestration_trigger(context_name="context")
def child(context):
    order = context.get_input()
    if order == "fail":
        raise ValueError("no good")
    if order == "wait":
        context.set_custom_status("waiting")
        yield context.wait_for_external_event("go")
    return {"self": context.instance_id, "parent": context.parent_instance_id, "input": order}


@app.orchestration_trigger(context_name="context")
def generations(context):
    """Counts up to `last`, a generation each; the load makes growth visible."""
    order = context.get_input()
    if order.get("activity"):
        yield context.call_activity("echo", order["n"])
    if order["n"] < order["last"]:
        context.continue_as_new({**order, "n": order["n"] + 1})
        return None
    return order["n"]


@app.orchestration_trigger(context_name="context")
def event_generations(context):
    seen = context.get_input() or []
    context.set_custom_status(len(seen))
    value = yield context.wait_for_external_event("value")
    if value == "end":
        return seen
    context.continue_as_new([*seen, value])


@app.orchestration_trigger(context_name="context")
def nested(context):
    """any(all(a, b), event), all(any(...), c), a failure inside, and work after each."""
    a, b = context.call_activity("echo", "a"), context.call_activity("echo", "b")
    never = context.wait_for_external_event("never")
    both = context.task_all([a, b])
    winner = yield context.task_any([both, never])
    results = [winner is both and winner.result]
    first = context.task_any([context.call_activity("echo", "c"), never])
    pair = yield context.task_all([first, context.call_activity("echo", "d")])
    results.append([pair[0].result, pair[1]])
    try:
        slow = context.task_any([context.call_activity("slow", 0.1)])
        yield context.task_all([context.call_activity("fail", 1), slow])
    except Exception as error:
        results.append("failed with 1" in str(error))
    failing = context.call_activity("fail", 2)
    winner = yield context.task_any([failing, never])
    results.append([winner is failing, type(winner.result).__name__])
    results.append((yield context.task_all([])))
    results.append((yield context.call_activity("echo", "end")))
    return results


@app.orchestration_trigger(context_name="context")
def fan_out(context):
    return sum((yield context.task_all([context.call_activity("echo", n) for n in range(context.get_input())])))


@app.orchestration_trigger(context_name="context")
def race(context):
    seconds = context.get_input()
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
    event = context.wait_for_external_event("go")
    context.set_custom_status("waiting")
    winner = yield context.task_any([timer, event])
    if winner is event:
        timer.cancel()
        return (yield context.call_activity("echo", ["event", event.result]))
    return (yield context.call_activity("echo", ["timer"]))


@app.orchestration_trigger(context_name="context")
def past_due(context):
    yield context.create_timer(context.current_utc_datetime - timedelta(days=1))
    yield context.create_timer(context.current_utc_datetime)
    return "fired"


@app.orchestration_trigger(context_name="context")
def long_timer(context):
    timer = context.create_timer(context.current_utc_datetime + timedelta(days=10))
    event = context.wait_for_external_event("go")
    context.set_custom_status("waiting")
    winner = yield context.task_any([timer, event])
    return winner is event


@app.orchestration_trigger(context_name="context")
def looks(context):
    """The values of the context, before and after an activity."""
    told = []
    for _ in range(2):
        told.append({
            "guids": [str(context.new_guid()), str(context.new_guid())],
            "now": context.current_utc_datetime.isoformat(),
            "replaying": context.is_replaying,
        })
        yield context.call_activity("echo", told)
    return {"told": told, "replaying": context.is_replaying, "instance": context.instance_id,
            "parent": context.parent_instance_id, "version": context.version}


@app.orchestration_trigger(context_name="context")
def custom_status(context):
    context.set_custom_status({"stage": 1})
    yield context.wait_for_external_event("go")
    yield context.wait_for_external_event("go")
    context.set_custom_status(models.Point(1, 2))
    return None


@app.orchestration_trigger(context_name="context")
def vast_status(context):
    context.set_custom_status("x" * 20_000)
    yield context.call_activity("echo", 1)


@app.orchestration_trigger(context_name="context")
def plain(context):
    return context.get_input()


@app.orchestration_trigger(context_name="context")
def plain_failing(context):
    raise ValueError("plain failure")


@app.orchestration_trigger(context_name="context")
def failing(context):
    yield context.call_activity("echo", 1)
    raise KeyError("lost")


@app.orchestration_trigger(context_name="context")
def unserialisable(context):
    yield context.call_activity("echo", 1)
    return datetime.now()


@app.orchestration_trigger(context_name="context")
def points(context):
    start = context.get_input()
    moved = yield context.call_activity("move", start)
    return [type(start).__name__, type(moved).__name__, moved.x, moved.y]


@app.activity_trigger(input_name="point")
def move(point: models.Point) -> models.Point:
    return models.Point(point.x + 1, point.y + 1)


@app.orchestration_trigger(context_name="context", input_type=None)
def sizes(context):
    text = yield context.call_activity("large", context.get_input())
    back = yield context.call_activity("echo", text)
    child = yield context.call_sub_orchestrator("plain", back)
    return child


@app.activity_trigger(input_name="size")
def large(size):
    return "\\u00e4\\U0001f600<&>\\"" * size


@app.route(route="points", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_points(req, client):
    return func.HttpResponse(await client.start_new("points", None, models.Point(3, 4)))
'''
).replace(", input_type=None", "")

MODELS = """
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    @staticmethod
    def to_json(point):
        return {"x": point.x, "y": point.y}

    @staticmethod
    def from_json(data):
        return Point(data["x"], data["y"])
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    root = write_app(tmp_path_factory.mktemp("durable") / "app", {"function_app.py": APP, "models.py": MODELS})
    host = HostProcess(root, hub_settings(connection_string))
    yield host.start()
    host.end()


def kinds(status: dict[str, Any]) -> list[str]:
    return [event["EventType"] for event in status["historyEvents"]]


@pytest.mark.parametrize(("times", "result"), [(1, "try 1"), (3, "try 3")])
def test_a_failing_activity_is_retried(host: HostProcess, times: int, result: str) -> None:
    order = {"key": f"a{times}", "times": times, "attempts": 3}
    assert output(host, "retry_activity", order) == ["before", result, "after"]


def test_an_activity_out_of_attempts_raises_after_the_last_timer(host: HostProcess) -> None:
    status = run(host, "retry_activity", {"key": "exhausted", "times": 9, "attempts": 2})
    assert status["output"][1].startswith("gave up: Activity function 'flaky' failed: ValueError: try 2")
    assert kinds(status).count("TimerFired") == 2


def test_retries_in_parallel_keep_apart(host: HostProcess) -> None:
    orders = [{"key": f"p{n}", "times": n % 4 + 1} for n in range(8)]
    assert output(host, "retry_many", orders) == [f"try {n % 4 + 1}" for n in range(8)] + ["after"]


def test_a_failing_sub_orchestration_is_retried_and_gives_up(host: HostProcess) -> None:
    assert output(host, "retry_child", {"key": "c1", "times": 3}) == "try 3"
    gave_up = output(host, "retry_child", {"key": "c2", "times": 9})
    assert gave_up.startswith("gave up: Orchestrator function 'flaky_child' failed: Activity function 'flaky' failed:")


def test_a_child_knows_its_parent_and_has_a_default_id(host: HostProcess) -> None:
    told = output(host, "parent", {"input": 5})
    assert told["parent"] is None
    assert told["child"]["parent"] == told["self"]
    assert told["child"]["input"] == 5
    execution_id, _, number = told["child"]["self"].rpartition(":")
    assert (len(execution_id), number) == (36, "0")


def test_a_child_may_be_given_its_id(host: HostProcess) -> None:
    assert output(host, "parent", {"id": "given-child"})["child"]["self"] == "given-child"
    assert host.status("given-child")["runtimeStatus"] == "Completed"


def test_the_failure_of_a_child_reaches_its_parent(host: HostProcess) -> None:
    told = output(host, "parent", {"input": "fail"})["child"]
    assert told.startswith("child failed: Orchestrator function 'child' failed: no good \n ")


@pytest.mark.parametrize("child_id", ["@child", "same"])
def test_a_child_with_an_impossible_id_fails(host: HostProcess, child_id: str) -> None:
    instance_id = start_instance(host, "parent", {"id": child_id}, instance_id="Same" if child_id == "same" else "")
    assert finished(host, instance_id)["output"]["child"].startswith("child failed: ")


def test_terminating_a_child_fails_its_call_and_leaves_other_instances(host: HostProcess) -> None:
    parent = start_instance(host, "parent", {"input": "wait", "id": "doomed-child"})
    until(lambda: host.get(f"{MANAGEMENT}/instances/doomed-child").status_code != 404, host=host)
    wait_custom_status(host, "doomed-child", "waiting")
    host.post(f"{MANAGEMENT}/instances/doomed-child/terminate?reason=no%20use")
    assert finished(host, "doomed-child", "Terminated")["output"] == "no use"
    assert "no use" in finished(host, parent)["output"]["child"]


def test_terminating_a_parent_leaves_its_children(host: HostProcess) -> None:
    parent = start_instance(host, "parent", {"input": "wait", "id": "orphan"})
    until(lambda: host.get(f"{MANAGEMENT}/instances/orphan").status_code != 404, host=host)
    wait_custom_status(host, "orphan", "waiting")
    host.post(f"{MANAGEMENT}/instances/{parent}/terminate?reason=enough")
    finished(host, parent, "Terminated")
    raise_event(host, "orphan", "go", 1)
    assert finished(host, "orphan")["output"]["parent"] == parent


def test_a_thousand_generations_leave_nothing_behind(host: HostProcess) -> None:
    load = "x" * 5000
    output(host, "generations", {"n": 1, "last": 100, "load": load})
    before = memory_of(host.pid)
    status = finished(host, start_instance(host, "generations", {"n": 1, "last": 1000, "load": load}), limit=60)
    assert status["output"] == 1000
    assert len(history_rows(host, status["instanceId"])) <= 5
    assert memory_of(host.pid) - before < 30_000_000
    until(lambda: messages_in_hub(host) == 0, host=host)


def test_generations_with_activities_leave_one_generation_of_history(host: HostProcess) -> None:
    status = run(host, "generations", {"n": 1, "last": 60, "activity": True})
    assert status["output"] == 60
    assert kinds(status) == ["ExecutionStarted", "TaskCompleted", "ExecutionCompleted"]
    assert len(history_rows(host, status["instanceId"])) < 10
    until(lambda: messages_in_hub(host) == 0, host=host)


def test_events_for_an_eternal_orchestration_are_neither_lost_nor_doubled(host: HostProcess) -> None:
    instance_id = start_instance(host, "event_generations")
    for number in range(10):
        wait_custom_status(host, instance_id, number or None)
        raise_event(host, instance_id, "value", number)
    wait_custom_status(host, instance_id, 10)
    raise_event(host, instance_id, "value", "end")
    assert finished(host, instance_id)["output"] == list(range(10))


def test_all_and_any_nest_with_failures(host: HostProcess) -> None:
    assert output(host, "nested") == [["a", "b"], ["c", "d"], True, [True, "Exception"], None, "end"]


def test_wide_fan_out_comes_together(host: HostProcess) -> None:
    assert output(host, "fan_out", 150) == sum(range(150))


def test_a_cancelled_timer_does_not_hold_the_instance(host: HostProcess) -> None:
    instance_id = start_instance(host, "race", 3600)
    wait_custom_status(host, instance_id, "waiting")
    raise_event(host, instance_id, "go", {"by": "me"})
    assert finished(host, instance_id)["output"] == ["event", {"by": "me"}]
    until(lambda: messages_in_hub(host) == 0, host=host)


def test_a_timer_wins_its_race(host: HostProcess) -> None:
    assert output(host, "race", 0.1) == ["timer"]


def test_timers_in_the_past_fire_at_once(host: HostProcess) -> None:
    assert output(host, "past_due") == "fired"


def test_a_timer_beyond_six_days_runs_in_chunks(host: HostProcess) -> None:
    instance_id = start_instance(host, "long_timer")
    wait_custom_status(host, instance_id, "waiting")
    created = next(row for row in history_rows(host, instance_id) if row["EventType"] == "TimerCreated")
    assert (created["FireAt"] - created["_Timestamp"]).days in {2, 3}
    raise_event(host, instance_id, "go")
    host.post(f"{MANAGEMENT}/instances/{instance_id}/terminate")
    finished(host, instance_id, "Terminated")


def test_the_context_is_the_same_in_every_replay(host: HostProcess) -> None:
    status = run(host, "looks")
    told = status["output"]
    guids = [guid for look in told["told"] for guid in look["guids"]]
    assert len(set(guids)) == 4
    assert [look["now"][-6:] for look in told["told"]] == ["+00:00"] * 2
    assert told["told"][0]["now"] < told["told"][1]["now"]
    assert (told["instance"], told["parent"], told["version"]) == (status["instanceId"], None, None)
    assert told["replaying"] is False


def test_the_custom_status_follows_the_code(host: HostProcess) -> None:
    instance_id = start_instance(host, "custom_status")
    wait_custom_status(host, instance_id, {"stage": 1})
    raise_event(host, instance_id, "go")
    raise_event(host, instance_id, "go")
    shown = finished(host, instance_id)["customStatus"]
    assert shown["__data__"] == {"x": 1, "y": 2}


def test_a_vast_custom_status_fails_the_instance(host: HostProcess) -> None:
    told = run(host, "vast_status", wanted="Failed")["output"]
    assert "The UTF-16 size of the JSON-serialized payload must not exceed 16 KB." in told


@pytest.mark.parametrize("value", [None, 0, False, "", [], {"a": 1}, "text \u00e4\U0001f600"])
def test_an_orchestrator_without_yield_returns_its_value(host: HostProcess, value: Any) -> None:
    assert output(host, "plain", value) == value


def test_failing_orchestrators_tell_why(host: HostProcess) -> None:
    assert run(host, "plain_failing", wanted="Failed")["output"] == (
        "Orchestrator function 'plain_failing' failed: ValueError: plain failure"
    )
    assert run(host, "failing", wanted="Failed")["output"] == "Orchestrator function 'failing' failed: 'lost'"
    assert run(host, "unserialisable", wanted="Failed")["output"] == (
        "Orchestrator function 'unserialisable' failed: Object of type datetime is not JSON serializable"
    )


def test_objects_of_own_classes_travel_through_to_json_and_from_json(host: HostProcess) -> None:
    instance_id = host.post("/api/points").text
    assert finished(host, instance_id)["output"] == ["Point", "Point", 4, 5]


def test_large_values_travel_through_activities_and_children(host: HostProcess) -> None:
    assert output(host, "sizes", 60_000) == '\u00e4\U0001f600<&>"' * 60_000


STRICT_APP = (
    HEADER
    + """
from models import Point


@app.activity_trigger(input_name="x")
def make(x: int) -> Point:
    return Point(x, 0)


@app.orchestration_trigger(context_name="context")
def typed(context):
    start = context.get_input(expected_type=Point)
    one = yield context.call_activity(make, 1)
    two = yield context.call_activity("make", 2, expected_type=Point)
    child = yield context.call_sub_orchestrator("typed_child", two)
    return [[type(point).__name__, point.x] for point in (start, one, two)] + [child]


@app.orchestration_trigger(context_name="context")
def typed_child(context):
    return (yield context.call_activity(make, context.get_input(expected_type=Point).x + 1)).x


@app.route(route="typed", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_typed(req, client):
    return func.HttpResponse(await client.start_new("typed", None, Point(0, 0)))
"""
)


def test_expected_types_are_what_strict_typing_decodes(start_host: StartHost) -> None:
    files = {"function_app.py": STRICT_APP, "models.py": MODELS}
    host = start_host(files, settings={"AZURE_FUNCTIONS_DURABLE_STRICT_TYPING": "1"})
    told = finished(host, host.post("/api/typed").text)["output"]
    assert told == [["Point", 0], ["Point", 1], ["Point", 2], 3]
