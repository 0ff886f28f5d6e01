"""Activities without a queue message: while no other host works on the hub, and until another host must find them."""

import asyncio
import json
import uuid
from collections.abc import Sequence

import msgspec
import pytest
from heir import owed_by
from hub_samples import (
    activity,
    activity_result,
    clock,
    commit_of,
    create,
    first_episode,
    later,
    pause,
    raised,
    receive,
    receive_activity,
    time_limit,
    timer,
)
from recording_account import RecordingAccount, kill

from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    HistoryEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskCompleted,
    TaskScheduled,
    TimerCreated,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure import AzureTaskHub, marks
from durable_host.durable.taskhub.azure.names import SENTINEL, HubNames
from durable_host.durable.taskhub.azure.neighbours import Neighbours
from durable_host.durable.taskhub.azure.partition_plan import PartitionRow
from durable_host.durable.taskhub.port import Checkpoint, CommitConflict, ReceivedMessage
from durable_host.storage import StorageAccount, StorageError, StorageUnavailable

OWN = ("Owed", "OwedBy", "OwedMessages")


async def begun(hub: AzureTaskHub, instance_id: str, count: int = 1) -> tuple[TaskMessage, Checkpoint]:
    """An instance whose first episode has called activities 0, 1, 2 ...: start and checkpoint."""
    await create(hub, instance_id)
    (received,) = await receive(hub, 1)
    start = received.message
    scheduled = [TaskScheduled(event_id=number, name="SayHello", timestamp=clock.now()) for number in range(count)]
    outbound = [activity(start.target, number) for number in range(count)]
    return start, await hub.commit(commit_of(start, first_episode(start, *scheduled), [received], outbound=outbound))


async def answered(hub: AzureTaskHub, start: TaskMessage, count: int = 1) -> list[ReceivedMessage]:
    """The results of the next activities."""
    for _ in range(count):
        request = await receive_activity(hub)
        await hub.complete_activity(request, activity_result(start.target, request.message.event.event_id))
    return await receive(hub, count)


def episode_of(*events: HistoryEvent) -> list[HistoryEvent]:
    return [OrchestratorStarted(timestamp=clock.now()), *events, OrchestratorCompleted(timestamp=clock.now())]


async def consume(
    hub: AzureTaskHub, start: TaskMessage, checkpoint: Checkpoint, at: int, results: Sequence[ReceivedMessage]
) -> Checkpoint:
    events = episode_of(*[one.message.event for one in results])
    episode = commit_of(start, events, results, checkpoint=checkpoint, first_ordinal=at)
    return await hub.commit(msgspec.structs.replace(episode, update=None))


async def marks_of(storage: StorageAccount, hub_name: str, instance_id: str) -> dict[str, str]:
    sentinel = await storage.tables.get(HubNames.of(hub_name, 4).history, instance_id, SENTINEL)
    assert sentinel is not None
    return {name: sentinel[name] for name in OWN if sentinel.get(name)}


async def in_queues(storage: StorageAccount, hub_name: str) -> list[dict]:
    """All visible messages of the hub."""
    names = HubNames.of(hub_name, 4)
    texts = [
        one.text for queue in (*names.control_queues, names.work_items) for one in await storage.queues.peek(queue)
    ]
    return [json.loads(text) for text in texts]


async def is_quiet(storage: StorageAccount, hub_name: str, instance_id: str, owed: dict[str, str]) -> None:
    async with time_limit():
        while await marks_of(storage, hub_name, instance_id) != owed:
            await pause(0.02)


def changes(account: RecordingAccount, mark: int) -> list[str]:
    return account.since(mark, without=("get", "poll", "update"))


