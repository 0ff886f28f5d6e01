"""Entities over an embedded hub."""

import asyncio
import json
from itertools import count
from typing import Any

import azure.durable_functions as df
import pytest
from runtime_world import PATIENCE, App, Hosts, RecordingHub, codes, runtime_options

from durable_host.durable.engine import diagnostic as engine_codes
from durable_host.durable.engine.entity_end import TERMINATED
from durable_host.durable.engine.entity_messages import request_json
from durable_host.durable.model.events import EventRaised, ExecutionTerminated, OrchestrationInstance
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import CommitConflict, EpisodeCommit, MessageWithdrawn


def _with_counter(app: App) -> None:
    @app.entity
    def Counter(context):  # noqa: N802
        state = context.get_state(lambda: 0)
        if context.operation_name == "add":
            state += context.get_input()
        elif context.operation_name == "boom":
            raise ValueError("no")
        context.set_state(state)
        context.set_result(state)


def _signal(key: str, value: int, id: str) -> TaskMessage:
    text = json.dumps(str(value))
    request = request_json(
        operation="add", request_id=str(value), input=text, is_signal=True, due=None, with_type=False
    )
    event = EventRaised(timestamp=1, name="op", input=request)
    return TaskMessage(event, OrchestrationInstance(f"@counter@{key}"), id=id)


async def _settled(world, key: str, value: object) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            entity = await world.client.entities.get("Counter", key)
            if entity is not None and json.loads(entity.state or "null") == value:
                return
            await world.until(lambda: not world.runtime.running_work_items)
            await asyncio.sleep(0)


async def _consumed(world) -> None:
    """Wait until the hub has no message left."""
    async with asyncio.timeout(PATIENCE):
        while any(queue.visible or queue.invisible for queue in await world.hub.queues()):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def _send_while_it_runs(world, *messages: TaskMessage) -> None:
    """Send messages to the entity while its first batch runs: they are its next one."""
    await world.until(lambda: world.runtime.running_work_items)
    for message in messages:
        await world.hub.send(message)
    session = world.runtime._sessions.get("@counter@k")
    await world.until(lambda: len(session.mailbox) == len(messages))


async def test_signals_change_the_state_in_order(app: App, hosts: Hosts) -> None:
    _with_counter(app)
    world = await hosts.start(app)
    for number in range(50):
        await world.client.entities.signal("Counter", "k", "add", json.dumps(str(number)))
    await _settled(world, "k", sum(range(50)))


async def test_copies_of_a_signal_in_one_batch_count_once(app: App, hosts: Hosts) -> None:
    _with_counter(app)
    gate = asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    app.before_entity = wait
    world = await hosts.start(app)
    await world.hub.send(_signal("k", 0, "first"))
    copies = (_signal("k", number, id) for number, id in enumerate(("second", "second", "third"), 1))
    await _send_while_it_runs(world, *copies)
    gate.set()
    await _settled(world, "k", 0 + 1 + 3)


async def test_orchestrator_calls_and_signals_entities(app: App, hosts: Hosts) -> None:
    _with_counter(app)

    @app.orchestrator
    def calling(context):
        entity = df.EntityId("Counter", "c")
        context.signal_entity(entity, "add", 3)
        first = yield context.call_entity(entity, "add", 4)
        try:
            yield context.call_entity(entity, "boom")
        except Exception as error:
            return [first, str(error)]

    world = await hosts.start(app)
    await world.start("calling", "o")
    assert await world.output("o") == [7, "no"]


async def test_batches_are_limited(app: App, hosts: Hosts) -> None:
    _with_counter(app)
    world = await hosts.start(app, options=runtime_options(max_entity_operation_batch_size=3))
    for _ in range(10):
        await world.client.entities.signal("Counter", "k", "add", json.dumps("1"))
    await _settled(world, "k", 10)


async def test_entity_survives_a_crash(app: App, hosts: Hosts) -> None:
    _with_counter(app)
    world = await hosts.start(app)
    await world.client.entities.signal("Counter", "k", "add", json.dumps("1"))
    await _settled(world, "k", 1)
    await world.crash()
    world = await hosts.start(app)
    await world.client.entities.signal("Counter", "k", "add", json.dumps("1"))
    await _settled(world, "k", 2)


async def test_purged_entity_begins_anew(app: App, hosts: Hosts) -> None:
    _with_counter(app)
    world = await hosts.start(app)
    await world.client.entities.signal("Counter", "k", "add", json.dumps("5"))
    await _settled(world, "k", 5)
    assert await world.client.purge("@counter@k")
    await world.client.entities.signal("Counter", "k", "add", json.dumps("1"))
    await _settled(world, "k", 1)


async def test_a_terminated_entity_takes_no_operations_until_it_is_purged(app: App, hosts: Hosts) -> None:
    _with_counter(app)
    world = await hosts.start(app)
    await world.client.entities.signal("Counter", "k", "add", json.dumps("5"))
    await _settled(world, "k", 5)
    await world.client.terminate("@counter@k", "enough")
    row = await world.result("@counter@k")
    assert (row.runtime_status, row.output) == (OrchestrationStatus.Terminated, "enough")
    names = [event.event_name for event in await world.client.history("@counter@k")]
    ended = ["OrchestratorStarted", "ExecutionTerminated", "ExecutionCompleted", "OrchestratorCompleted"]
    assert names == ["OrchestratorStarted", "ExecutionStarted", "OrchestratorCompleted", *ended]
    for _ in range(2):
        await world.client.entities.signal("Counter", "k", "add", json.dumps("5"))
        await world.until(lambda: not world.runtime.running_work_items)
    await world.until(lambda: codes(world).count(TERMINATED) == 2)
    await _settled(world, "k", 5)
    assert await world.client.purge("@counter@k")
    await world.client.entities.signal("Counter", "k", "add", json.dumps("1"))
    await _settled(world, "k", 1)


