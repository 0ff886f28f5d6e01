"""Results of activities on the way to their instance: handed over once, released, left behind, found again."""

import asyncio

import msgspec
import pytest
from hub_samples import (
    activity,
    activity_result,
    clock,
    commit_of,
    create,
    first_episode,
    later,
    raised,
    receive,
    receive_activity,
    time_limit,
)

from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskScheduled,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.port import Checkpoint, CommitConflict, EpisodeCommit, ReceivedMessage, TaskHub


async def _begun(hub: TaskHub, count: int = 1) -> tuple[TaskMessage, Checkpoint]:
    await create(hub, "a")
    (received,) = await receive(hub, 1)
    start = received.message
    scheduled = [TaskScheduled(event_id=number, name="SayHello", timestamp=clock.now()) for number in range(count)]
    outbound = [activity(start.target, number) for number in range(count)]
    return start, await hub.commit(commit_of(start, first_episode(start, *scheduled), [received], outbound=outbound))


async def _answer(hub: TaskHub, start: TaskMessage) -> TaskMessage:
    request = await receive_activity(hub)
    result = activity_result(start.target, request.message.event.event_id)
    result = msgspec.structs.replace(result, id=identity.answer_to(request.message.id))
    await hub.complete_activity(request, result)
    return result


def _consuming(start: TaskMessage, checkpoint: Checkpoint, result: ReceivedMessage, count: int = 1) -> EpisodeCommit:
    events = [
        OrchestratorStarted(timestamp=clock.now()), result.message.event, OrchestratorCompleted(timestamp=clock.now())
    ]  # fmt: skip
    return commit_of(start, events, [result], checkpoint=checkpoint, first_ordinal=3 + count)


async def test_a_consumed_result_is_gone_with_its_request(open_hub, crash):
    hub: TaskHub = await open_hub(short_visibility=True)
    start, checkpoint = await _begun(hub, 2)
    first = await _answer(hub, start)
    (received,) = await receive(hub, 1)
    assert received.message == first
    await hub.commit(_consuming(start, checkpoint, received, 2))
    second = await receive_activity(hub)
    await crash(hub)
    heir: TaskHub = await open_hub(short_visibility=True)
    if (debt := (await heir.load_history("a")).debt) is not None:
        await heir.settle("a", (await heir.load_history("a")).checkpoint, [second.message, *debt.messages])  # pyright: ignore[reportArgumentType]
    assert (await receive_activity(heir)).message == second.message
    await _nothing_runs(heir)


async def test_an_unconsumed_result_of_a_crashed_host_comes_again_or_its_activity_does(open_hub, crash):
    hub: TaskHub = await open_hub(short_visibility=True)
    start, _ = await _begun(hub)
    await _answer(hub, start)
    await receive(hub, 1)
    await crash(hub)
    heir: TaskHub = await open_hub(short_visibility=True)
    loaded = await heir.load_history("a")
    assert loaded.checkpoint is not None
    if loaded.debt is not None:
        await heir.settle("a", loaded.checkpoint, [activity(start.target)])
    result = await _answer(heir, start)
    (received,) = await receive(heir, 1)
    assert received.message == result
    assert not loaded.checkpoint.knows(result)
    await heir.commit(_consuming(start, loaded.checkpoint, received))


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "unseen"])
async def test_an_unconsumed_result_is_delivered_after_a_stop_and_its_activity_does_not_run_again(open_hub, is_seen):
    hub: TaskHub = await open_hub()
    start, _ = await _begun(hub)
    result = await _answer(hub, start)
    if is_seen:
        await receive(hub, 1)
    await hub.stop()
    heir: TaskHub = await open_hub()
    (received,) = await receive(heir, 1)
    assert received.message == result
    assert (await heir.load_history("a")).debt is None
    await _nothing_runs(heir)


async def test_a_released_result_is_delivered_again_without_another_run_of_its_activity(hub: TaskHub):
    start, checkpoint = await _begun(hub)
    await _answer(hub, start)
    (received,) = await receive(hub, 1)
    for count, delay in ((2, 0.0), (3, 0.5)):
        due = later(delay - 0.1)
        await hub.abandon([received], delay=delay)
        (again,) = await receive(hub, 1)
        assert (again.id, again.message, again.dequeue_count) == (received.id, received.message, count)
        assert again.received_time >= due
        received = again
    await hub.commit(_consuming(start, checkpoint, received))
    await _nothing_runs(hub)


async def test_a_result_is_released_after_a_conflict(hub: TaskHub):
    start, checkpoint = await _begun(hub)
    await _answer(hub, start)
    (received,) = await receive(hub, 1)
    other = [OrchestratorStarted(timestamp=clock.now()), OrchestratorCompleted(timestamp=clock.now())]
    newer = await hub.commit(commit_of(start, other, checkpoint=checkpoint, first_ordinal=4))
    with pytest.raises(CommitConflict):
        await hub.commit(_consuming(start, checkpoint, received))
    await hub.abandon([received])
    (again,) = await receive(hub, 1)
    assert (again.id, again.message) == (received.id, received.message)
    await hub.commit(_consuming(start, newer, again, 3))
    await _nothing_runs(hub)


async def test_a_discarded_result_is_gone_with_its_request(open_hub):
    hub: TaskHub = await open_hub()
    start, _ = await _begun(hub)
    await _answer(hub, start)
    await hub.discard(await receive(hub, 1))
    await hub.stop()
    heir: TaskHub = await open_hub()
    await heir.send(raised("b", "E"))
    assert (await receive(heir, 1))[0].message.target.instance_id == "b"
    await _nothing_runs(heir)


async def test_messages_are_delivered_while_results_come_without_end(hub: TaskHub):
    start, _ = await _begun(hub, 40)
    await hub.send(raised("b", "E"))
    seen: list[str] = []
    async with time_limit():
        while "EventRaised" not in seen:
            await _answer(hub, start)
            received = await hub.next_control_messages()
            seen += [one.message.event.event_name for one in received]
            await hub.discard(received)
    assert len(seen) < 40


async def test_results_of_a_fan_out_all_arrive_once(hub: TaskHub):
    start, _ = await _begun(hub, 300)

    async def slot() -> None:
        while True:
            await _answer(hub, start)

    slots = [asyncio.create_task(slot()) for _ in range(8)]
    received = await receive(hub, 300)
    for task in slots:
        task.cancel()
    await asyncio.gather(*slots, return_exceptions=True)
    assert sorted(one.message.event.task_scheduled_id for one in received) == list(range(300))
    assert len({one.id for one in received}) == 300
    await hub.discard(received)
    await _nothing_runs(hub)


async def _nothing_runs(hub: TaskHub) -> None:
    """No activity request is left: one sent now is the next to come."""
    mark = activity(OrchestrationInstance("mark", "f" * 32), 4711)
    await hub.send(mark)
    assert (await receive_activity(hub)).message == mark
