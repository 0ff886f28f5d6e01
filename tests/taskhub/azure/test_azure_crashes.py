"""If a worker dies between two requests of a commit, nothing is lost and no message gets another identity."""

import asyncio

import pytest
from heir import Heir
from hub_samples import (
    activity,
    clock,
    commit_of,
    create,
    later,
    new_id,
    pause,
    raised,
    receive,
    receive_activity,
    run_first_episode,
    time_limit,
    timer,
)
from recording_account import RecordingAccount, kill

from durable_host.clock import SystemClock
from durable_host.durable.model import events as e
from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import (
    Checkpoint,
    CommitConflict,
    EpisodeCommit,
    ReceivedMessage,
    TaskHubUnavailable,
)
from durable_host.storage import StorageAccount, StorageUnavailable
from durable_host.timestamp import TICKS_PER_SECOND

STEPS = {
    True: ["nothing", "history", "row", "timer", "signal", "event", "delete"],
    False: ["nothing", "history", "row", "activity", "timer", "signal", "event", "delete"],
}
"""What is done of the commit, step after step: by a host that is alone, and by one whose activities others may take."""
DEATHS = [(alone, steps) for alone, done in STEPS.items() for steps in range(len(done))]
ENTITY = "@counter@a"


def first_episode(start: ReceivedMessage, checkpoint: Checkpoint | None) -> EpisodeCommit:
    """Start, one activity, one timer, one signal, and one message that cannot be told from the rows."""
    event = start.message.event
    target = start.message.target
    assert isinstance(event, e.ExecutionStarted)
    assert target.execution_id is not None
    fire_at = later(0.5)
    return EpisodeCommit(
        instance_id=target.instance_id,
        execution_id=target.execution_id,
        checkpoint=checkpoint,
        first_ordinal=0,
        events=[
            e.OrchestratorStarted(timestamp=clock.now()),
            event,
            e.TaskScheduled(event_id=0, name="SayHello", timestamp=clock.now()),
            e.TimerCreated(event_id=1, fire_at=fire_at, timestamp=clock.now()),
            e.EventSent(event_id=2, instance_id=ENTITY, name="op", input="{}", timestamp=clock.now()),
            e.OrchestratorCompleted(timestamp=clock.now()),
        ],
        outbound=[
            activity(target),
            timer(target, 1, fire_at),
            raised(ENTITY, "op", "{}", sender=target, episode=1),
            raised("other", "Hi", "1", sender=OrchestrationInstance(target.instance_id, "e" * 32)),
        ],
        update=InstanceUpdate(
            execution_id=target.execution_id, last_updated_time=clock.now(), custom_status="null", started=event
        ),
        consumed=[start],
    )


async def quiet(hub) -> None:
    """No poller of the hub runs any more."""
    for poller, task in hub._worker.served.pollers.values():
        poller.stop()
        await task


@pytest.mark.parametrize(
    ("alone", "steps"), DEATHS, ids=[f"{'alone' if alone else 'shared'}-{STEPS[alone][n]}" for alone, n in DEATHS]
)
async def test_nothing_is_lost_when_the_worker_dies(
    open_azure, storage: StorageAccount, account: RecordingAccount, alone: bool, steps: int
) -> None:
    doomed = await open_azure(hold_time=1.0, send_concurrency=1, take_all_activities=alone)
    await create(doomed, "abc123")
    (start,) = await receive(doomed, 1)
    loaded = await doomed.load_history("abc123")
    await quiet(doomed)
    episode = first_episode(start, loaded.checkpoint)
    mark = len(account.requests)
    account.fail_after(steps)
    committing = asyncio.ensure_future(doomed.commit(episode))
    if steps == 0:
        with pytest.raises(TaskHubUnavailable):
            await committing
    elif steps < len(STEPS[alone]) - 1:
        async with time_limit():
            await account.refused.wait()
    else:
        await committing
        await doomed._worker.held.drain(5)
    await kill(doomed, account)
    await asyncio.gather(committing, return_exceptions=True)
    kinds = {"table.transaction": "history", "table.merge": "row", "queue.put": "put", "queue.delete": "delete"}
    done = ["put" if one in ("activity", "timer", "signal", "event") else one for one in STEPS[alone][1 : steps + 1]]
    assert [kinds[one] for one in account.since(mark, without=("get", "poll", "update")) if one in kinds] == done

    hub = await open_azure(on=RecordingAccount(storage), hold_time=1.0, take_all_activities=alone)
    heir = Heir(hub, episode, dict(enumerate(episode.outbound)))
    await heir.run(copies=steps < len(STEPS[alone]) - 1)
    assert heir.owed == ([] if steps == 0 else ["abc123"])
    assert heir.runs == (steps == 0)
    assert heir.seen.keys() == {sent.id for sent in episode.outbound}
    for sent in episode.outbound:
        assert {message.event for message in heir.seen[sent.id]} == {sent.event}
    assert (await hub.get_history("abc123")) == episode.events
    state = await hub.get_instance("abc123")
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.Running


