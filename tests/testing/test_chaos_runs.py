"""Chaos runs of a real app, of both SDK generations: fragile code is found, and correct code passes."""

from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import pytest
from v2_environment import v2_interpreter

from durable_host.testing import ChaosFailed, FunctionApp, chaos_runs
from durable_host.testing.chaos.chaos_run import ChaosRun
from durable_host.testing.chaos.rates import DEFAULT_RATES

APP = """
from datetime import timedelta

import azure.durable_functions as df

app = df.DFApp()
charges = {}


@app.orchestration_trigger(context_name="context")
def approval(context):
    yield context.call_activity("ask", "laptop")
    approved = context.wait_for_external_event("Approval")
    expired = context.create_timer(context.current_utc_datetime + timedelta(days=3))
    first = yield context.task_any([approved, expired])
    if first == expired:
        return "expired"
    expired.cancel()
    yield context.call_activity("ask", "done")
    return "approved"


@app.orchestration_trigger(context_name="context")
def two_approvals(context):
    # Counts events, so that one approval that is delivered twice is enough.
    count = 0
    while count < 2:
        yield context.wait_for_external_event("Approval")
        count += 1
    return count


@app.orchestration_trigger(context_name="context")
def order(context):
    yield context.call_activity("ask", "book")
    return (yield context.call_activity("charge", context.instance_id))


@app.orchestration_trigger(context_name="context")
def careful_order(context):
    yield context.call_activity("ask", "book")
    return (yield context.call_activity("charge_once", context.instance_id))


@app.orchestration_trigger(context_name="context")
def wide(context):
    results = yield context.task_all([context.call_activity("ask", str(number)) for number in range(6)])
    child = yield context.call_sub_orchestrator("careful_order", None)
    total = 0
    for _ in range(2):
        total = yield context.call_entity(df.EntityId("counter", "k"), "add", 1)
    return [results, child, total]


@app.queue_trigger(arg_name="message", queue_name="orders", connection="AzureWebJobsStorage")
@app.durable_client_input(client_name="client")
async def take_order(message, client) -> None:
    # Starts an order for each message, also for one that arrives again.
    await client.start_new("careful_order")


@app.activity_trigger(input_name="item")
def ask(item: str) -> str:
    return item


@app.activity_trigger(input_name="order")
def charge(order: str) -> int:
    # Not idempotent: each run charges the card.
    charges[order] = charges.get(order, 0) + 1
    return charges[order]


@app.activity_trigger(input_name="order")
def charge_once(order: str) -> int:
    return charges.setdefault(order, 1)


@app.entity_trigger(context_name="context")
def counter(context):
    total = context.get_state(lambda: 0) + context.get_input()
    context.set_state(total)
    context.set_result(total)
"""


