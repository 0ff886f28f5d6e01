"""Committing episodes."""

import asyncio

import msgspec
import pytest
from hub_samples import (
    activity,
    clock,
    commit_of,
    complete,
    create,
    first_episode,
    later,
    new_id,
    nothing_more,
    raised,
    receive,
    receive_activity,
    run_first_episode,
    start_message,
)

from durable_host.durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    FailureDetails,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    SubOrchestrationInstanceCreated,
    TaskCompleted,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.instance import InstanceState, InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import Checkpoint, CommitConflict, EpisodeCommit, TaskHub


def _without_flags(events):
    return [msgspec.structs.replace(event, is_played=False) for event in events]


async def test_an_instance_without_commits_has_no_history(hub: TaskHub):
    await create(hub, "a")
    loaded = await hub.load_history("a")
    assert (loaded.events, loaded.execution_id, loaded.checkpoint) == ([], None, None)
    assert await hub.get_history("a") == []
    assert await hub.get_history("nobody") == []


async def test_a_commit_makes_history_row_messages_and_deletion_durable(hub: TaskHub):
    await create(hub, "a")
    (received,) = await receive(hub, 1)
    start = received.message
    request = activity(start.target)
    scheduled = TaskScheduled(event_id=0, name="SayHello", timestamp=clock.now())
    events = first_episode(start, scheduled)
    other = raised("b", "E")
    checkpoint = await hub.commit(
        commit_of(start, events, [received], outbound=[request, other], custom_status='"asking"')
    )

    loaded = await hub.load_history("a")
    assert loaded.events == events
    assert loaded.execution_id == start.target.execution_id
    assert loaded.checkpoint == checkpoint
    assert await hub.get_history("a") == events
    state = await hub.get_instance("a")
    assert state.runtime_status == OrchestrationStatus.Running
    assert state.custom_status == '"asking"'
    assert state.last_updated_time == events[-1].timestamp
    assert state.created_time == start.event.timestamp
    (sent,) = await receive(hub, 1)
    assert sent.message == other
    assert (await receive_activity(hub)).message == request
    await nothing_more(hub, "a")


async def test_episodes_follow_each_other_under_the_etag_of_the_last(hub: TaskHub):
    start, checkpoint = await run_first_episode(hub, "a", TimerCreated(event_id=0, fire_at=5, timestamp=6))
    history = (await hub.load_history("a")).events
    for number in range(3):
        events = [
            OrchestratorStarted(timestamp=clock.now()),
            EventRaised(name="E", input=str(number), timestamp=clock.now(), is_played=True),
            OrchestratorCompleted(timestamp=clock.now()),
        ]
        checkpoint = await hub.commit(commit_of(start, events, checkpoint=checkpoint, first_ordinal=len(history)))
        history += events
    loaded = await hub.load_history("a")
    assert loaded.events == history
    assert loaded.checkpoint == checkpoint


async def test_every_kind_of_event_is_read_as_it_was_written(hub: TaskHub):
    kinds = [
        TaskScheduled(event_id=0, name="A", version="", input='["x"]', timestamp=1_0000001, tags={"a": "b"}),
        TaskCompleted(task_scheduled_id=0, result='"☃"', timestamp=clock.now(), is_played=True),
        SubOrchestrationInstanceCreated(event_id=1, name="C", instance_id="a:1", input="1", timestamp=clock.now()),
        TimerCreated(event_id=2, fire_at=clock.now() + 7, timestamp=clock.now()),
        TimerFired(timer_id=2, fire_at=clock.now() + 7, timestamp=clock.now(), is_played=True),
        EventRaised(name="☃", input=None, timestamp=clock.now(), is_played=True),
        ExecutionCompleted(
            event_id=3, orchestration_status=OrchestrationStatus.Failed, result="it's\r\nbroken",
            failure_details=FailureDetails("T", "m", "s", FailureDetails("I", "n"), True), timestamp=clock.now(),
        ),
    ]  # fmt: skip
    kinds[0] = msgspec.structs.replace(kinds[0], timestamp=clock.now() + 3)
    await run_first_episode(hub, "a", *kinds, input=None)
    assert (await hub.get_history("a"))[2:-1] == kinds