async def test_the_mark_stays_until_the_last_activity_is_answered(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    start, checkpoint = await begun(hub, "abc123", 2)
    first, second = await answered(hub, start, 2)
    assert await in_queues(storage, hub_name) == []
    assert (await marks_of(storage, hub_name, "abc123"))["Owed"] == f"{2:016x}"
    checkpoint = await consume(hub, start, checkpoint, 5, [first])
    assert await marks_of(storage, hub_name, "abc123") == {"Owed": f"{3:016x}"}
    await consume(hub, start, checkpoint, 8, [second])
    assert await marks_of(storage, hub_name, "abc123") == {}


@pytest.mark.parametrize("what", ["request", "result"])
async def test_released_messages_are_delivered_again_with_a_higher_count(
    open_azure, account: RecordingAccount, what: str
) -> None:
    hub = await open_azure()
    start, _ = await begun(hub, "abc123")
    mark = len(account.requests)
    one = await receive_activity(hub) if what == "request" else (await answered(hub, start))[0]
    for count in (2, 3):
        due = later(0.2 if count == 2 else 0)
        await hub.abandon([one], delay=0.2 if count == 2 else 0)
        again = await receive_activity(hub) if what == "request" else (await receive(hub, 1))[0]
        assert (again.id, again.message, again.dequeue_count) == (one.id, one.message, count)
        assert again.received_time >= due - 10_000
        one = again
    assert "queue.put" not in changes(account, mark)


async def test_a_result_is_released_after_a_conflict_and_runs_nothing_again(
    open_azure, storage: StorageAccount
) -> None:
    hub = await open_azure()
    start, checkpoint = await begun(hub, "abc123", 2)
    done, running = await receive_activity(hub), await receive_activity(hub)
    requests = {0: done.message, 1: running.message}
    answer = msgspec.structs.replace(activity_result(start.target), id=identity.answer_to(done.message.id))
    await hub.complete_activity(done, answer)
    (result,) = await receive(hub, 1)
    rival = await open_azure(worker=False, on=RecordingAccount(storage))
    await rival._history.commit("abc123", start.target.execution_id or "", checkpoint.etag, 5, episode_of())
    with pytest.raises(CommitConflict):
        await consume(hub, start, checkpoint, 5, [result])
    await hub.abandon([result])
    loaded = await hub.load_history("abc123")
    assert loaded.checkpoint is not None
    if loaded.debt is not None:
        await hub.settle("abc123", loaded.checkpoint, owed_by(loaded, requests))
    (again,) = await receive(hub, 1)
    assert (again.id, again.dequeue_count) == (result.id, 2)
    assert len(hub._worker.deliveries.activities) == 0
    await consume(hub, start, loaded.checkpoint, 7, [again])
    await hub.complete_activity(running, activity_result(start.target, 1))
    assert [one.message.event.task_scheduled_id for one in await receive(hub, 1)] == [1]


async def test_a_purge_while_an_activity_runs_leaves_nothing(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    start, _ = await begun(hub, "abc123", 2)
    request = await receive_activity(hub)
    assert await hub.purge_instance("abc123")
    await hub.complete_activity(request, activity_result(start.target))
    (result,) = await receive(hub, 1)
    assert (await hub.load_history("abc123")).events == []
    await hub.discard([result])
    await hub.discard([await receive_activity(hub)])
    await hub.stop()
    assert await in_queues(storage, hub_name) == []
    assert await storage.tables.get(HubNames.of(hub_name, 4).history, "abc123", SENTINEL) is None


async def test_after_a_clean_stop_all_work_lies_in_queues_as_official_workers_read_it(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    start, _ = await begun(hub, "abc123", 4)
    (unconsumed,) = await answered(hub, start)
    unseen = await receive_activity(hub)
    await hub.complete_activity(unseen, activity_result(start.target, unseen.message.event.event_id))
    await receive_activity(hub)
    assert unconsumed.message.event.task_scheduled_id == 0
    await hub.stop()
    found = await in_queues(storage, hub_name)
    kinds = sorted((one["TaskMessage"]["Event"]["EventType"], _number(one)) for one in found)
    assert kinds == [(4, 2), (4, 3), (5, 0), (5, 1)]
    for one in found:
        assert uuid.UUID(one["ActivityId"])
        assert one["Sender"]["InstanceId"] == "abc123"
        assert next(iter(one["TaskMessage"]["Event"])) == "$type"
    assert await marks_of(storage, hub_name, "abc123") == {}
    heir = await open_azure(on=RecordingAccount(storage))
    assert {one.message.event.task_scheduled_id for one in await receive(heir, 2)} == {0, 1}
    assert {(await receive_activity(heir)).message.event.event_id for _ in range(2)} == {2, 3}
    assert (await heir.load_history("abc123")).debt is None


def _number(message: dict) -> int:
    event = message["TaskMessage"]["Event"]
    return event["TaskScheduledId"] if "TaskScheduledId" in event else event["EventId"]


async def test_when_another_host_appears_work_goes_into_queues_and_partitions_go_without_marks(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    names = HubNames.of(hub_name, 4)
    one = await open_azure(worker_id="one:0", hold_time=5.0)
    ids = [next(f"i{n}" for n in range(99) if names.queue_of(f"i{n}") == queue) for queue in names.control_queues]
    starts = {}
    for instance_id in ids:
        starts[instance_id], _ = await begun(one, instance_id, 3)
    requests = [await receive_activity(one) for _ in range(11)]
    for number in (0, 1):
        for request in [item for item in requests if item.message.event.event_id == number]:
            await one.complete_activity(request, activity_result(request.message.target, number))
        if number == 0:
            await receive(one, 4)
    assert await in_queues(storage, hub_name) == []
    two = await open_azure(worker_id="two:1", on=RecordingAccount(storage), take_all_activities=False)
    one._worker._manager._wake.set()
    async with time_limit(40):
        while [len(hub.owned_partitions) for hub in (one, two)] != [2, 2]:
            await pause(0.05)
    assert await storage.queues.message_count(names.work_items) == 4
    moved = {instance_id for instance_id in ids if names.queue_of(instance_id) in two.owned_partitions}
    results = await receive(two, 4)
    assert {(r.message.target.instance_id, r.message.event.task_scheduled_id) for r in results} == {
        (instance_id, number) for instance_id in moved for number in (0, 1)
    }
    for instance_id in moved:
        assert await marks_of(storage, hub_name, instance_id) == {}
        assert (await two.load_history(instance_id)).debt is None
    kept = [item for item in starts.items() if item[0] not in moved]
    assert {one.message.target.instance_id for one in await receive(one, 2)} == {instance_id for instance_id, _ in kept}


async def test_work_goes_into_queues_however_long_storage_refuses_it(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    names = HubNames.of(hub_name, 4)
    account = RecordingAccount(storage)
    hub = await open_azure(on=account)
    await begun(hub, "abc123", 30)
    running = await receive_activity(hub)
    refusals = 0

    def refuse(service: str, method: str, _: object) -> StorageError | None:
        nonlocal refusals
        if (service, method) != ("queue", "put") or refusals == 20:
            return None
        refusals += 1
        return StorageUnavailable(503, "ServerBusy", "The server is busy.")

    account.answer = refuse
    hub._worker.served.set_neighbours(Neighbours.OURS)
    async with time_limit(30):
        while await storage.queues.message_count(names.work_items) < 30:
            await pause(0.05)
    assert refusals == 20
    result = activity_result(running.message.target, running.message.event.event_id)
    await hub.complete_activity(running, result)
    assert [one.message.event.task_scheduled_id for one in await receive(hub, 1)] == [running.message.event.event_id]


async def test_beside_an_official_worker_messages_are_sent_before_the_commit(
    open_azure, account: RecordingAccount, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    names = HubNames.of(hub_name, 4)
    queue = next(queue for queue in names.control_queues if queue != names.queue_of("abc123"))
    row = next(one for one in await hub._worker._partition_table.read() if one.queue == queue)
    official = PartitionRow(queue, row.etag, "OFFICIAL", None, clock.now(), clock.now(), later(600))
    await storage.tables.replace(names.partitions, official.write())
    hub._worker._manager._wake.set()
    async with time_limit():
        while not hub._worker.deliveries.is_official_order:
            await pause(0.02)
    for poller, task in hub._worker.served.pollers.values():
        poller.stop()
        await task
    mark = len(account.requests)
    await begun(hub, "abc123")
    await hub._worker.held.wait_for_deletes()
    done = [one for one in changes(account, mark) if not one.startswith(("table.get", "table.query", "table.replace"))]
    at = done.index("table.transaction")
    assert done[at - 1 :] == ["queue.put", "table.transaction", "table.merge", "queue.delete"]
    assert await marks_of(storage, hub_name, "abc123") == {}


@pytest.fixture
def short_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "QUIET_SECONDS", 0.2)


async def test_a_long_open_wait_is_not_sent_again_after_a_restart(
    short_quiet: None, open_azure, account: RecordingAccount, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    await create(hub, "abc123")
    (received,) = await receive(hub, 1)
    start, due = received.message, later(3600)
    events = first_episode(start, TimerCreated(event_id=0, fire_at=due, timestamp=clock.now()))
    await hub.commit(commit_of(start, events, [received], outbound=[timer(start.target, 0, due)]))
    await is_quiet(storage, hub_name, "abc123", {})
    await kill(hub, account)
    heir = await open_azure(on=RecordingAccount(storage))
    assert (await heir.load_history("abc123")).debt is None
    assert heir._worker.deliveries.owed.empty()
    names = HubNames.of(hub_name, 4)
    assert await storage.queues.message_count(names.queue_of("abc123")) == 1


async def test_a_long_activity_is_all_that_a_quiet_mark_names(
    short_quiet: None, open_azure, account: RecordingAccount, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    await create(hub, "abc123")
    (received,) = await receive(hub, 1)
    start, due, now = received.message, later(3600), clock.now()
    rows = {0: timer(start.target, 0, due), 1: activity(start.target, 1)}
    timed, scheduled = TimerCreated(event_id=0, fire_at=due, timestamp=now), TaskScheduled(event_id=1, timestamp=now)
    checkpoint = await hub.commit(
        commit_of(start, first_episode(start, timed, scheduled), [received], outbound=list(rows.values()))
    )
    await is_quiet(storage, hub_name, "abc123", {"Owed": f"{3:016x}"})
    request = await receive_activity(hub)
    assert request.message == rows[1]
    await kill(hub, account)
    heir = await open_azure(on=RecordingAccount(storage))
    async with time_limit():
        assert await heir.next_owed() == ["abc123"]
    loaded = await heir.load_history("abc123")
    assert loaded.checkpoint is not None
    assert loaded.checkpoint != checkpoint or loaded.debt is not None
    assert owed_by(loaded, rows) == [rows[1]]
    await heir.settle("abc123", loaded.checkpoint, [rows[1]])
    assert (await receive_activity(heir)).message == rows[1]
    assert (await heir.load_history("abc123")).debt is None


async def test_all_that_is_owed_is_named_when_each_name_was_taken(
    open_azure, account: RecordingAccount, storage: StorageAccount
) -> None:
    hub = await open_azure(on=account)
    async with time_limit():
        await hub.owed_listed()
    for instance_id in ("abc123", "def456"):
        await begun(hub, instance_id)
    await kill(hub, account)
    heir = await open_azure(on=RecordingAccount(storage))
    naming = asyncio.ensure_future(heir.owed_listed())
    async with time_limit():
        assert {*await heir.next_owed(), *await heir.next_owed()} == {"abc123", "def456"}
        assert not naming.done()
        again = asyncio.ensure_future(heir.next_owed())
        await naming
    again.cancel()


async def test_a_claimed_partition_is_searched_for_what_its_owner_still_owed(
    open_azure, account: RecordingAccount, storage: StorageAccount, hub_name: str
) -> None:
    names = HubNames.of(hub_name, 4)
    one = await open_azure(worker_id="one:0")
    await begun(one, "abc123")
    await kill(one, account)
    two = await open_azure(worker_id="two:1", on=RecordingAccount(storage))
    assert not two.owned_partitions
    for row in await two._worker._partition_table.read():
        await storage.tables.replace(names.partitions, PartitionRow(row.queue).write())
    two._worker._manager._wake.set()
    async with time_limit():
        assert await two.next_owed() == ["abc123"]
    loaded = await two.load_history("abc123")
    assert loaded.debt is not None
    assert [event.event_id for event in loaded.events if isinstance(event, TaskScheduled)] == [0]
    assert not any(isinstance(event, TaskCompleted) for event in loaded.events)


async def test_a_partition_that_a_crash_left_is_given_away_only_when_nothing_is_owed(
    open_azure, account: RecordingAccount, storage: StorageAccount, hub_name: str
) -> None:
    """The worker that asks for it may be an official one, which does not know of marks."""
    doomed = await open_azure(worker_id="app:0")
    await create(doomed, "abc123")
    (start,) = await receive(doomed, 1)
    account.fail_after(2)
    events = first_episode(start.message)
    committing = asyncio.ensure_future(
        doomed.commit(commit_of(start.message, events, [start], outbound=[raised("other")]))
    )
    async with time_limit():
        await account.refused.wait()
    await kill(doomed, account)
    await asyncio.gather(committing, return_exceptions=True)
    names = HubNames.of(hub_name, 4)
    table = doomed._worker._partition_table

    async def owner() -> str | None:
        row = await storage.tables.get(names.partitions, "", names.queue_of("abc123"))
        assert row is not None
        return row.get("CurrentOwner") or None

    account.fail_after(None)
    (row,) = [one for one in await table.read() if one.queue == names.queue_of("abc123")]
    await table.replace(msgspec.structs.replace(row, next_owner="OFFICIAL"))
    heir = await open_azure(on=RecordingAccount(storage), worker_id="app:0")
    async with time_limit():
        assert await heir.next_owed() == ["abc123"]
    assert await marks_of(storage, hub_name, "abc123") != {}
    loaded = await heir.load_history("abc123")
    assert await owner() == "app:0"
    assert loaded.checkpoint is not None
    assert loaded.debt is not None
    await heir.settle("abc123", loaded.checkpoint, loaded.debt.messages)
    async with time_limit():
        while await owner() is not None:
            await pause(0.05)
    assert await marks_of(storage, hub_name, "abc123") == {}
