"""Outages, refusals and deleted resources: waited out, explained or repaired, each logged once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hub_samples import (
    activity,
    clock,
    commit_of,
    create,
    later,
    new_id,
    raised,
    receive,
    receive_activity,
    time_limit,
)
from hub_samples import first_episode as episode_events
from recording_account import RecordingAccount

from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskFailed,
    TaskScheduled,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import (
    AzureTaskHub,
    app_lease,
    held_messages,
    message_reader,
    outage,
    partition_manager,
)
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.partition_plan import PartitionRow
from durable_host.durable.taskhub.azure.unavailable import as_unavailable
from durable_host.durable.taskhub.port import CommitConflict, TaskHubRefused, TaskHubUnavailable
from durable_host.storage import StorageAccount, StorageError, TransactionFailed
from durable_host.storage.errors import storage_error

LOG = "Host.Triggers.DurableTask"
Answer = Callable[[str, str, tuple[Any, ...]], StorageError | None]


def refusing(service: str, method: str, times: int, status: int = 403, code: str = "AuthorizationFailure") -> Answer:
    """Refuses the next requests of one kind."""
    left = [times]

    def answer(asked: str, how: str, _: tuple[Any, ...]) -> StorageError | None:
        if (asked, how) != (service, method) or not left[0]:
            return None
        left[0] -= 1
        return storage_error(status, code, f"{service} {method}: not now")

    return answer


async def until(holds: Callable[[], Any], seconds: float = 30) -> None:
    async with time_limit(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def told(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR"))


@pytest.mark.parametrize(
    ("status", "code"),
    [(0, "Unavailable"), (500, "InternalError"), (503, "ServerBusy"), (429, "TooManyRequests"), (408, "Http408"),
     (409, "QueueBeingDeleted")],
)  # fmt: skip
def test_an_outage_is_not_a_refusal(status: int, code: str) -> None:
    error = storage_error(status, code, "queue /q: no") if status else storage_error(503, code, "nobody listens")
    assert type(as_unavailable(error, "Storage")) is TaskHubUnavailable


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413])
@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_refusal_names_the_request_and_where_to_look(status: int, in_transaction: bool) -> None:
    error = storage_error(status, "SomeCode", "table /t: The service does not want this.")
    if in_transaction:
        error = TransactionFailed(0, status, "SomeCode", "table /t: The service does not want this.")
    error.request = "PUT http://127.0.0.1/t"
    refused = as_unavailable(error, "MyStorage")
    assert isinstance(refused, TaskHubRefused)
    for part in ("The service does not want this.", f"HTTP {status}", "PUT http://127.0.0.1/t", "'MyStorage'"):
        assert part in str(refused)
    assert refused.is_about_data == (status in (400, 413))


def test_each_kind_of_fault_is_said_once_and_once_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    faults = Outage("TestHub", "Storage")
    busy = storage_error(503, "ServerBusy", "queue /q: The server is busy.")
    denied = storage_error(403, "AuthorizationFailure", "table /t: Not authorized.")
    for source in ("one", "two", "one"):
        faults.failed(source, busy)
    faults.failed("three", denied)
    faults.failed("three", denied)
    assert told(caplog, "waits for its storage") == 1
    assert told(caplog, "refuses a request: table /t: Not authorized.") == 1
    faults.recovered("one")
    assert not told(caplog, "answers again")
    faults.recovered("two")
    assert told(caplog, "answers again") == 1
    faults.recovered("three")
    assert told(caplog, "no longer refuses requests (AuthorizationFailure)") == 1
    assert len(caplog.records) == 4


async def test_storage_that_denies_everything_fails_the_receiver(
    open_azure, account: RecordingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "DENIED_PATIENCE", 0.0)
    hub = await open_azure()
    account.answer = lambda *_: storage_error(403, "AuthenticationFailed", "The key is wrong.")
    with pytest.raises(TaskHubRefused, match="The key is wrong") as caught:
        async with time_limit():
            await hub.next_control_messages()
    assert caught.value.is_final
    assert caught.value.is_about_access
    account.answer = None


async def test_activity_whose_blob_cannot_be_read_for_a_while_runs_later(
    open_azure, account: RecordingAccount, storage: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_reader, "delay_after_error", lambda *_: 0.0)
    hub = await open_azure(take_all_activities=False)
    account.answer = refusing("blob", "get", 3, 500, "InternalError")
    waiting = asyncio.ensure_future(hub.next_activities(1))
    sender = await open_azure(worker=False, on=RecordingAccount(storage))
    await sender.send(activity(OrchestrationInstance("abc123", new_id()), input='["' + "x" * 70_000 + '"]'))
    async with time_limit():
        (request,) = await waiting
    assert len(request.message.event.input) > 70_000
    assert account.answer("blob", "get", ()) is None


@pytest.mark.parametrize("poller", ["control", "work items"])
async def test_message_that_cannot_be_delivered_is_released_and_not_held(
    open_azure, storage: StorageAccount, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, poller: str
) -> None:
    monkeypatch.setattr(held_messages, "abandon_delay", lambda _: 0.0)
    hub = await open_azure(take_all_activities=False)
    real, failures = hub._worker._reception.reader.read, [ZeroDivisionError("bug"), ZeroDivisionError("bug")]

    async def read(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await real(*arguments)

    monkeypatch.setattr(hub._worker._reception.reader, "read", read)
    sender = await open_azure(worker=False, on=RecordingAccount(storage))
    instance = OrchestrationInstance("abc123", new_id())
    await sender.send(activity(instance) if poller == "work items" else raised("abc123"))
    await (receive_activity(hub) if poller == "work items" else receive(hub, 1))
    assert not failures
    assert told(caplog, "could not be processed and is released") == 2


async def test_due_start_that_cannot_be_checked_is_released(
    open_azure, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(held_messages, "abandon_delay", lambda _: 0.0)
    hub = await open_azure()
    real, failures = hub._worker.served._read_row, [ZeroDivisionError("bug")]

    async def read_row(instance_id: str) -> Any:
        if failures:
            raise failures.pop()
        return await real(instance_id)

    for poller, _ in hub._worker.served.pollers.values():
        poller._read_row = read_row
    await create(hub, "abc123", scheduled_start_time=later(0.3))
    await receive(hub, 1)
    assert not failures
    assert told(caplog, "could not be processed") == 1


async def test_partition_whose_queue_cannot_be_opened_in_time_is_polled_later(
    open_azure,
    account: RecordingAccount,
    storage: StorageAccount,
    hub_name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(partition_manager, "_PASS_TIMEOUT", 0.5)
    await open_azure(worker=False, on=RecordingAccount(storage))
    names = HubNames.of(hub_name, 5)
    surplus = names.control_queues[4]
    await storage.tables.insert(names.partitions, PartitionRow(surplus).write())
    create_queue, attempts = account.queues.create, []

    async def slow(queue: str) -> bool:
        if queue == surplus:
            attempts.append(queue)
            if len(attempts) < 3:
                await asyncio.sleep(1)
                raise storage_error(503, "ServerBusy", "The server is busy.")
        return await create_queue(queue)

    account.queues.create = slow
    hub = await open_azure()
    await until(lambda: surplus in hub.owned_partitions)
    await until(lambda: len(attempts) == 3)
    instance_id = next(f"i{n}" for n in range(100) if names.queue_of(f"i{n}") == surplus)
    await until(lambda: told(caplog, "the storage answers again"))
    client = await open_azure(worker=False, on=RecordingAccount(storage), partition_count=5)
    await client.send(raised(instance_id))
    await receive(hub, 1)
    assert told(caplog, "The server is busy.") == 1


def _resources(names: HubNames) -> dict[str, tuple[str, str]]:
    return {
        "history": ("tables", names.history),
        "instances": ("tables", names.instances),
        "partitions": ("tables", names.partitions),
        "work items": ("queues", names.work_items),
        "control queue": ("queues", names.queue_of("abc123")),
    }


async def _delete(storage: StorageAccount, kind: str, name: str) -> None:
    await (storage.tables.delete_table(name) if kind == "tables" else storage.queues.delete_queue(name))


@pytest.mark.parametrize("resource", ["history", "instances", "partitions", "work items", "control queue"])
async def test_a_deleted_resource_is_made_again_with_one_line(
    open_azure, storage: StorageAccount, hub_name: str, caplog: pytest.LogCaptureFixture, resource: str
) -> None:
    hub = await open_azure()
    kind, name = _resources(HubNames.of(hub_name, 4))[resource]
    await _delete(storage, kind, name)
    if resource == "partitions":
        hub._worker._manager._wake.set()
        await until(lambda: told(caplog, f"'{name}' of task hub '{hub_name}' was missing"))
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    events = episode_events(start.message)
    await hub.commit(commit_of(start.message, events, [start], outbound=[activity(start.message.target)]))
    await receive_activity(hub)
    assert (await hub.get_history("abc123")) == events
    state = await hub.get_instance("abc123")
    assert state is not None
    assert state.name == "Hello"
    await hub._worker.held.drain(5)
    assert told(caplog, f"'{name}' of task hub '{hub_name}' was missing and has been recreated") == 1
    assert told(caplog, "was missing") == 1


async def test_the_container_of_large_texts_is_made_again_with_one_line(
    open_azure, storage: StorageAccount, hub_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub = await open_azure()
    large = '"' + "x" * 70_000 + '"'
    await hub.send(raised("abc123", input=large))
    assert not told(caplog, "was missing")
    await storage.blobs.delete_container(HubNames.of(hub_name, 4).large_messages)
    await hub.send(raised("abc123", input=large))
    assert told(caplog, "was missing and has been recreated") == 1


async def test_an_instance_whose_history_was_deleted_fails_with_the_reason(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    checkpoint = await hub.commit(commit_of(start.message, episode_events(start.message), [start]))
    await hub.send(raised("abc123"))
    (event,) = await receive(hub, 1)
    await storage.tables.delete_table(HubNames.of(hub_name, 4).history)
    more = [OrchestratorStarted(), EventRaised(name="Approval"), OrchestratorCompleted()]
    with pytest.raises(CommitConflict):
        await hub.commit(commit_of(start.message, more, [event], checkpoint=checkpoint, first_ordinal=4))
    state = await hub.get_instance("abc123")
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.Failed
    assert "The history of this instance was lost" in (state.output or "")


async def test_an_instance_whose_row_was_deleted_has_a_whole_row_after_its_next_episode(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    checkpoints = {}
    for instance_id in ("one", "two"):
        await create(hub, instance_id)
        (start,) = await receive(hub, 1)
        checkpoint = await hub.commit(commit_of(start.message, episode_events(start.message), [start]))
        checkpoints[instance_id] = (start, checkpoint)
    await storage.tables.delete_table(HubNames.of(hub_name, 4).instances)
    more = [OrchestratorStarted(), EventRaised(name="Approval"), OrchestratorCompleted()]
    for start, checkpoint in checkpoints.values():
        await hub.commit(commit_of(start.message, more, [], checkpoint=checkpoint, first_ordinal=4))
    for instance_id in checkpoints:
        state = await hub.get_instance(instance_id)
        assert state is not None
        assert (state.name, state.input) == ("Hello", '"Tokyo"')


async def test_a_hub_that_was_deleted_here_is_not_made_again(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    await hub.stop()
    await hub.delete()
    with pytest.raises(TaskHubRefused, match="TableNotFound"):
        await hub.get_instance("abc123")
    assert not await storage.tables.table_exists(HubNames.of(hub_name, 4).instances)


@pytest.mark.parametrize(
    ("times", "status", "code"),
    [(6, 500, "InternalError"), (6, 429, "TooManyRequests"), (1, 400, "InvalidInput"), (9, 403, "AuthorizationFailure"),
     (9, 409, "SomeConflict")],
)  # fmt: skip
async def test_a_first_row_that_is_refused_at_first_is_written_with_its_custom_status(
    open_azure, account: RecordingAccount, monkeypatch: pytest.MonkeyPatch, times: int, status: int, code: str
) -> None:
    monkeypatch.setattr("durable_host.durable.taskhub.azure.attempts._SHORTEST_PAUSE", 0.01)
    hub = await open_azure()
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    account.answer = refusing("table", "merge", times, status, code)
    await hub.commit(commit_of(start.message, episode_events(start.message), [start], custom_status='"waiting"'))
    state = await hub.get_instance("abc123")
    assert state is not None
    assert (state.runtime_status, state.custom_status) == (OrchestrationStatus.Running, '"waiting"')


async def test_a_row_that_is_refused_for_good_is_not_tried_forever(
    open_azure, account: RecordingAccount, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The commit holds all the same: its history is there, and its messages follow."""
    monkeypatch.setattr("durable_host.durable.taskhub.azure.attempts._SHORTEST_PAUSE", 0.01)
    hub = await open_azure()
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    account.answer = refusing("table", "merge", 99, 400, "InvalidInput")
    events = episode_events(start.message)
    async with time_limit():
        checkpoint = await hub.commit(commit_of(start.message, events, [start], outbound=[raised("other")]))
    assert sum(one[1] == "merge" for one in account.requests) <= 10
    assert told(caplog, "The row of instance 'abc123' was refused and is unchanged") == 1
    assert (await receive(hub, 1))[0].message.target.instance_id == "other"
    loaded = await hub.load_history("abc123")
    assert (loaded.events, loaded.checkpoint, loaded.debt) == (events, checkpoint, None)