async def test_large_results_come_back_whole(hub: TaskHub):
    big = '"' + "ä☃" * 100_000 + '"'
    done = TaskCompleted(task_scheduled_id=0, result=big, timestamp=clock.now())
    ending = ExecutionCompleted(event_id=1, result=big, timestamp=clock.now())
    await create(hub, "a")
    (received,) = await receive(hub, 1)
    start = received.message
    await hub.commit(
        commit_of(
            start, first_episode(start, done, ending), [received],
            runtime_status=OrchestrationStatus.Completed, output=big, completed_time=clock.now(),
        )
    )  # fmt: skip
    history = await hub.get_history("a")
    assert (history[2].result, history[3].result) == (big, big)
    state = await hub.get_instance("a")
    assert state.output == big
    assert state.runtime_status == OrchestrationStatus.Completed
    assert state.completed_time is not None


async def test_histories_of_more_than_a_thousand_events_keep_their_order(hub: TaskHub):
    events = [TaskScheduled(event_id=number, name="A", timestamp=clock.now()) for number in range(1200)]
    await run_first_episode(hub, "a", *events)
    history = await hub.get_history("a")
    assert [event.event_id for event in history[2:-1]] == list(range(1200))
    assert len((await hub.load_history("a")).events) == 1203


async def test_a_commit_on_an_outdated_history_is_refused_and_leaves_its_messages(hub: TaskHub):
    start, checkpoint = await run_first_episode(hub, "a")
    await hub.send(raised("a", "E"))
    received = await receive(hub, 1)
    newer = [OrchestratorStarted(timestamp=clock.now()), OrchestratorCompleted(timestamp=clock.now())]
    await hub.commit(commit_of(start, newer, checkpoint=checkpoint, first_ordinal=3))
    outdated = [OrchestratorStarted(timestamp=1), received[0].message.event, OrchestratorCompleted(timestamp=2)]
    with pytest.raises(CommitConflict):
        await hub.commit(commit_of(start, outdated, received, checkpoint=checkpoint, first_ordinal=3))
    assert (await hub.get_history("a"))[3:] == newer
    await hub.abandon(received)
    (again,) = await receive(hub, 1)
    assert again.id == received[0].id


async def test_a_first_commit_is_refused_when_there_is_a_history(hub: TaskHub):
    start, _ = await run_first_episode(hub, "a")
    with pytest.raises(CommitConflict):
        await hub.commit(commit_of(start, first_episode(start), checkpoint=None))


async def test_of_two_hosts_that_commit_one_episode_one_wins(open_hub):
    hub = await open_hub()
    other = await open_hub(worker=False)
    start, checkpoint = await run_first_episode(hub, "a")
    episode = [OrchestratorStarted(timestamp=clock.now()), OrchestratorCompleted(timestamp=clock.now())]
    results = await asyncio.gather(
        *(opened.commit(commit_of(start, episode, checkpoint=checkpoint, first_ordinal=3)) for opened in (hub, other)),
        return_exceptions=True,
    )
    assert sorted(isinstance(result, CommitConflict) for result in results) == [False, True]


async def test_an_episode_without_an_update_leaves_the_row_until_it_is_touched(hub: TaskHub):
    start, checkpoint = await run_first_episode(hub, "a")
    before = await hub.get_instance("a")
    assert before is not None
    events = [OrchestratorStarted(timestamp=clock.now()), OrchestratorCompleted(timestamp=clock.now())]
    await hub.commit(
        EpisodeCommit(
            instance_id="a", execution_id=start.target.execution_id or "", checkpoint=checkpoint, first_ordinal=3,
            events=events, outbound=[], update=None, consumed=[],
        )
    )  # fmt: skip
    assert await hub.get_instance("a") == before
    await hub.touch_instance("a", events[-1].timestamp)
    touched = await hub.get_instance("a")
    assert before is not None
    assert touched is not None
    assert touched == msgspec.structs.replace(before, last_updated_time=events[-1].timestamp, etag=touched.etag)


