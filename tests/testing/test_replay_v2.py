"""Saved histories under an orchestrator of the 2.x SDK, also those that 1.x wrote."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from v2_environment import v2_interpreter

from durable_host.testing import ReplayFailed, VirtualHost

APP = """
from datetime import timedelta

import azure.durable_functions as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def order(context):
    retry = df.RetryOptions(first_retry_interval_in_milliseconds=60_000, max_number_of_attempts=2)
    yield context.call_activity("reserve", context.get_input()["item"])
    prices = yield context.task_all([context.call_activity("price", n) for n in range(3)])
    yield context.call_sub_orchestrator("ship", "a")
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    total = yield context.call_entity(df.EntityId("counter", "k"), "add", 1)
    decision = yield context.wait_for_external_event("Approval")
    if decision == "fail":
        yield context.call_activity_with_retry("broken", retry, "a")
    yield context.call_activity("reserve", "b")
    return [sum(prices), decision]


@app.orchestration_trigger(context_name="context")
def ship(context):
    return "shipped"


@app.entity_trigger(context_name="context")
def counter(context):
    context.set_state((context.get_state(lambda: 0) or 0) + context.get_input())
    context.set_result(context.get_state())


@app.activity_trigger(input_name="item")
def reserve(item: str) -> str:
    return item


@app.activity_trigger(input_name="item")
def price(item: int) -> int:
    return item


@app.activity_trigger(input_name="item")
def broken(item: str) -> str:
    raise RuntimeError("broken")
"""
Histories = dict[str, list[dict[str, Any]]]
Host = Callable[..., VirtualHost]
NAMES = ["asleep", "waits", "completed", "failed", "terminated"]


@pytest.fixture(scope="module")
def python() -> Path:
    return v2_interpreter()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Host:
    def serving(code: str, interpreter: Path | None = python) -> VirtualHost:
        root = tmp_path_factory.mktemp("app")
        (root / "function_app.py").write_text(code)
        (root / "host.json").write_text('{"version": "2.0"}')
        return VirtualHost(root, python=interpreter)

    return serving


@pytest.fixture(scope="module")
def host(serving: Host) -> Iterator[VirtualHost]:
    with serving(APP) as host:
        yield host


def written_by(host: VirtualHost) -> Histories:
    """Histories of instances in different states."""
    ids = {name: host.start("order", {"item": "a"}) for name in NAMES}
    asleep = host.history(ids.pop("asleep"))
    host.advance(hours=1)
    host.raise_event(ids["completed"], "Approval", "yes")
    host.raise_event(ids["failed"], "Approval", "fail")
    host.terminate(ids["terminated"], "enough")
    assert host.wait(ids["failed"]).status == "Failed"
    assert host.wait(ids["completed"]).output == [3, "yes"]
    return {"asleep": asleep, **{name: host.history(id) for name, id in ids.items()}}


@pytest.fixture(scope="module")
def histories(host: VirtualHost) -> Histories:
    return written_by(host)


@pytest.fixture(scope="module")
def of_v1(serving: Host) -> Histories:
    with serving(APP, None) as host:
        return written_by(host)


@pytest.mark.parametrize("name", NAMES)
def test_histories_of_the_same_code_replay(host: VirtualHost, histories: Histories, name: str) -> None:
    host.replay(histories[name])


@pytest.mark.parametrize("name", NAMES)
def test_histories_of_1x_replay(host: VirtualHost, of_v1: Histories, name: str) -> None:
    host.replay(of_v1[name])


RETURNS = "    return [sum(prices), decision]"
PRICES = 'task_all([context.call_activity("price", n) for n in range(3)])'
WAITS = '    decision = yield context.wait_for_external_event("Approval")\n'
SLEEPS = "hours=1))"
CHANGES = [
    ('"reserve", context.get', '"price", context.get', "waits", "reserve"),
    (PRICES, 'call_activity("price", 3)', "waits", "call"),
    (SLEEPS, f"{SLEEPS} if False else context.call_activity('reserve', 'x')", "asleep", "TimerCreated"),
    (WAITS, "    return 1\n    decision = None\n", "waits", "end"),
    (RETURNS, '    yield context.wait_for_external_event("x")', "completed", "now waits"),
    (RETURNS, '    raise ValueError("no")', "completed", "now as Failed"),
]


@pytest.mark.parametrize("generation", ["histories", "of_v1"])
@pytest.mark.parametrize(("old", "new", "name", "told"), CHANGES)
def test_change_that_running_instances_do_not_survive_is_reported(
    serving: Host, request: pytest.FixtureRequest, generation: str, old: str, new: str, name: str, told: str
) -> None:
    history = request.getfixturevalue(generation)[name]
    assert old in APP
    with serving(APP.replace(old, new)) as host, pytest.raises(ReplayFailed, match=told):
        host.replay(history)


def test_new_step_after_the_end_of_the_history_is_allowed(serving: Host, histories: Histories) -> None:
    changed = APP.replace(
        '    if decision == "fail"', '    yield context.call_activity("price", 9)\n    if decision == "fail"'
    )
    with serving(changed) as host:
        host.replay(histories["waits"])
        with pytest.raises(ReplayFailed):
            host.replay(histories["completed"])


def test_input_reaches_code_of_2x_as_it_was_given(host: VirtualHost) -> None:
    instance = host.status(host.start("order", {"item": "a"}))
    assert instance.input == {"item": "a"}


STARTER = (
    APP
    + """

@app.route(route="orders", methods=["POST"])
@app.durable_client_input(client_name="client")
async def submit(req, client):
    return await client.start_new("order", client_input={"item": "a"}, instance_id="submitted")
"""
)


def test_functions_reach_the_host_through_the_client_of_2x(serving: Host) -> None:
    with serving(STARTER) as host:
        assert host.run("submit") == "submitted"
        assert host.status("submitted").status == "Running"