async def test_commit_whose_history_is_written_waits_for_the_row_and_the_messages(
    open_azure, account: RecordingAccount
) -> None:
    """Were it to fail, the episode would run again, and take its messages a second time."""
    hub = await open_azure(send_concurrency=1)
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    episode = first_episode(start, (await hub.load_history("abc123")).checkpoint)
    await quiet(hub)
    for steps in (1, 2):
        account.fail_after(steps)
        if steps == 1:
            committing = asyncio.ensure_future(hub.commit(episode))
        async with time_limit():
            await account.refused.wait()
        assert not committing.done()
        assert len(hub._worker.deliveries.activities) == 0
    account.fail_after(None)
    async with time_limit():
        await committing  # pyright: ignore[reportGeneralTypeIssues]
    row = await hub.get_instance("abc123")
    assert row is not None
    assert row.runtime_status is OrchestrationStatus.Running
    assert (await receive_activity(hub)).message.id == episode.outbound[0].id


async def test_a_caller_that_stops_waiting_for_a_commit_does_not_interrupt_it(
    open_azure, account: RecordingAccount
) -> None:
    hub = await open_azure(send_concurrency=1)
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    episode = first_episode(start, (await hub.load_history("abc123")).checkpoint)
    await quiet(hub)
    account.fail_after(1)
    committing = asyncio.ensure_future(hub.commit(episode))
    async with time_limit():
        await account.refused.wait()
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)
    account.fail_after(None)
    assert (await receive_activity(hub)).message.id == episode.outbound[0].id
    assert (await hub.load_history("abc123")).debt is None


async def test_commit_in_doubt_is_settled_by_the_next_answer(open_azure, account: RecordingAccount) -> None:
    """The history is written, the answer is lost, and then nobody answers for a while."""
    hub = await open_azure(send_concurrency=1)
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    episode = first_episode(start, (await hub.load_history("abc123")).checkpoint)
    transaction, answers = account.tables.transaction, [2]

    async def unanswered(*arguments: object) -> object:
        written = await transaction(*arguments)
        if answers[0]:
            answers[0] -= 1
            raise StorageUnavailable(0, "Unavailable", "the connection broke", after_retry=True)
        return written

    account.tables.transaction = unanswered  # type: ignore[method-assign]
    checkpoint = await hub.commit(episode)
    loaded = await hub.load_history("abc123")
    assert (loaded.checkpoint, len(loaded.events)) == (checkpoint, 6)


async def test_a_message_is_known_after_a_long_stop_until_it_could_have_come_back(
    open_azure, storage: StorageAccount
) -> None:
    """Nobody learns whether its delete was done before the crash."""
    doomed = await open_azure(worker_id="same")
    await create(doomed, "abc123")
    (start,) = await receive(doomed, 1)
    await quiet(doomed)
    await doomed.commit(first_episode(start, None))
    await kill(doomed)

    class LaterClock(SystemClock):
        minutes = 60.0

        def now(self) -> int:
            return super().now() + int(self.minutes * 60 * TICKS_PER_SECOND)

    late = LaterClock()
    heir = await open_azure(on=RecordingAccount(storage), worker_id="same", clock=late)
    for minutes, is_known in ((61, True), (72, False)):
        late.minutes = minutes
        loaded = await heir.load_history("abc123")
        assert loaded.checkpoint is not None
        assert loaded.checkpoint.knows(start.message)
        await heir.commit(
            EpisodeCommit(
                instance_id="abc123",
                execution_id=start.message.target.execution_id or "",
                checkpoint=loaded.checkpoint,
                first_ordinal=len(loaded.events),
                events=[e.OrchestratorStarted(timestamp=late.now()), e.OrchestratorCompleted(timestamp=late.now())],
                outbound=[],
                update=None,
                consumed=[],
            )
        )
        assert (await heir._history.read("abc123")).columns["Consumed"].count(":") == is_known


async def test_the_messages_of_a_conflicting_commit_can_be_released(open_azure, storage: StorageAccount) -> None:
    hub = await open_azure()
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    loaded = await hub.load_history("abc123")
    rival = await open_azure(worker=False, on=RecordingAccount(storage))
    rivals = first_episode(start, None)
    await rival.commit(EpisodeCommit(**{**_fields(rivals), "consumed": []}))
    with pytest.raises(CommitConflict):
        await hub.commit(EpisodeCommit(**{**_fields(rivals), "checkpoint": loaded.checkpoint, "outbound": []}))
    await hub.abandon([start])
    async with time_limit():
        while True:
            again = [m for m in await hub.next_control_messages() if m.id == start.id]
            if again:
                break
    assert again[0].dequeue_count == 2
    assert len((await hub.load_history("abc123")).events) == 6