async def test_columns_without_a_new_value_keep_the_old_one(hub: TaskHub):
    start, checkpoint = await run_first_episode(hub, "a")
    now = clock.now()
    execution_id = start.target.execution_id or ""
    await hub.commit(
        EpisodeCommit(
            instance_id="a", execution_id=execution_id, checkpoint=checkpoint, first_ordinal=3,
            events=[OrchestratorStarted(timestamp=now), OrchestratorCompleted(timestamp=now)], outbound=[],
            update=InstanceUpdate(
                execution_id=execution_id, last_updated_time=now, custom_status="{}", output="paused",
                runtime_status=OrchestrationStatus.Suspended,
            ),
            consumed=[],
        )
    )  # fmt: skip
    state = await hub.get_instance("a")
    assert (state.name, state.input, state.output) == ("Hello", '"Tokyo"', "paused")
    assert state.runtime_status == OrchestrationStatus.Suspended
    assert state.custom_status == "{}"
    assert state.completed_time is None


async def test_the_row_of_a_child_names_its_parent(hub: TaskHub):
    start = start_message("child")
    await hub.commit(commit_of(start, first_episode(start), parent_instance_id="parent"))
    for parent, expected in ((None, "parent"), ("", None)):
        now = clock.now()
        events = [OrchestratorStarted(timestamp=now), OrchestratorCompleted(timestamp=now)]
        checkpoint = (await hub.load_history("child")).checkpoint
        await hub.commit(commit_of(start, events, checkpoint=checkpoint, first_ordinal=3, parent_instance_id=parent))
        state = await hub.get_instance("child")
        assert state.parent_instance_id == expected


async def test_continue_as_new_replaces_history_and_keeps_an_input_that_is_not_renewed(hub: TaskHub):
    start, checkpoint = await run_first_episode(
        hub, "a", TimerCreated(event_id=0, fire_at=1, timestamp=2), input='"old"'
    )
    renewed = start_message("a", input=None)
    events = [
        OrchestratorStarted(timestamp=clock.now()),
        msgspec.structs.replace(renewed.event, is_played=True),
        OrchestratorCompleted(timestamp=clock.now()),
    ]
    checkpoint = await hub.commit(commit_of(renewed, events, checkpoint=checkpoint, replaced=start.target.execution_id))
    loaded = await hub.load_history("a")
    assert loaded.events == events
    assert (loaded.execution_id, loaded.checkpoint) == (renewed.target.execution_id, checkpoint)
    state = await hub.get_instance("a")
    assert state.execution_id == renewed.target.execution_id
    assert state.created_time == renewed.event.timestamp
    assert (state.input, state.generation) == ('"old"', 0)
    assert state.runtime_status == OrchestrationStatus.Running


async def test_a_replaced_instance_starts_its_history_over_under_the_old_etag(hub: TaskHub):
    await complete(hub, "a")
    await create(hub, "a")
    (received,) = await receive(hub, 1)
    start = received.message
    loaded = await hub.load_history("a")
    assert loaded.execution_id != start.target.execution_id
    events = first_episode(start)
    await hub.commit(commit_of(start, events, [received], checkpoint=loaded.checkpoint, replaced=loaded.execution_id))
    assert await hub.get_history("a") == events
    assert (await hub.get_instance("a")).generation == 1


async def test_children_and_entities_get_their_row_with_the_first_commit(hub: TaskHub):
    entity = "@counter@a"
    await hub.send(raised(entity, "op"))
    received = await receive(hub, 1)
    assert await hub.get_instance(entity) is None
    instance = OrchestrationInstance(entity, new_id())
    started = ExecutionStarted(
        orchestration_instance=instance, name=entity, input='{"exists":true,"sorter":{}}', timestamp=clock.now()
    )
    start = TaskMessage(started, instance)
    await hub.commit(commit_of(start, first_episode(start), received, custom_status='{"entityExists":true}'))
    state = await hub.get_instance(entity)
    assert (state.name, state.execution_id) == (entity, instance.execution_id)
    assert state.input == started.input
    assert state.runtime_status == OrchestrationStatus.Running
    assert not state.generation