@pytest.mark.parametrize(("ends", "expected"), [(False, ("Running", None, None)), (True, ("Failed", None, "refuses"))])
async def test_a_row_whose_texts_are_refused_is_written_without_them(
    open_azure,
    account: RecordingAccount,
    monkeypatch: pytest.MonkeyPatch,
    ends: bool,
    expected: tuple[str, str | None, str | None],
) -> None:
    """An end whose output is refused becomes a failure that says so."""
    monkeypatch.setattr("durable_host.durable.taskhub.azure.attempts._SHORTEST_PAUSE", 0.01)
    hub = await open_azure()
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)

    def answer(service: str, method: str, arguments: tuple[Any, ...]) -> StorageError | None:
        if (service, method) == ("table", "merge") and "unwanted" in str(arguments):
            return storage_error(400, "InvalidInput", "The value is not accepted.")
        return None

    account.answer = answer
    ending: dict[str, Any] = {}
    if ends:
        ending = {
            "runtime_status": OrchestrationStatus.Completed,
            "output": '"unwanted"',
            "completed_time": clock.now(),
        }
    async with time_limit():
        await hub.commit(
            commit_of(start.message, episode_events(start.message), [start], custom_status='"unwanted"', **ending)
        )
    state = await hub.get_instance("abc123")
    assert state is not None
    status, custom_status, output = expected
    assert (state.runtime_status.name, state.custom_status) == (status, custom_status)
    assert (state.output is None) == (output is None)
    assert (output or "") in (state.output or "")