async def test_an_instance_is_loaded_again_after_a_conflict(open_azure, storage: StorageAccount) -> None:
    """The message that would have it loaded may be gone, and what its earlier commits owe is known to nobody else."""
    hub = await open_azure()
    start, checkpoint = await run_first_episode(hub, "abc123")
    next_episode = commit_of(start, [e.OrchestratorStarted(timestamp=2)], checkpoint=checkpoint, first_ordinal=5)
    rival = await open_azure(worker=False, on=RecordingAccount(storage))
    await rival.commit(next_episode)
    with pytest.raises(CommitConflict):
        await hub.commit(next_episode)
    async with time_limit():
        assert await hub.next_owed() == ["abc123"]


async def test_commit_with_an_old_etag_conflicts(open_azure) -> None:
    hub = await open_azure()
    execution = new_id()
    one = EpisodeCommit(
        instance_id="abc123",
        execution_id=execution,
        checkpoint=None,
        first_ordinal=0,
        events=[e.OrchestratorStarted(timestamp=1)],
        outbound=[],
        update=None,
        consumed=[],
    )
    checkpoint = await hub.commit(one)
    two = EpisodeCommit(**{**_fields(one), "first_ordinal": 1, "checkpoint": checkpoint})
    await hub.commit(two)
    with pytest.raises(CommitConflict):
        await hub.commit(two)
    with pytest.raises(CommitConflict):
        await hub.commit(one)


async def test_large_episode_is_committed_in_batches(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    execution = new_id()
    events = [e.TaskCompleted(task_scheduled_id=number, result=str(number), timestamp=5) for number in range(250)]
    mark = len(account.requests)
    await hub.commit(
        EpisodeCommit(
            instance_id="abc123",
            execution_id=execution,
            checkpoint=None,
            first_ordinal=0,
            events=events,
            outbound=[],
            update=None,
            consumed=[],
        )
    )
    batches = [
        args[1] for service, method, args in account.requests[mark:] if (service, method) == ("table", "transaction")
    ]
    assert [len(batch) for batch in batches] == [100, 100, 53]
    assert [batch[-1].entity["IsCheckpointComplete"] for batch in batches] == [False, False, True]
    assert await hub.get_history("abc123") == events


async def test_deletes_wait_for_a_storage_that_comes_back(open_azure, account: RecordingAccount, storage) -> None:
    hub = await open_azure()
    await hub.send(raised("abc123"))
    (message,) = await receive(hub, 1)
    account.fail_after(0)
    await hub.discard([message])
    account.fail_after(None)
    await hub._worker.held.drain(10)
    assert await storage.queues.message_count(hub._worker._reception.names.queue_of("abc123")) == 0


async def test_hub_recovers_from_an_outage_and_warns_once(
    open_azure, account: RecordingAccount, storage, caplog
) -> None:
    hub = await open_azure()
    polls = len(account.requests)
    account.fail_after(0)
    with caplog.at_level("INFO", "Host.Triggers.DurableTask"):
        with pytest.raises(TaskHubUnavailable):
            await hub.get_instance("abc123")
        async with time_limit():
            while not any("waits for its storage" in record.getMessage() for record in caplog.records):
                await pause(0.05)
        account.fail_after(None)
        client = await open_azure(worker=False, on=RecordingAccount(storage))
        await client.send(raised("abc123"))
        (message,) = await receive(hub, 1)
        async with time_limit():
            while not any("answers again" in record.getMessage() for record in caplog.records):
                await pause(0.05)
    assert message.message.event.name == "Approval"
    texts = [record.getMessage() for record in caplog.records]
    assert sum("waits for its storage" in text for text in texts) == 1
    assert sum("answers again" in text for text in texts) == 1
    assert len(account.requests) > polls


async def test_stop_makes_held_messages_visible_again(open_azure, storage: StorageAccount) -> None:
    hub = await open_azure()
    await hub.send(raised("abc123", "Held"))
    await hub.send(raised("abc123", "Waiting"))
    (first, *_) = await hub.next_control_messages()
    assert first.message.event.name == "Held"
    request = OrchestrationInstance("abc123", new_id())
    await hub.send(activity(request))
    await hub.stop()
    heir = await open_azure(on=RecordingAccount(storage))
    received = await receive(heir, 2)
    assert {message.message.event.name for message in received} == {"Held", "Waiting"}
    await receive_activity(heir)


def _fields(episode: EpisodeCommit) -> dict[str, object]:
    return {name: getattr(episode, name) for name in episode.__struct_fields__}