async def test_a_purged_instance_refuses_the_commit_of_a_running_episode(hub: TaskHub):
    """The work item starts over on the history as it is now, and does not wait for storage.

    Source: docs/protocol/task-hub-storage-history.md#sentinel-etag
    """
    start, checkpoint = await run_first_episode(hub, "a")
    assert await hub.purge_instance("a")
    episode = [OrchestratorStarted(timestamp=clock.now()), OrchestratorCompleted(timestamp=clock.now())]
    with pytest.raises(CommitConflict):
        await hub.commit(commit_of(start, episode, checkpoint=checkpoint, first_ordinal=3))
    assert await hub.get_history("a") == []


async def test_hundred_instances_at_once(hub: TaskHub):
    await asyncio.gather(*(create(hub, f"i{number}") for number in range(100)))
    received = await receive(hub, 100)

    async def run(item):
        events = first_episode(item.message, TaskScheduled(event_id=0, name="A", timestamp=clock.now()))
        await hub.commit(commit_of(item.message, events, [item], outbound=[activity(item.message.target)]))

    await asyncio.gather(*(run(item) for item in received))
    requests = [await receive_activity(hub) for _ in range(100)]
    assert {request.message.target.instance_id for request in requests} == {f"i{number}" for number in range(100)}


async def test_a_commit_without_events_changes_the_row_only(hub: TaskHub):
    state = await create(hub, "a")
    (received,) = await receive(hub, 1)
    assert state.execution_id is not None
    await hub.commit(
        EpisodeCommit(
            instance_id="a",
            execution_id=state.execution_id,
            checkpoint=None,
            first_ordinal=0,
            events=(),
            outbound=(),
            update=InstanceUpdate(
                execution_id=state.execution_id,
                last_updated_time=clock.now(),
                runtime_status=OrchestrationStatus.Terminated,
                output="enough",
            ),
            consumed=[received],
            expected_row=await hub.get_instance("a"),
        )
    )
    terminated = await hub.get_instance("a")
    assert terminated is not None
    assert (terminated.runtime_status, terminated.output) == (OrchestrationStatus.Terminated, "enough")
    loaded = await hub.load_history("a")
    assert (loaded.events, loaded.execution_id, loaded.checkpoint) == ([], None, None)
    await nothing_more(hub, "a")


def repair_of(start: TaskMessage, checkpoint: Checkpoint | None, expected_row: InstanceState | None) -> EpisodeCommit:
    repair = commit_of(start, first_episode(start), checkpoint=checkpoint, runtime_status=OrchestrationStatus.Suspended)
    return msgspec.structs.replace(repair, events=(), expected_row=expected_row)


async def test_a_row_that_has_changed_since_it_was_read_is_not_repaired(hub: TaskHub):
    start, checkpoint = await run_first_episode(hub, "a")
    expected_row = await hub.get_instance("a", fetch_input=False, fetch_output=False)
    await hub.touch_instance("a", later(5))
    with pytest.raises(CommitConflict):
        await hub.commit(repair_of(start, checkpoint, expected_row))
    state = await hub.get_instance("a")
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.Running
    await hub.commit(repair_of(start, checkpoint, state))
    state = await hub.get_instance("a")
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.Suspended


async def test_the_row_of_a_history_that_has_continued_is_not_repaired(hub: TaskHub):
    start, checkpoint = await run_first_episode(hub, "a")
    more = [OrchestratorStarted(timestamp=1), OrchestratorCompleted(timestamp=1)]
    await hub.commit(commit_of(start, more, checkpoint=checkpoint, first_ordinal=len(first_episode(start))))
    with pytest.raises(CommitConflict):
        await hub.commit(repair_of(start, checkpoint, await hub.get_instance("a")))


async def test_a_purged_row_is_not_made_again_by_a_repair(hub: TaskHub):
    start = await complete(hub, "a")
    checkpoint = (await hub.load_history("a")).checkpoint
    expected_row = await hub.get_instance("a")
    await hub.purge_instance("a")
    for row in (expected_row, None):
        with pytest.raises(CommitConflict):
            await hub.commit(repair_of(start, checkpoint, row))
    assert await hub.get_instance("a") is None
