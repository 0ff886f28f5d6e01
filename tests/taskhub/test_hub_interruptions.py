"""A process dies after each of the storage requests of a commit; the next one completes the rest."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest
from heir import Heir
from hub_samples import (
    activity,
    activity_result,
    clock,
    commit_of,
    create,
    first_episode,
    later,
    new_id,
    pause,
    raised,
    start_message,
    time_limit,
    timer,
)

from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    ParentInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskScheduled,
    TimerCreated,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import marks
from durable_host.durable.taskhub.port import Checkpoint, EpisodeCommit, ReceivedMessage, TaskHub

PARENT = OrchestrationInstance("parent", "f" * 32)


class Scene(msgspec.Struct, frozen=True):
    """An episode that is to be committed, the messages of its rows, and the results of activities it has consumed."""

    episode: EpisodeCommit
    rows: Mapping[int, TaskMessage] = {}
    results: Mapping[str | None, TaskMessage] = {}
    comes_back: bool = True


async def first(hub: TaskHub, instance_id: str) -> Scene:
    """Activity, timer, child and signal of a first episode."""
    await create(hub, instance_id)
    received = await _next_for(hub, instance_id)
    start, due, now = received.message, clock.now(), clock.now()
    sender = start.target
    child = OrchestrationInstance(f"{instance_id}:2", new_id())
    parent = ParentInstance("Hello", sender, 2)
    rows = {
        0: activity(sender),
        1: timer(sender, 1, due),
        2: TaskMessage(
            ExecutionStarted(orchestration_instance=child, parent_instance=parent, name="Child", timestamp=now),
            child, sender, 1, {}, identity.new(),
        ),
        3: raised("@counter@a", "op", "{}", sender=sender, episode=1),
    }  # fmt: skip
    events = first_episode(
        start,
        TaskScheduled(event_id=0, name="SayHello", timestamp=now),
        TimerCreated(event_id=1, fire_at=due, timestamp=now),
        SubOrchestrationInstanceCreated(event_id=2, name="Child", instance_id=child.instance_id, timestamp=now),
        EventSent(event_id=3, instance_id="@counter@a", name="op", input="{}", timestamp=now),
    )
    return Scene(commit_of(start, events, [received], outbound=list(rows.values()), custom_status='"one"'), rows)


async def later_episode(hub: TaskHub, instance_id: str) -> Scene:
    """An event that leads to an activity."""
    start, checkpoint = await _begun(hub, instance_id)
    await hub.send(raised(instance_id, "E"))
    received = await _next_for(hub, instance_id)
    rows = {0: activity(start.target)}
    events = _episode(received.message.event, TaskScheduled(event_id=0, name="SayHello", timestamp=clock.now()))
    outbound = list(rows.values())
    return Scene(commit_of(start, events, [received], checkpoint=checkpoint, first_ordinal=3, outbound=outbound), rows)


async def without_row(hub: TaskHub, instance_id: str) -> Scene:
    """The same, but with nothing new in the row of the instance."""
    scene = await later_episode(hub, instance_id)
    return Scene(msgspec.structs.replace(scene.episode, update=None), scene.rows)


async def answered(hub: TaskHub, instance_id: str) -> Scene:
    """The result of an activity that leads to the next one."""
    await create(hub, instance_id)
    received = await _next_for(hub, instance_id)
    start = received.message
    rows = {number: activity(start.target, number) for number in (0, 1)}
    scheduled = [TaskScheduled(event_id=number, name="SayHello", timestamp=clock.now()) for number in (0, 1)]
    checkpoint = await hub.commit(commit_of(start, first_episode(start, scheduled[0]), [received], outbound=[rows[0]]))
    request = await _next_request_of(hub, instance_id)
    result = msgspec.structs.replace(activity_result(start.target), id=identity.answer_to(rows[0].id))
    await hub.complete_activity(request, result)
    answer = await _next_for(hub, instance_id)
    episode = commit_of(
        start, _episode(answer.message.event, scheduled[1]), [answer],
        checkpoint=checkpoint, first_ordinal=4, outbound=[rows[1]],
    )  # fmt: skip
    return Scene(episode, rows, {rows[0].id: result}, comes_back=False)


async def many(hub: TaskHub, instance_id: str) -> Scene:
    """More rows than one transaction takes."""
    await create(hub, instance_id)
    received = await _next_for(hub, instance_id)
    start = received.message
    rows = {number: activity(start.target, number) for number in range(120)}
    scheduled = [TaskScheduled(event_id=number, name="SayHello", timestamp=clock.now()) for number in rows]
    return Scene(commit_of(start, first_episode(start, *scheduled), [received], outbound=list(rows.values())), rows)


async def child(hub: TaskHub, instance_id: str) -> Scene:
    """A child that ends in its first episode and tells its parent."""
    return await _ended_child(hub, instance_id, OrchestrationStatus.Completed)


async def failed_child(hub: TaskHub, instance_id: str) -> Scene:
    """What a failed child tells its parent is in none of its rows."""
    return await _ended_child(hub, instance_id, OrchestrationStatus.Failed)


async def _ended_child(hub: TaskHub, instance_id: str, status: OrchestrationStatus) -> Scene:
    start = start_message(instance_id, parent_instance=ParentInstance("Parent", PARENT, 7))
    await hub.send(start)
    received = await _next_for(hub, instance_id)
    now = clock.now()
    end = ExecutionCompleted(event_id=0, orchestration_status=status, result='"x"', timestamp=now)
    told: HistoryEvent = SubOrchestrationInstanceCompleted(task_scheduled_id=7, result='"x"', timestamp=now)
    if status is OrchestrationStatus.Failed:
        told = SubOrchestrationInstanceFailed(task_scheduled_id=7, reason="x", timestamp=now)
    message = TaskMessage(told, PARENT, start.target, 1, id=identity.new())
    rows = {0: message} if status is OrchestrationStatus.Completed else {}
    episode = commit_of(
        start, first_episode(received.message, end), [received], outbound=[message],
        runtime_status=status, output='"x"', completed_time=now,
    )  # fmt: skip
    return Scene(episode, rows)


async def renewed(hub: TaskHub, instance_id: str) -> Scene:
    """Continue-as-new after a signal: it was sent by the execution whose rows are replaced."""
    start, checkpoint = await _begun(hub, instance_id)
    await hub.send(raised(instance_id, "E"))
    received = await _next_for(hub, instance_id)
    again = start_message(instance_id, input='"next"')
    signal = raised("@counter@a", "op", "{}", sender=start.target, episode=2)
    rows = {0: activity(again.target)}
    events = first_episode(again, TaskScheduled(event_id=0, name="SayHello", timestamp=clock.now()))
    episode = commit_of(
        again, events, [received],
        checkpoint=checkpoint, outbound=[signal, *rows.values()], replaced=start.target.execution_id,
    )  # fmt: skip
    return Scene(episode, rows)


async def entity(hub: TaskHub, instance_id: str) -> Scene:
    """A batch of an entity: its answer is in no row."""
    return await _entity(hub, f"@counter@{instance_id}", '"1"')


async def large(hub: TaskHub, instance_id: str) -> Scene:
    """An answer that is too large for a column and for a queue."""
    return await _entity(hub, f"@counter@{instance_id}", '"' + "x☃" * 40_000 + '"')


async def _entity(hub: TaskHub, entity_id: str, answer: str) -> Scene:
    await hub.send(raised(entity_id, "op", "{}", sender=PARENT, episode=1))
    received = await _next_for(hub, entity_id)
    instance = OrchestrationInstance(entity_id, new_id())
    started = ExecutionStarted(orchestration_instance=instance, name=entity_id, input="{}", timestamp=clock.now())
    start = TaskMessage(started, instance)
    response = raised("parent", "request", answer, sender=instance, episode=1)
    return Scene(
        commit_of(start, first_episode(start), [received], outbound=[response], custom_status='{"entityExists":true}')
    )


async def _begun(hub: TaskHub, instance_id: str) -> tuple[TaskMessage, Checkpoint]:
    """An instance whose first episode is committed: its start, and the checkpoint."""
    await create(hub, instance_id)
    received = await _next_for(hub, instance_id)
    start = received.message
    return start, await hub.commit(commit_of(start, first_episode(start), [received]))


async def _next_for(hub: TaskHub, instance_id: str) -> ReceivedMessage:
    """The next message for an instance; copies that are left from earlier ones are discarded."""
    async with time_limit():
        while True:
            received = await hub.next_control_messages()
            await hub.discard([one for one in received if one.message.target.instance_id != instance_id])
            for one in received:
                if one.message.target.instance_id == instance_id:
                    return one


async def _next_request_of(hub: TaskHub, instance_id: str) -> ReceivedMessage:
    async with time_limit():
        while True:
            (request,) = await hub.next_activities(1)
            if request.message.target.instance_id == instance_id:
                return request
            await hub.discard([request])


def _episode(*events: HistoryEvent) -> list[HistoryEvent]:
    return [OrchestratorStarted(timestamp=clock.now()), *events, OrchestratorCompleted(timestamp=clock.now())]


SCENES = [first, later_episode, without_row, answered, many, child, failed_child, renewed, entity, large]


@pytest.mark.parametrize("scene_of", SCENES, ids=lambda scene: scene.__name__)
async def test_what_a_commit_leads_to_happens_whenever_its_process_dies(
    bench: Any, adapter: str, scene_of: Callable[[TaskHub, str], Awaitable[Scene]]
) -> None:
    """Under the same identities, with the same times; and a message that was consumed is known when it comes back."""
    hub: TaskHub = await bench.open(short_visibility=True, one_by_one=True)
    is_cut, steps = True, 0
    while is_cut:
        scene = await scene_of(hub, f"i{steps}")
        episode = scene.episode
        is_cut, was_committed = await bench.interrupt(hub, episode, steps)
        hub = await bench.open(short_visibility=True, one_by_one=True)
        heir = Heir(hub, episode, scene.rows, scene.results)
        back = scene.comes_back and (is_cut if adapter == "azure" else not was_committed)
        await heir.run(copies=len(episode.consumed) if back else 0)
        assert heir.runs == (not was_committed)
        assert heir.copies == (back and was_committed)
        is_marked = adapter == "azure" and (was_committed or bool(scene.results))
        assert (episode.instance_id in heir.owed) == is_marked
        assert heir.seen.keys() == {one.id for one in episode.outbound}
        for sent in episode.outbound:
            assert set(map(msgspec.json.encode, heir.seen[sent.id])) == {msgspec.json.encode(sent)}
        history = await hub.get_history(episode.instance_id)
        assert history[episode.first_ordinal :] == episode.events
        state = await hub.get_instance(episode.instance_id)
        assert state is not None
        if episode.update is not None:
            assert state.custom_status == episode.update.custom_status
            assert state.runtime_status is (episode.update.runtime_status or OrchestrationStatus.Running)
            assert state.execution_id == episode.execution_id
        steps += 1
    assert steps == 2 if adapter != "azure" else steps >= 3


@pytest.mark.parametrize("scene_of", [child, failed_child], ids=lambda scene: scene.__name__)
async def test_retention_of_another_host_keeps_a_child_until_its_parent_has_the_result(
    bench: Any, scene_of: Callable[[TaskHub, str], Awaitable[Scene]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "QUIET_SECONDS", 0.2)
    hub: TaskHub = await bench.open(short_visibility=True, one_by_one=True)
    other: TaskHub = await bench.open(worker=False)
    is_cut, steps = True, 0
    while is_cut:
        scene = await scene_of(hub, f"i{steps}")
        is_cut, was_committed = await bench.interrupt(hub, scene.episode, steps)
        await other.purge_ended(f"i{steps}", later(60), at_once)
        hub = await bench.open(short_visibility=True, one_by_one=True)
        heir = Heir(hub, scene.episode, scene.rows)
        await heir.run()
        assert heir.seen.keys() == {one.id for one in scene.episode.outbound}
        assert heir.runs == (not was_committed)
        steps += 1
    for number in range(steps):
        loaded = await hub.load_history(f"i{number}")
        if loaded.debt is not None and loaded.checkpoint is not None:
            await hub.settle(f"i{number}", loaded.checkpoint, [])
        async with time_limit():
            while await other.get_instance(f"i{number}") is not None:
                await other.purge_ended(f"i{number}", later(60), at_once)
                await pause(0.05)


async def at_once() -> None:
    pass