class OwingHub(RecordingHub):
    """Finds the instances that a test puts into `owed`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.owed: asyncio.Queue[str] = asyncio.Queue()

    async def next_owed(self) -> list[str]:
        return [await self.owed.get()]


@pytest.mark.parametrize("is_message", [False, True], ids=["found as owed", "by a message"])
async def test_the_row_of_a_terminated_entity_is_repaired(app: App, hosts: Hosts, is_message: bool) -> None:
    """A host that ends between the history and the row leaves a row behind that says Running."""
    _with_counter(app)
    hub = hosts.hub(OwingHub)
    world = await hosts.start(app, hub=hub)
    await world.client.entities.signal("Counter", "k", "add", json.dumps("5"))
    await _settled(world, "k", 5)
    await world.client.terminate("@counter@k", "enough")
    ended = await world.result("@counter@k")
    loaded = await world.hub.load_history("@counter@k")
    behind = InstanceUpdate(
        execution_id=ended.execution_id or "", last_updated_time=1, runtime_status=OrchestrationStatus.Running
    )
    await world.hub.commit(
        EpisodeCommit(
            instance_id="@counter@k", execution_id=behind.execution_id, checkpoint=loaded.checkpoint,
            first_ordinal=0, events=(), outbound=(), update=behind, consumed=(), expected_row=ended,
        )
    )  # fmt: skip
    assert (await world.client.get("@counter@k")).runtime_status is OrchestrationStatus.Running
    if is_message:
        await world.client.entities.signal("Counter", "k", "add", json.dumps("5"))
    else:
        hub.owed.put_nowait("@counter@k")
    row = await world.result("@counter@k")
    assert (row.runtime_status, row.output, row.input) == (OrchestrationStatus.Terminated, "enough", ended.input)


async def test_entities_of_the_core_dialect_are_not_terminated(app: App, hosts: Hosts) -> None:
    """Seen on the official backend, whose entities are those of DurableTask.Core."""
    _with_counter(app)
    app.numbers_its_actions = True
    world = await hosts.start(app)
    await world.client.entities.signal("Counter", "k", "add", json.dumps("5"))
    await _settled(world, "k", 5)
    await world.client.terminate("@counter@k", "enough")
    await _consumed(world)
    await world.client.entities.signal("Counter", "k", "add", json.dumps("5"))
    await _settled(world, "k", 10)


async def test_a_termination_after_operations_of_its_batch_comes_after_them(app: App, hosts: Hosts) -> None:
    _with_counter(app)
    gate = asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    app.before_entity = wait
    world = await hosts.start(app)
    end = TaskMessage(ExecutionTerminated(timestamp=1, input="r"), OrchestrationInstance("@counter@k"))
    await world.client.entities.signal("Counter", "k", "add", json.dumps("1"))
    await _send_while_it_runs(world, _signal("k", 2, "two"), end, _signal("k", 3, "three"))
    gate.set()
    row = await world.result("@counter@k")
    assert row.runtime_status is OrchestrationStatus.Terminated
    await _settled(world, "k", 6)


@pytest.mark.parametrize(
    "conflict",
    [MessageWithdrawn("not stored", delay=0.0), CommitConflict("somebody else was faster")],
    ids=["withdrawn", "other"],
)
async def test_a_termination_in_a_batch_that_is_not_committed_is_received_again(
    app: App, virtual_hosts: Hosts, conflict: CommitConflict
) -> None:
    """The episode that conflicts contains the operations only."""
    _with_counter(app)
    gate, batches = asyncio.Event(), count(1)

    async def wait(_: str) -> None:
        await gate.wait()
        if next(batches) == 2:
            world.hub.faults["commit"] = [conflict]

    app.before_entity = wait
    world = await virtual_hosts.start(app)
    end = TaskMessage(ExecutionTerminated(timestamp=1, input="r"), OrchestrationInstance("@counter@k"))
    await world.client.entities.signal("Counter", "k", "add", json.dumps("1"))
    await _send_while_it_runs(world, _signal("k", 2, "two"), end)
    gate.set()
    row = await world.result("@counter@k")
    assert row.runtime_status is OrchestrationStatus.Terminated
    assert not world.hub.faults["commit"]
    await _settled(world, "k", 3)


async def test_unknown_entity_and_unusable_messages_block_no_other_instance(app: App, hosts: Hosts) -> None:
    _with_counter(app)
    world = await hosts.start(app)
    request = EventRaised(timestamp=1, name="op", input='{"op":"x","signal":true,"id":"1"}')
    await world.hub.send(TaskMessage(request, OrchestrationInstance("@nobody@k")))
    terminate = ExecutionTerminated(timestamp=1, input="r")
    await world.hub.send(TaskMessage(terminate, OrchestrationInstance("@counter@k")))
    await world.client.entities.signal("Counter", "k", "add", json.dumps("5"))
    await _settled(world, "k", 5)
    await world.until(lambda: engine_codes.MISSING_FUNCTION in codes(world))
