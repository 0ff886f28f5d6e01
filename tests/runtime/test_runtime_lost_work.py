"""Work whose worker dies, or that exceeds the time limit: retried, then given up; other calls are not counted."""

import asyncio

import azure.durable_functions as df
import pytest
from runtime_world import App, Hosts, codes

from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.diagnostics import GIVEN_UP
from durable_host.invocation.errors import FunctionTimedOut, WorkerLost

ABORT = "signal 6 (SIGABRT)"
TRIED = "was tried 3 times and never finished: the worker process died with signal 6 (SIGABRT) (3 times)."


def died(*, alone: bool) -> WorkerLost:
    return WorkerLost("The worker ended.", cause="Its last lines: no!", ending=ABORT, was_alone=alone)


@pytest.fixture
def deadly(app: App) -> App:
    """The activity `kill` ends its worker; it certainly does when nothing else runs there."""

    @app.activity
    def kill(_: object) -> None: ...

    @app.orchestrator
    def killing(context):
        try:
            return (yield context.call_activity("kill", None))
        except Exception as error:
            return f"caught {error}"

    return app


async def test_activity_that_ends_its_worker_again_and_again_fails_with_what_happened(
    deadly: App, virtual_hosts: Hosts
) -> None:
    tries: list[str] = []

    async def run(name: str, _: str) -> None:
        tries.append(name)
        raise died(alone=True)

    deadly.before_activity = run
    world = await virtual_hosts.start(deadly)
    await world.start("killing", "k")
    output = await world.output("k")
    assert f"Activity function 'kill' failed: WorkerLost: The activity {TRIED}" in output
    assert len(tries) == 3
    [finding] = world.runtime.diagnostics.recent()
    assert (finding.code, finding.instance_id, finding.function) == (GIVEN_UP, "k", "kill")


@pytest.mark.parametrize("lost", [died(alone=True), FunctionTimedOut("X", "late", was_alone=True)])
async def test_orchestrator_that_never_ends_a_turn_fails_its_instance(
    app: App, virtual_hosts: Hosts, lost: Exception
) -> None:
    tries: list[str] = []

    async def run(instance_id: str) -> None:
        tries.append(instance_id)
        raise lost

    app.before_episode = run
    world = await virtual_hosts.start(app)
    await world.start("chain", "c", ["a"])
    state = await world.result("c")
    assert state.runtime_status is OrchestrationStatus.Failed
    what = "the function timeout was exceeded" if isinstance(lost, FunctionTimedOut) else f"died with {ABORT}"
    assert f"{what} (3 times)" in str(state.output)
    assert tries == ["c"] * 3


async def test_entity_operations_that_end_the_worker_fail(app: App, virtual_hosts: Hosts) -> None:
    @app.entity
    def counter(context):
        context.set_result(1)

    @app.orchestrator
    def asks(context):
        try:
            return (yield context.call_entity(df.EntityId("counter", "c"), "get"))
        except Exception as error:
            return str(error)

    async def run(_: str) -> None:
        raise died(alone=True)

    app.before_entity = run
    world = await virtual_hosts.start(app)
    await world.start("asks", "a")
    assert f"The entity {TRIED}" in await world.output("a")


async def test_bystanders_of_a_killer_are_not_given_up(deadly: App, virtual_hosts: Hosts) -> None:
    """All activities run in one worker, which `kill` ends; only the one that does it alone as well is to blame."""
    bystanders = 5
    most_alone = 0

    async def run(name: str, _: str) -> None:
        nonlocal most_alone
        most_alone = max(most_alone, deadly.alone_now)
        if not deadly.alone_now and "kill" not in failed:
            raise died(alone=False)
        if name == "kill":
            failed.append("kill")
            raise died(alone=True)

    @deadly.orchestrator
    def crowd(context):
        tasks = [context.call_activity("hello", str(number)) for number in range(bystanders)]
        child = context.call_sub_orchestrator("killing", None)
        return (yield context.task_all([*tasks, child]))

    failed: list[str] = []
    deadly.before_activity = run
    world = await virtual_hosts.start(deadly)
    await world.start("crowd", "c")
    output = await world.output("c")
    assert output[:bystanders] == [f"Hello {number}" for number in range(bystanders)]
    assert f"The activity {TRIED}" in output[-1]
    assert most_alone == 1
    assert codes(world) == [GIVEN_UP]


async def test_losses_that_are_nobodys_fault_are_not_counted(app: App, virtual_hosts: Hosts) -> None:
    losses = [WorkerLost("The worker was ended because of another function.") for _ in range(5)]

    async def run(*_: str) -> None:
        if losses:
            raise losses.pop()

    app.before_activity = run
    world = await virtual_hosts.start(app)
    await world.start("chain", "c", ["a"])
    assert await world.output("c") == ["Hello a"]


async def test_what_finishes_is_forgotten(app: App, virtual_hosts: Hosts) -> None:
    losses = [died(alone=True) for _ in range(2)]

    async def run(_: str) -> None:
        if losses:
            raise losses.pop()

    app.before_episode = run
    world = await virtual_hosts.start(app)
    await world.start("approval", "a")
    await world.until(lambda: world.hub.commits)
    losses += [died(alone=True) for _ in range(2)]
    await world.client.raise_event("a", "Approval", "1")
    assert await world.output("a") == 1


async def test_an_activity_that_an_earlier_host_began_has_one_try_less(deadly: App, virtual_hosts: Hosts) -> None:
    tries: list[str] = []

    async def run(name: str, _: str) -> None:
        tries.append(name)
        if len(tries) == 1:
            await asyncio.Event().wait()
        raise died(alone=True)

    deadly.before_activity = run
    world = await virtual_hosts.start(deadly)
    await world.start("killing", "k")
    await world.until(lambda: tries)
    await world.crash()
    world = await virtual_hosts.start(deadly)
    output = await world.output("k")
    assert "an earlier run was interrupted (1 time), the worker process died with" in output
    assert len(tries) == 3


async def test_a_delivery_while_there_was_no_worker_counts_as_no_try(deadly: App, virtual_hosts: Hosts) -> None:
    tries: list[str] = []

    async def run(name: str, _: str) -> None:
        tries.append(name)
        raise WorkerLost("There is no worker.") if len(tries) == 1 else died(alone=True)

    deadly.before_activity = run
    world = await virtual_hosts.start(deadly)
    await world.start("killing", "k")
    assert TRIED in await world.output("k")
    assert len(tries) == 4
