"""Plain workers of the Durable Task SDK for Python."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from durabletask import task
from durabletask.client import OrchestrationStatus
from durabletask.entities import DurableEntity, EntityInstanceId
from durabletask.worker import TaskHubGrpcWorker
from workers_world import PATIENCE, Workers


def act_hello(ctx: task.ActivityContext, name: str) -> str:
    return f"Hello {name}"


def act_fail(ctx: task.ActivityContext, text: str) -> str:
    raise ValueError(text)


def chain(ctx: task.OrchestrationContext, names: list[str]) -> Any:
    results = []
    for name in names:
        results.append((yield ctx.call_activity(act_hello, input=name)))
    ctx.set_custom_status({"done": len(results)})
    return results


def fan_out(ctx: task.OrchestrationContext, count: int) -> Any:
    return len((yield task.when_all([ctx.call_activity(act_hello, input=str(n)) for n in range(count)])))


def approval(ctx: task.OrchestrationContext, _: Any) -> Any:
    timer = ctx.create_timer(timedelta(hours=1))
    event = ctx.wait_for_external_event("Approval")
    winner = yield task.when_any([timer, event])
    return event.get_result() if winner is event else "late"


def nap(ctx: task.OrchestrationContext, _: Any) -> Any:
    yield ctx.create_timer(timedelta(milliseconds=50))
    return "rested"


def failing(ctx: task.OrchestrationContext, _: Any) -> Any:
    yield ctx.call_activity(act_fail, input="boom")


def parent(ctx: task.OrchestrationContext, names: list[str]) -> Any:
    return (yield ctx.call_sub_orchestrator(chain, input=names))


def again(ctx: task.OrchestrationContext, number: int) -> Any:
    yield ctx.call_activity(act_hello, input="you")
    if number < 3:
        ctx.continue_as_new(number + 1)
        return None
    return number


def retried(ctx: task.OrchestrationContext, _: Any) -> Any:
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=10), max_number_of_attempts=3)
    return (yield ctx.call_activity("act_unsteady", retry_policy=policy))


class Counter(DurableEntity):
    def add(self, amount: int) -> int:
        self.set_state(self.get_state(int, 0) + amount)
        return self.get_state(int, 0)


def entities(ctx: task.OrchestrationContext, key: str) -> Any:
    entity = EntityInstanceId("Counter", key)
    ctx.signal_entity(entity, "add", input=1)
    with (yield ctx.lock_entities([entity])):
        yield ctx.call_entity(entity, "add", input=2)
        return (yield ctx.call_entity(entity, "add", input=3))


def counted(ctx: task.OrchestrationContext, _: Any) -> Any:
    return (yield ctx.call_entity(EntityInstanceId("Counter", "K"), "add", input=1))


FUNCTIONS = (
    act_hello,
    act_fail,
    chain,
    fan_out,
    approval,
    nap,
    failing,
    parent,
    again,
    retried,
    Counter,
    entities,
    counted,
)


@pytest.mark.parametrize(
    ("name", "input", "output"),
    [
        ("chain", ["Tokyo", "Paris"], '["Hello Tokyo", "Hello Paris"]'),
        ("fan_out", 30, "30"),
        ("nap", None, '"rested"'),
        ("parent", ["Oslo"], '["Hello Oslo"]'),
        ("again", 1, "3"),
        ("entities", "k", "6"),
    ],
)
async def test_orchestrations_run_to_their_end(workers: Workers, name: str, input: Any, output: str) -> None:
    await workers.start(*FUNCTIONS)
    state = await workers.result(name, "i1", input=input)
    assert (state.runtime_status, state.serialized_output) == (OrchestrationStatus.COMPLETED, output)


async def test_events_suspension_and_termination_reach_the_code(workers: Workers) -> None:
    await workers.start(*FUNCTIONS)
    for instance_id in ("a1", "a2"):
        await workers.begin("approval", instance_id)
        await workers.sdk.wait_for_orchestration_start(instance_id, timeout=PATIENCE)
    await workers.sdk.suspend_orchestration("a1")
    await workers.sdk.suspend_orchestration("a1")
    await workers.sdk.resume_orchestration("a1")
    await workers.sdk.resume_orchestration("a1")
    await workers.sdk.suspend_orchestration("a1")
    await workers.sdk.raise_orchestration_event("a1", "approval", data="yes")
    await workers.sdk.resume_orchestration("a1")
    assert (await workers.end("a1")).serialized_output == '"yes"'
    await workers.sdk.terminate_orchestration("a2", output="enough")
    assert (await workers.end("a2")).runtime_status is OrchestrationStatus.TERMINATED


async def test_a_failure_keeps_its_tree(workers: Workers) -> None:
    await workers.start(*FUNCTIONS)
    state = await workers.result("failing", "f1")
    assert state.runtime_status is OrchestrationStatus.FAILED
    assert state.failure_details.error_type == "durabletask.task.TaskFailedError"
    assert state.failure_details.inner_failure.error_type.endswith("ValueError")
    assert state.failure_details.inner_failure.message == "boom"


async def test_an_activity_is_retried_according_to_its_policy(workers: Workers) -> None:
    calls: list[int] = []

    def act_unsteady(ctx: task.ActivityContext, _: Any) -> str:
        calls.append(ctx.task_id)
        if len(calls) < 3:
            raise ValueError("not yet")
        return "done"

    await workers.start(*FUNCTIONS, act_unsteady)
    assert (await workers.result("retried", "r1")).serialized_output == '"done"'
    assert calls == [1, 1, 1]


async def test_work_for_functions_that_no_worker_has_waits_for_one_that_has_them(workers: Workers) -> None:
    filtered = TaskHubGrpcWorker(host_address=workers.url)
    filtered.add_orchestrator(nap)
    filtered.use_work_item_filters()
    await workers.connect(filtered)
    await workers.begin("chain", "c1", input=["Rome"])
    assert (await workers.result("nap", "n1")).serialized_output == '"rested"'
    assert (await workers.sdk.get_orchestration_state("c1")).runtime_status in (
        OrchestrationStatus.PENDING,
        OrchestrationStatus.RUNNING,
    )
    await workers.start(act_hello, chain)
    assert (await workers.end("c1")).serialized_output == '["Hello Rome"]'


async def test_several_workers_share_the_work(workers: Workers) -> None:
    names: set[str] = set()
    both = threading.Barrier(2, timeout=PATIENCE)

    def make(label: str) -> Any:
        def act_meet(ctx: task.ActivityContext, _: Any) -> str:
            both.wait()
            names.add(label)
            return label

        return act_meet

    def meet(ctx: task.OrchestrationContext, _: Any) -> Any:
        return (yield task.when_all([ctx.call_activity("act_meet") for _ in range(2)]))

    for label in ("one", "two"):
        await workers.start(make(label), meet)
    await workers.result("meet", "m1")
    assert names == {"one", "two"}


async def test_entities_are_seen_by_clients(workers: Workers) -> None:
    await workers.start(*FUNCTIONS)
    await workers.sdk.signal_entity(EntityInstanceId("counter", "K"), "add", input=4)
    await workers.result("counted", "c1")
    found = await workers.sdk.get_entity(EntityInstanceId("Counter", "K"))
    assert found.get_state(int) == 5