@pytest.fixture(scope="module", params=["1.x", "2.x"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionApp]:
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    python = v2_interpreter() if request.param == "2.x" else None
    with FunctionApp(root, settings={"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, python=python) as app:
        yield app


def approved(app: FunctionApp) -> None:
    instance = app.start("approval").wait_until(waiting_for="Approval")
    instance.raise_event("Approval", "yes")
    assert instance.wait().output == "approved"


def approved_twice(app: FunctionApp) -> None:
    instance = app.start("two_approvals").wait_until(waiting_for="Approval")
    instance.raise_event("Approval", "Ann")
    app.advance(minutes=1)
    assert instance.status == "Running", "one approval was enough"
    instance.raise_event("Approval", "Bob")
    assert instance.wait().output == 2


def charged(app: FunctionApp) -> None:
    app.start("order").wait()
    assert app.activity("charge").calls[-1].output == 1, "charged twice"


def charged_once(app: FunctionApp) -> None:
    assert app.start("careful_order").wait().output == 1


def wide(app: FunctionApp) -> None:
    assert app.start("wide").wait().output == [[str(number) for number in range(6)], 1, 2]


@pytest.mark.parametrize("test", [approved, charged_once, wide])
def test_correct_code_survives(app: FunctionApp, test: Any) -> None:
    result = chaos_runs(app, test, runs=10, seed=1)
    assert (result.runs, result.failure) == (10, None)
    assert sum(result.faults.values()) >= 10


def test_code_that_counts_events_is_found_and_the_cause_is_one_event(app: FunctionApp) -> None:
    with pytest.raises(ChaosFailed, match="one approval was enough") as failed:
        chaos_runs(app, approved_twice, runs=100, seed=1)
    assert failed.value.schedule == ("duplicate-events: event 'Approval' for instance 'two_approvals #1'",)
    assert "1 fault is enough" in str(failed.value)
    assert isinstance(failed.value.__cause__, AssertionError)


def test_an_activity_that_is_not_idempotent_is_found_and_the_cause_is_one_fault(app: FunctionApp) -> None:
    with pytest.raises(ChaosFailed, match="charged twice") as failed:
        chaos_runs(app, charged, runs=100, seed=1, redeliver_activities=0.2, duplicate_events=0.5, kill_host=0.05)
    (fault,) = failed.value.schedule
    assert "charge" in fault or "order #1" in fault


def test_a_queue_message_that_arrives_twice_is_found(app: FunctionApp) -> None:
    def ordered(app: FunctionApp) -> None:
        app.queue("orders").send("book")
        assert len(app.instances()) == 1, "ordered twice"
        assert len(app.queue("orders")) == 0

    with pytest.raises(ChaosFailed, match="ordered twice") as failed:
        chaos_runs(app, ordered, runs=100, seed=1, duplicate_events=0.1)
    assert failed.value.schedule == ("duplicate-events: message 1 of queue 'orders'",)


@pytest.mark.parametrize("variant", ["before", "after"])
def test_a_schedule_injects_its_faults_only(app: FunctionApp, variant: str) -> None:
    events = app.reset().start("order").history.events
    task = [event.task_id for event in events if event.name == "charge"]
    schedule = [f"redeliver-activities ({variant}): activity 'charge' (task {task[0]}) of instance 'order #1'"]
    with pytest.raises(ChaosFailed, match="its schedule of 1 fault"):
        chaos_runs(app, charged, schedule=schedule)
    assert chaos_runs(app, charged, schedule=[]).runs == 1


@pytest.mark.parametrize("test", [approved, wide])
def test_the_same_seed_gives_the_same_faults(app: FunctionApp, test: Any) -> None:
    def happened(seed: int) -> list[str]:
        run = ChaosRun.seeded(DEFAULT_RATES, seed, 1)
        with run.active():
            test(app.reset())
        return [fault.text for fault in run.faults] + [str(app.now)]

    assert [happened(seed) for seed in range(4)] == [happened(seed) for seed in range(4)]


def test_async_tests_and_folders_work_too(app: FunctionApp) -> None:
    async def approves(app: FunctionApp) -> None:
        instance = await app.start("approval").wait_until(waiting_for="Approval")
        await instance.raise_event("Approval", "yes")
        assert (await instance.wait()).output == "approved"

    assert chaos_runs(app, approves, runs=3, seed=1).runs == 3


@pytest.mark.parametrize("fault", ["kill_host", "storage_errors", "lose_lease", "redeliver_activities", "reorder"])
def test_a_fault_that_always_happens_does_not_continue_forever(app: FunctionApp, fault: str) -> None:
    rates: dict[str, Any] = {fault: 1}
    assert chaos_runs(app, wide, runs=1, seed=1, **rates).faults[fault.replace("_", "-")] > 0


@pytest.mark.parametrize("variant", ["before", "after"])
def test_a_worker_that_is_killed_loses_its_memory_and_its_result(app: FunctionApp, variant: str) -> None:
    """The order is charged again in a new process, which does not know that it was charged."""
    kill = f"kill-worker ({variant}): function 'charge' of instance 'order #1'"
    assert chaos_runs(app, charged, schedule=[kill]).faults == {"kill-worker": 1}


def test_failures_of_pytest_are_shrunk_and_skips_end_the_runs(app: FunctionApp) -> None:
    def raises_nothing(app: FunctionApp) -> None:
        with pytest.raises(ValueError):  # noqa: PT011
            pass

    with pytest.raises(ChaosFailed, match=r"DID NOT RAISE[\s\S]*It fails without any fault as well"):
        chaos_runs(app, raises_nothing, runs=1, seed=1)

    def skipped(app: FunctionApp) -> None:
        raise SkipTest("not here")

    with pytest.raises(SkipTest):
        chaos_runs(app, skipped, runs=2)


def test_after_chaos_the_app_runs_without_faults(app: FunctionApp) -> None:
    chaos_runs(app, approved, runs=1, seed=1)
    app.reset()
    approved(app)
