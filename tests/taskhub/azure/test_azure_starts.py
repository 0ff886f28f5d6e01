"""Starts: the row first, the message second; doubtful, missing and repeated starts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hub_samples import (
    NON_RUNNING,
    complete,
    create,
    first_episode,
    later,
    nothing_more,
    raised,
    receive,
    start_message,
    time_limit,
)
from hub_samples import commit_of as commit
from recording_account import RecordingAccount
from test_azure_faults import refusing, until

from durable_host.durable.model import events as e
from durable_host.durable.model import identity
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure import AzureTaskHub, pending_starts
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.port import InstanceExists, TaskHubRefused, TaskHubUnavailable
from durable_host.storage import StorageAccount, StorageUnavailable

LARGE = '"' + "x" * 60_000 + '"'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durable_host.durable.taskhub.azure.instance_creation._PUT_PAUSES", (0.01, 0.01))
    monkeypatch.setattr(pending_starts, "GRACE", 0.2)


def start_of(instance_id: str, **more: Any) -> TaskMessage:
    """As a client makes it: the identity follows from the execution."""
    start = start_message(instance_id, **more)
    return msgspec.structs.replace(start, id=identity.of_start(start.target))


def unanswered(account: RecordingAccount, service: str, method: str, times: int = 1, status: int = 500) -> None:
    """The next requests of one kind take effect, but their answers are errors."""
    recorder = getattr(account, f"{service}s")
    real, left = getattr(recorder, method), [times]

    async def effect_without_answer(*args: Any, **kwargs: Any) -> Any:
        answer = await real(*args, **kwargs)
        if left[0]:
            left[0] -= 1
            raise StorageUnavailable(status, "InternalError", "the answer is lost", after_retry=True)
        return answer

    setattr(recorder, method, effect_without_answer)


async def unstarted(hub: AzureTaskHub, start: TaskMessage) -> None:
    """Leave the row of a start without its message, as a process does that ends between the two."""
    event = start.event
    assert isinstance(event, e.ExecutionStarted)
    prepared = await hub._sender.prepare(start)
    await hub._instances.create(start.target.instance_id, event, prepared.blob, None)


async def restore(hub: AzureTaskHub, instance_id: str) -> None:
    state = await hub.get_instance(instance_id, fetch_input=False, fetch_output=False)
    assert state is not None
    await hub.restore_start(state)


# Creation


async def test_an_instance_whose_start_arrived_before_its_response_does_not_count_as_new(
    open_azure, account: RecordingAccount
) -> None:
    put, may_answer = account.queues.put, asyncio.Event()

    async def put_and_wait(*args: Any, **kwargs: Any) -> Any:
        answer = await put(*args, **kwargs)
        await may_answer.wait()
        return answer

    hub = await open_azure()
    account.queues.put = put_and_wait
    creating = asyncio.ensure_future(create(hub, "abc123"))
    (start,) = await receive(hub, 1)
    assert (await hub.load_history("abc123")).events == []
    await hub.commit(commit(start.message, first_episode(start.message), [start]))
    may_answer.set()
    await creating
    assert (await hub.load_history("abc123")).events != []


@pytest.mark.parametrize(
    ("input", "requests"),
    [('"small"', ["table.insert", "queue.put"]), (LARGE, ["blob.put", "table.insert", "queue.put"])],
    ids=["small", "large"],
)
async def test_a_new_instance_costs_its_row_and_then_its_message(
    open_azure, account: RecordingAccount, input: str, requests: list[str]
) -> None:
    hub = await open_azure(worker=False)
    await create(hub, "first", input=LARGE)
    mark = len(account.requests)
    await create(hub, "abc123", input=input)
    assert account.since(mark) == requests


async def test_an_ended_instance_is_read_and_replaced_under_its_etag(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    await complete(hub, "abc123")
    mark = len(account.requests)
    await create(hub, "abc123")
    made = [one for one in account.since(mark) if one != "queue.delete"]
    assert made == ["table.insert", "table.get", "table.replace", "queue.put"]


async def test_the_blob_of_a_start_that_is_refused_is_deleted(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure(worker=False)
    await create(hub, "abc123", input=LARGE)
    with pytest.raises(InstanceExists):
        await create(hub, "abc123", input=LARGE)
    container = HubNames.of(hub_name, 4).large_messages
    assert len([blob async for blob in storage.blobs.list(container)]) == 1


@pytest.mark.parametrize("status", [0, 429, 500, 503])
@pytest.mark.parametrize("is_replaced", [False, True], ids=["insert", "replace"])
async def test_a_row_in_doubt_is_read_and_the_start_continues(
    open_azure, account: RecordingAccount, is_replaced: bool, status: int
) -> None:
    hub = await open_azure()
    if is_replaced:
        await complete(hub, "abc123")
    unanswered(account, "table", "replace" if is_replaced else "insert", status=status)
    state = await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    assert start.message.target.execution_id == state.execution_id
    assert (state.generation, start.message.event.generation) == (is_replaced, is_replaced)


async def test_a_row_that_was_not_written_is_an_outage(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure(worker=False)
    account.answer = refusing("table", "insert", 1, 503, "ServerBusy")
    with pytest.raises(TaskHubUnavailable):
        await create(hub, "abc123")
    assert await hub.get_instance("abc123") is None
    assert "queue.put" not in account.since(0)


async def test_a_message_is_put_again_in_place(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    account.answer = refusing("queue", "put", 2, 503, "ServerBusy")
    await create(hub, "abc123")
    await receive(hub, 1)


async def test_a_message_that_is_refused_is_not_put_again(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    account.answer = refusing("queue", "put", 9)
    with pytest.raises(TaskHubRefused):
        await create(hub, "abc123")
    account.answer = None
    assert (await hub.get_instance("abc123")) is not None


async def test_copies_of_a_start_have_one_identity_and_one_execution(
    open_azure, account: RecordingAccount, storage: StorageAccount, hub_name: str
) -> None:
    client = await open_azure(worker=False)
    unanswered(account, "queue", "put", 2)
    await client.create_instance(start_of("abc123"), dedupe_statuses=NON_RUNNING)
    hub = await open_azure(on=RecordingAccount(storage))
    copies = await receive(hub, 3)
    assert len({(one.message.id, one.message.target.execution_id) for one in copies}) == 1


# The second try


Fault = Callable[[RecordingAccount], None]


def _put_fails(account: RecordingAccount) -> None:
    account.answer = refusing("queue", "put", 3, 503, "ServerBusy")


def _put_is_in_doubt(account: RecordingAccount) -> None:
    unanswered(account, "queue", "put", 3)


def _row_is_in_doubt(account: RecordingAccount) -> None:
    unanswered(account, "table", "insert")
    account.answer = refusing("table", "get", 1, 503, "ServerBusy")


FAULTS = {"put fails": _put_fails, "put in doubt": _put_is_in_doubt, "row in doubt": _row_is_in_doubt}


@pytest.mark.parametrize("has_worker", [True, False], ids=["same process", "client only"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_the_second_try_of_a_start_that_failed_succeeds_and_begins(
    open_azure, account: RecordingAccount, storage: StorageAccount, fault: Fault, has_worker: bool
) -> None:
    hub = await open_azure(worker=has_worker)
    worker = hub if has_worker else await open_azure(on=RecordingAccount(storage))
    first = start_of("abc123", tags={"a": "b"})
    fault(account)
    with pytest.raises(TaskHubUnavailable):
        await hub.create_instance(first, dedupe_statuses=NON_RUNNING)
    account.answer = None
    state = await hub.create_instance(start_of("abc123", tags={"a": "b"}), dedupe_statuses=NON_RUNNING)
    assert state.execution_id == first.target.execution_id
    async with time_limit():
        started = (await worker.next_control_messages())[0]
    assert (started.message.target, started.message.id) == (first.target, first.id)
    assert started.message.event.input == '"Tokyo"'


async def test_the_second_try_of_a_start_that_took_effect_succeeds(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    unanswered(account, "queue", "put", 3)
    first = start_of("abc123")
    with pytest.raises(TaskHubUnavailable):
        await hub.create_instance(first, dedupe_statuses=NON_RUNNING)
    async with time_limit():
        started = (await hub.next_control_messages())[0]
    await hub.commit(commit(first, first_episode(started.message), [started]))
    again = await hub.create_instance(start_of("abc123"), dedupe_statuses=NON_RUNNING)
    assert again.execution_id == first.target.execution_id
    with pytest.raises(InstanceExists):
        await hub.create_instance(start_of("abc123"), dedupe_statuses=NON_RUNNING)


async def test_another_start_takes_over_the_row_of_one_that_failed(
    open_azure, account: RecordingAccount, storage: StorageAccount
) -> None:
    hub = await open_azure(worker=False)
    _put_is_in_doubt(account)
    with pytest.raises(TaskHubUnavailable):
        await hub.create_instance(start_of("abc123"), dedupe_statuses=NON_RUNNING)
    other = start_of("abc123", input='"Kyoto"')
    state = await hub.create_instance(other, dedupe_statuses=NON_RUNNING)
    assert (state.execution_id, state.input, state.generation) == (other.target.execution_id, '"Kyoto"', 0)
    worker = await open_azure(on=RecordingAccount(storage))
    (started,) = await receive(worker, 1)
    assert started.message.target == other.target


async def test_a_try_that_cannot_read_the_row_does_not_forget_the_first(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure(worker=False)
    first = start_of("abc123")
    _put_fails(account)
    with pytest.raises(TaskHubUnavailable):
        await hub.create_instance(first, dedupe_statuses=NON_RUNNING)
    account.answer = refusing("table", "get", 1, 503, "ServerBusy")
    with pytest.raises(TaskHubUnavailable):
        await hub.create_instance(start_of("abc123"), dedupe_statuses=NON_RUNNING)
    state = await hub.create_instance(start_of("abc123"), dedupe_statuses=NON_RUNNING)
    assert state.execution_id == first.target.execution_id


async def test_an_unfinished_start_of_another_process_is_refused(
    open_azure, account: RecordingAccount, storage: StorageAccount
) -> None:
    hub = await open_azure(worker=False)
    _put_fails(account)
    with pytest.raises(TaskHubUnavailable):
        await hub.create_instance(start_of("abc123"), dedupe_statuses=NON_RUNNING)
    other = await open_azure(worker=False, on=RecordingAccount(storage))
    with pytest.raises(InstanceExists):
        await other.create_instance(start_of("abc123"), dedupe_statuses=NON_RUNNING)


async def test_an_instance_that_has_ended_since_its_unfinished_start_runs_again(
    open_azure, account: RecordingAccount
) -> None:
    hub = await open_azure()
    unanswered(account, "queue", "put", 3)
    first = start_of("abc123")
    with pytest.raises(TaskHubUnavailable):
        await hub.create_instance(first, dedupe_statuses=NON_RUNNING)
    await hub._instances.merge("abc123", {"RuntimeStatus": "Completed"})
    again = start_of("abc123")
    state = await hub.create_instance(again, dedupe_statuses=NON_RUNNING)
    assert (state.execution_id, state.generation) == (again.target.execution_id, 1)


@pytest.mark.parametrize("fault", [_put_fails, _row_is_in_doubt], ids=["put fails", "row in doubt"])
async def test_a_start_that_failed_here_begins_by_itself(open_azure, account: RecordingAccount, fault: Fault) -> None:
    hub = await open_azure()
    first = start_of("abc123")
    fault(account)
    with pytest.raises(TaskHubUnavailable):
        await hub.create_instance(first, dedupe_statuses=NON_RUNNING)
    account.answer = None
    (started,) = await receive(hub, 1)
    assert (started.message.target, started.message.id) == (first.target, first.id)


async def test_a_start_that_is_cancelled_after_its_row_begins_by_itself(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    put, asked = account.queues.put, asyncio.Event()

    async def silent_once(*args: Any, **kwargs: Any) -> Any:
        if not asked.is_set():
            asked.set()
            await asyncio.Event().wait()
        return await put(*args, **kwargs)

    account.queues.put = silent_once
    creating = asyncio.ensure_future(create(hub, "abc123"))
    async with time_limit():
        await asked.wait()
    creating.cancel()
    await asyncio.gather(creating, return_exceptions=True)
    (started,) = await receive(hub, 1)
    assert started.message.target.instance_id == "abc123"


# Pending rows without a message


@pytest.mark.parametrize("input", [None, "1", LARGE], ids=["none", "small", "large"])
async def test_a_pending_row_without_a_message_is_started(open_azure, input: str | None) -> None:
    hub = await open_azure()
    start = start_of("abc123", input=input, tags={"key": "ä" * 10}, generation=3)
    await unstarted(hub, start)
    await restore(hub, "abc123")
    (found,) = await receive(hub, 1)
    assert found.message == start
    await hub.commit(commit(start, first_episode(found.message), [found]))
    await nothing_more(hub, "abc123")


async def test_a_scheduled_start_without_a_message_waits_for_its_time(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    due = later(1.0)
    await unstarted(hub, start_of("abc123", scheduled_start_time=due))
    await restore(hub, "abc123")
    (found,) = await receive(hub, 1)
    assert found.received_time >= due
    assert found.message.event.scheduled_start_time == due


async def test_a_start_whose_message_comes_by_itself_is_not_sent_again(
    open_azure, account: RecordingAccount, storage: StorageAccount
) -> None:
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    await create(client, "abc123")
    hub = await open_azure()
    mark = len(account.requests)
    await restore(hub, "abc123")
    await receive(hub, 1)
    await until(lambda: not hub._pending_starts._waiting)
    assert "queue.put" not in account.since(mark)


async def test_of_several_pending_rows_those_without_a_message_are_started(
    open_azure, storage: StorageAccount, caplog: pytest.LogCaptureFixture
) -> None:
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    names = [f"pending{number}" for number in range(8)]
    for name in names[::2]:
        await create(client, name)
    hub = await open_azure()
    for name in names[1::2]:
        await unstarted(hub, start_of(name))
    for name in names:
        await restore(hub, name)
    received = await receive(hub, len(names))
    assert sorted(one.message.target.instance_id for one in received) == names
    await until(lambda: not hub._pending_starts._waiting)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


Change = Callable[[AzureTaskHub, TaskMessage], Awaitable[Any]]


async def _terminated(hub: AzureTaskHub, _: TaskMessage) -> None:
    await hub._instances.merge("abc123", {"RuntimeStatus": "Terminated"})


async def _purged(hub: AzureTaskHub, _: TaskMessage) -> None:
    await hub.purge_instance("abc123")


async def _begun(hub: AzureTaskHub, start: TaskMessage) -> None:
    await hub.commit(commit(start, first_episode(start)))


async def _begun_without_row(hub: AzureTaskHub, start: TaskMessage) -> None:
    await hub.commit(msgspec.structs.replace(commit(start, first_episode(start)), update=None))


async def _continued_as_new_without_row(hub: AzureTaskHub, start: TaskMessage) -> None:
    successor = start_message("abc123")
    await hub.commit(msgspec.structs.replace(commit(successor, first_episode(successor)), update=None))


CHANGES = {
    "terminated": _terminated,
    "purged": _purged,
    "begun": _begun,
    "begun, its row not written": _begun_without_row,
    "continued as new, its row not written": _continued_as_new_without_row,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_row_that_needs_no_start_any_more_gets_none(
    open_azure, account: RecordingAccount, change: Change
) -> None:
    hub = await open_azure()
    start = start_of("abc123")
    await unstarted(hub, start)
    found = await hub.get_instance("abc123")
    await change(hub, start)
    mark = len(account.requests)
    await hub.restore_start(found)
    await until(lambda: not hub._pending_starts._waiting)
    assert "queue.put" not in account.since(mark)


async def test_a_replaced_execution_gets_no_start_and_its_successor_does(open_azure) -> None:
    hub = await open_azure()
    await complete(hub, "abc123")
    await create(hub, "abc123")
    (started,) = await receive(hub, 1)
    found = await hub.get_instance("abc123")
    await hub.discard([started])
    second = start_of("abc123", generation=2)
    row = await hub._instances.get_row("abc123")
    await hub._instances.create("abc123", second.event, None, row.etag)
    await hub.restore_start(found)
    await until(lambda: not hub._pending_starts._waiting)
    await restore(hub, "abc123")
    (again,) = await receive(hub, 1)
    assert again.message == second


async def test_a_start_of_another_partition_is_left_to_its_owner(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    await unstarted(hub, start_of("abc123"))
    queue = hub._worker._reception.names.queue_of("abc123")
    await hub._worker.served.close(queue)
    mark = len(account.requests)
    await restore(hub, "abc123")
    assert not hub._pending_starts._waiting
    assert "queue.put" not in account.since(mark)
    hub._worker.served.open(queue)
    (found,) = await receive(hub, 1)
    assert found.message.target.instance_id == "abc123"


async def test_an_outage_puts_the_search_off(open_azure, account: RecordingAccount, monkeypatch) -> None:
    monkeypatch.setattr(pending_starts, "_RETRY_SECONDS", 0.05)
    hub = await open_azure()
    await unstarted(hub, start_of("abc123"))
    found = await hub.get_instance("abc123")
    refuse = refusing("table", "get", 3, 503, "ServerBusy")
    account.answer = refuse
    await hub.restore_start(found)
    await receive(hub, 1)


async def test_a_start_whose_input_is_lost_is_not_started_without_it(
    open_azure, storage: StorageAccount, hub_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub = await open_azure()
    await unstarted(hub, start_of("abc123", input=LARGE))
    container = HubNames.of(hub_name, 4).large_messages
    for blob in [blob.name async for blob in storage.blobs.list(container)]:
        await storage.blobs.delete(container, blob)
    await restore(hub, "abc123")
    await until(lambda: not hub._pending_starts._waiting)
    assert "'abc123' has no start message and cannot be started" in caplog.text
    await nothing_more(hub, "abc123")


async def test_an_event_to_an_instance_without_a_message_arrives_with_its_start(open_azure) -> None:
    hub = await open_azure()
    await unstarted(hub, start_of("abc123"))
    await hub.send(raised("abc123"))
    (event,) = await receive(hub, 1)
    await hub.abandon([event], delay=60.0)
    await restore(hub, "abc123")
    (started,) = await receive(hub, 1)
    assert isinstance(started.message.event, e.ExecutionStarted)


# Processes that go, and those that stay


async def test_a_pending_row_of_a_client_that_is_gone_is_found_by_a_host_that_was_there_before(
    open_azure, storage: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_starts, "_LIST_SECONDS", 0.3)
    monkeypatch.setattr(pending_starts, "_YOUNG_SECONDS", 0.0)
    hub = await open_azure()
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    start = start_of("abc123")
    await unstarted(client, start)
    (started,) = await receive(hub, 1)
    assert (started.message.target, started.message.id) == (start.target, start.id)


async def test_a_pending_row_of_a_client_that_is_gone_is_found_when_the_instance_is_started_again(
    open_azure, storage: StorageAccount
) -> None:
    hub = await open_azure()
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    start = start_of("abc123")
    await unstarted(client, start)
    with pytest.raises(InstanceExists):
        await hub.create_instance(start_of("abc123"), dedupe_statuses=NON_RUNNING)
    (started,) = await receive(hub, 1)
    assert (started.message.target, started.message.id) == (start.target, start.id)


@pytest.mark.parametrize("method", [("table", "insert"), ("queue", "put")], ids=["row", "message"])
async def test_a_start_whose_answer_does_not_come_is_finished_when_the_process_ends(
    open_azure, account: RecordingAccount, storage: StorageAccount, method: tuple[str, str]
) -> None:
    client = await open_azure(worker=False)
    recorder = getattr(account, f"{method[0]}s")
    real, asked = getattr(recorder, method[1]), asyncio.Event()

    async def silent_once(*args: Any, **kwargs: Any) -> Any:
        is_first = not asked.is_set()
        answer = await real(*args, **kwargs) if not is_first or method[0] == "table" else None
        asked.set()
        if is_first:
            await asyncio.Event().wait()
        return answer

    setattr(recorder, method[1], silent_once)
    start = start_of("abc123")
    creating = asyncio.ensure_future(client.create_instance(start, dedupe_statuses=NON_RUNNING))
    async with time_limit():
        await asked.wait()
    await client.stop()
    await client.close()
    worker = await open_azure(on=RecordingAccount(storage))
    (started,) = await receive(worker, 1)
    assert (started.message.target, started.message.id) == (start.target, start.id)
    creating.cancel()
    await asyncio.gather(creating, return_exceptions=True)


async def test_a_start_is_remembered_only_until_it_is_committed(
    open_azure: Callable[..., Awaitable[AzureTaskHub]],
) -> None:
    hub = await open_azure()
    state = await create(hub, "a")
    (received,) = await receive(hub, 1)
    starts = hub._worker.deliveries.starts
    assert starts.knows("a", state.execution_id)
    await hub.commit(commit(received.message, first_episode(received.message), [received]))
    assert not starts.knows("a", state.execution_id)


async def test_a_committed_start_is_no_longer_expected(
    open_azure: Callable[..., Awaitable[AzureTaskHub]],
) -> None:
    hub = await open_azure(worker=False)
    start, later_start = start_of("a"), start_of("b")
    for one in (start, later_start):
        hub._pending_starts.expect(one)
    hub._pending_starts.committed("a", start.target.execution_id)
    hub._pending_starts.committed("b", start.target.execution_id)
    assert list(hub._pending_starts._waiting) == ["b"]
    hub._pending_starts.committed("b", later_start.target.execution_id)


async def test_a_start_that_is_committed_while_its_row_is_read_is_not_sent_again(
    open_azure: Callable[..., Awaitable[AzureTaskHub]], account: RecordingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = await open_azure(worker=False)
    start = start_of("a")
    await unstarted(hub, start)
    get_whole = hub._instances.get_whole

    async def read_before_the_commit(instance_id: str) -> Any:
        state = await get_whole(instance_id)
        hub._pending_starts.committed(instance_id, start.target.execution_id)
        return state

    monkeypatch.setattr(hub._instances, "get_whole", read_before_the_commit)
    mark = len(account.requests)
    hub._pending_starts.expect(start)
    await hub._pending_starts.finish()
    assert "queue.put" not in account.since(mark)