async def test_a_message_that_is_refused_is_answered_in_its_receivers_place(
    open_azure, account: RecordingAccount, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("durable_host.durable.taskhub.azure.attempts._SHORTEST_PAUSE", 0.01)
    hub = await open_azure(take_all_activities=False)
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    request = activity(start.message.target, input='["unwanted"]')

    def answer(service: str, method: str, arguments: tuple[Any, ...]) -> StorageError | None:
        if (service, method) == ("queue", "put") and "unwanted" in str(arguments):
            return storage_error(400, "InvalidInput", "The text is not accepted.")
        return None

    account.answer = answer
    events = episode_events(start.message, TaskScheduled(event_id=0, name="SayHello", timestamp=clock.now()))
    async with time_limit():
        await hub.commit(commit_of(start.message, events, [start], outbound=[request, raised("other")]))
    received = await receive(hub, 2)
    failed = next(one.message for one in received if one.message.target.instance_id == "abc123")
    assert isinstance(failed.event, TaskFailed)
    assert failed.event.task_scheduled_id == 0
    assert "The text is not accepted." in str(failed.event)
    assert failed.id == identity.answer_to(request.id)
    assert told(caplog, "was refused. Its caller gets an error instead") == 1


@pytest.fixture
def quick_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_RENEW_SECONDS", "_ACQUIRE_SECONDS", "_RETRY_SECONDS"):
        monkeypatch.setattr(app_lease, name, 0.05)


async def _leased(open_azure) -> AzureTaskHub:
    hub = await open_azure(app_name="first")
    await until(lambda: len(hub.owned_partitions) == 4)
    return hub


async def test_a_lease_that_was_broken_is_taken_again_without_another_app_being_blamed(
    quick_lease: None, open_azure, account: RecordingAccount, caplog: pytest.LogCaptureFixture
) -> None:
    hub = await _leased(open_azure)
    account.answer = refusing("blob", "renew_lease", 1, 409, "LeaseIdMismatchWithLeaseOperation")
    await until(lambda: _asked(account, "acquire_lease") > 1)
    assert len(hub.owned_partitions) == 4
    assert not told(caplog, "took over")


async def test_another_app_that_took_over_is_taken_back_when_it_is_gone(
    quick_lease: None, open_azure, account: RecordingAccount, caplog: pytest.LogCaptureFixture
) -> None:
    hub = await _leased(open_azure)
    held_by_other = [True]

    def answer(service: str, method: str, _: tuple[Any, ...]) -> StorageError | None:
        if held_by_other[0] and method in ("renew_lease", "acquire_lease"):
            return storage_error(409, "LeaseAlreadyPresent", "There is already a lease.")
        return None

    account.answer = answer
    await until(lambda: told(caplog, "Another app took over"))
    await until(lambda: not hub.owned_partitions)
    held_by_other[0] = False
    await until(lambda: told(caplog, "is free again; this host serves it now"))
    await until(lambda: len(hub.owned_partitions) == 4)
    assert told(caplog, "Another app took over") == 1
    assert told(caplog, "is free again") == 1


async def test_the_container_of_the_app_lease_is_made_again(
    quick_lease: None, open_azure, account: RecordingAccount, caplog: pytest.LogCaptureFixture
) -> None:
    hub = await _leased(open_azure)
    account.answer = refusing("blob", "renew_lease", 1, 404, "ContainerNotFound")
    await until(lambda: _asked(account, "acquire_lease") > 1)
    assert len(hub.owned_partitions) == 4
    assert not told(caplog, "took over")


def _asked(account: RecordingAccount, method: str) -> int:
    return sum(one[1] == method for one in account.requests)
