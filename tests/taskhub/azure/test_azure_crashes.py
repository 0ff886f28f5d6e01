"""A worker that dies between any two steps of a commit loses nothing."""

import asyncio

import pytest
from hub_samples import activity, clock, create, later, new_id, raised, receive, receive_activity, time_limit, timer
from recording_account import RecordingAccount, kill

from durable_host.durable.model import events as e
from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import (
    CommitConflict,
    EpisodeCommit,
    ReceivedMessage,
    TaskHub,
    TaskHubUnavailable,
)
from durable_host.storage import StorageAccount, StorageUnavailable

STEPS = {
    0: "before the first message",
    1: "after the activity request",
    2: "after the timer",
    3: "after the event to another",
    4: "after the history",
    5: "after the instance row",
    6: "after the delete",
}


def first_episode(start: ReceivedMessage, checkpoint: str | None) -> EpisodeCommit:
    """Start, one activity, one timer, one event to another instance."""
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
            e.EventSent(event_id=2, instance_id="other", name="Hi", input="1", timestamp=clock.now()),
            e.OrchestratorCompleted(timestamp=clock.now()),
        ],
        outbound=[
            activity(target),
            timer(target, 1, fire_at),
            TaskMessage(e.EventRaised(name="Hi", input="1"), OrchestrationInstance("other"), sender=target, episode=1),
        ],
        update=InstanceUpdate(
            execution_id=target.execution_id, last_updated_time=clock.now(), custom_status="null", started=event
        ),
        consumed=[start],
    )


def is_start(message: ReceivedMessage) -> bool:
    return isinstance(message.message.event, e.ExecutionStarted)


async def collect(hub: TaskHub, instance_id: str) -> dict[str, list[ReceivedMessage]]:
    """Run what comes until timer and event of the episode were seen; the messages by kind."""
    seen: dict[str, list[ReceivedMessage]] = {}
    async with time_limit():
        while not {"TimerFired", "EventRaised"} <= seen.keys():
            for message in await hub.next_control_messages():
                seen.setdefault(message.message.event.event_name, []).append(message)
                if is_start(message):
                    loaded = await hub.load_history(instance_id)
                    if loaded.events:
                        await hub.discard([message])
                    else:
                        await hub.commit(first_episode(message, loaded.checkpoint))
    return seen


async def written(account: RecordingAccount, mark: int) -> None:
    """Wait for a transaction on the history after request `mark`."""
    async with time_limit():
        while not any(one[:2] == ("table", "transaction") for one in account.requests[mark:]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("steps", STEPS, ids=STEPS.values())
async def test_nothing_is_lost_when_the_worker_dies(
    open_azure, storage: StorageAccount, account: RecordingAccount, steps: int
) -> None:
    doomed = await open_azure(hold_time=1.0, worker_id="same", send_concurrency=1)
    await create(doomed, "abc123")
    (start,) = await receive(doomed, 1)
    loaded = await doomed.load_history("abc123")
    for poller, task in doomed._worker._pollers.values():
        poller.stop()
        await task
    episode = first_episode(start, loaded.checkpoint)
    account.fail_after(steps)
    if steps < 4:
        with pytest.raises(TaskHubUnavailable):
            await doomed.commit(episode)
    elif steps == 4:
        committing = asyncio.ensure_future(doomed.commit(episode))
        await written(account, 0)
        committing.cancel()
    else:
        await doomed.commit(episode)
        if steps == 6:
            await doomed._worker.held.drain(5)
    await kill(doomed)

    heir = await open_azure(on=RecordingAccount(storage), hold_time=1.0, worker_id="same")
    seen = await collect(heir, "abc123")
    async with time_limit():
        request = await heir.next_activity()
    assert isinstance(request.message.event, e.TaskScheduled)
    assert seen["EventRaised"][0].message.target.instance_id == "other"
    history = await heir.get_history("abc123")
    assert [event.event_name for event in history] == [
        "OrchestratorStarted",
        "ExecutionStarted",
        "TaskScheduled",
        "TimerCreated",
        "EventSent",
        "OrchestratorCompleted",
    ]
    state = await heir.get_instance("abc123")
    assert state is not None
    if steps != 4:
        assert state.runtime_status is OrchestrationStatus.Running


async def test_commit_whose_history_is_written_waits_for_the_row(open_azure, account: RecordingAccount) -> None:
    """Were it to fail, the messages would be taken a second time: external events have no identity."""
    hub = await open_azure(send_concurrency=1)
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    episode = first_episode(start, (await hub.load_history("abc123")).checkpoint)
    mark = len(account.requests)
    account.fail_after(3 + 1)
    committing = asyncio.ensure_future(hub.commit(episode))
    await written(account, mark)
    await asyncio.wait([committing], timeout=0.1)
    assert not committing.done()
    account.fail_after(None)
    async with time_limit():
        await committing
    row = await hub.get_instance("abc123")
    assert row is not None
    assert row.runtime_status is OrchestrationStatus.Running


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


async def test_conflicting_commit_gives_the_messages_back(open_azure, storage: StorageAccount) -> None:
    hub = await open_azure()
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    loaded = await hub.load_history("abc123")
    rival = await open_azure(worker=False, on=RecordingAccount(storage))
    rivals = first_episode(start, None)
    await rival.commit(EpisodeCommit(**{**_fields(rivals), "consumed": []}))
    with pytest.raises(CommitConflict):
        await hub.commit(EpisodeCommit(**{**_fields(rivals), "checkpoint": loaded.checkpoint, "outbound": []}))
    async with time_limit():
        while True:
            again = [m for m in await hub.next_control_messages() if m.id == start.id]
            if again:
                break
    assert again[0].dequeue_count == 2
    assert len((await hub.load_history("abc123")).events) == 6


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
    assert await storage.queues.message_count(hub._worker._names.queue_of("abc123")) == 0


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
                await clock.sleep(0.05)
        account.fail_after(None)
        client = await open_azure(worker=False, on=RecordingAccount(storage))
        await client.send(raised("abc123"))
        (message,) = await receive(hub, 1)
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
