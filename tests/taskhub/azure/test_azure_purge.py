"""What retention asks of a storage account, and that it never deletes what it did not judge."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hub_samples import clock, commit_of, complete, create, first_episode, later, pause, receive, time_limit
from recording_account import RecordingAccount

from durable_host.durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    HistoryEvent,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
)
from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import AzureTaskHub, marks
from durable_host.durable.taskhub.azure import hub as azure_hub
from durable_host.durable.taskhub.azure.names import SENTINEL, HubNames, escape_key, row_key
from durable_host.durable.taskhub.port import TaskHubRefused
from durable_host.storage import StorageAccount
from durable_host.storage.errors import storage_error

OpenAzureHub = Callable[..., Awaitable[AzureTaskHub]]
COMPLETED = OrchestrationStatus.Completed
FAILED = OrchestrationStatus.Failed
LARGE = '"' + "x" * 70_000 + '"'


@pytest.fixture(autouse=True)
def _marks_are_cleared_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "QUIET_SECONDS", 0.02)


async def at_once() -> None:
    pass


async def ended(
    hub: AzureTaskHub, instance_id: str, events: int = 0, input: str = '"x"', status: OrchestrationStatus = COMPLETED
) -> None:
    """An instance that has ended, with so many more rows in its history, and that owes nothing any more."""
    await create(hub, instance_id, input=input)
    (received,) = await receive(hub, 1)
    start = received.message
    now = clock.now()
    more: list[HistoryEvent] = [EventRaised(name="E", input="1", timestamp=now) for _ in range(events)]
    end = ExecutionCompleted(event_id=0, orchestration_status=status, result='"done"', timestamp=now)
    await hub.commit(
        commit_of(
            start,
            first_episode(start, *more, end),
            [received],
            runtime_status=status,
            output='"done"',
            completed_time=now,
        )
    )
    async with time_limit():
        while hub._unsettled.get(instance_id) is not None:
            await pause(0.01)


async def run_again(hub: AzureTaskHub, instance_id: str) -> None:
    """Start the instance again, and let it end with another output."""
    await create(hub, instance_id)
    (received,) = await receive(hub, 1)
    start, now, status = received.message, clock.now(), OrchestrationStatus.Completed
    end = ExecutionCompleted(event_id=0, orchestration_status=status, result='"again"', timestamp=now)
    episode = commit_of(
        start,
        first_episode(start, end),
        [received],
        checkpoint=(await hub.load_history(instance_id)).checkpoint,
        runtime_status=status,
        output='"again"',
        completed_time=now,
    )
    await hub.commit(episode)


async def rows(storage: StorageAccount, hub: AzureTaskHub, instance_id: str) -> list[str]:
    found = storage.tables.query_all(
        HubNames.of(hub.name, 4).history, f"PartitionKey eq '{escape_key(instance_id)}'", ("RowKey",)
    )
    return [row["RowKey"] async for row in found]


async def test_all_pages_of_a_round_are_one_pass(
    open_azure: OpenAzureHub, storage: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure_hub, "_PAGE", 2)
    hub, account = await open_azure(), RecordingAccount(storage)
    retention = await open_azure(worker=False, on=account)
    for name in "abcdefg":
        await ended(hub, name)
    account.requests.clear()
    pages: list[list[str]] = []
    async for page in retention.ended_pages(later(60)):
        pages.append(page)
        for instance_id in page:
            assert await retention.purge_ended(instance_id, later(60), at_once)
    assert [one for page in pages for one in page] == list("abcdefg")
    assert [method for _, method, _ in account.requests].count("query") == 4


async def test_instances_that_are_not_due_are_not_even_read(
    open_azure: OpenAzureHub, storage: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure_hub, "_PAGE", 2)
    hub, account = await open_azure(), RecordingAccount(storage)
    retention = await open_azure(worker=False, on=account)
    before = clock.now()
    for name in "abcde":
        await complete(hub, name)
    account.requests.clear()
    assert [page async for page in retention.ended_pages(before) if page] == []
    assert [method for _, method, _ in account.requests] == ["query"]


async def test_a_purge_takes_five_requests(open_azure: OpenAzureHub, storage: StorageAccount) -> None:
    hub, account = await open_azure(), RecordingAccount(storage)
    retention = await open_azure(worker=False, on=account)
    await ended(hub, "a", events=10)
    account.requests.clear()
    assert await retention.purge_ended("a", later(60), at_once)
    assert Counter(f"{service}.{method}" for service, method, _ in account.requests) == {
        "blob.list": 1,
        "table.get": 1,
        "table.query_all": 1,
        "table.transaction": 1,
        "table.delete": 1,
    }


async def test_a_long_history_goes_in_small_transactions_with_pauses_and_is_not_seen_in_parts(
    open_azure: OpenAzureHub, storage: StorageAccount
) -> None:
    hub, account = await open_azure(), RecordingAccount(storage)
    await ended(hub, "a", events=130, input=LARGE)
    seen: list[int] = []

    async def look() -> None:
        seen.append(len(await hub.get_history("a")))

    account.requests.clear()
    retention = await open_azure(worker=False, on=account)
    assert await retention.purge_ended("a", later(60), look)
    sizes = [len(arguments[1]) for _, method, arguments in account.requests if method == "transaction"]
    assert (sum(sizes), max(sizes)) == (135, 50)
    assert seen == [0] * len(sizes)
    assert await rows(storage, hub, "a") == []
    assert await hub.get_instance("a") is None
    assert await hub._purger._blobs("a") == []


async def test_an_interrupted_purge_is_finished_by_the_next_one(
    open_azure: OpenAzureHub, storage: StorageAccount
) -> None:
    hub = await open_azure()
    await ended(hub, "a", events=130, input=LARGE)

    async def stop() -> None:
        raise asyncio.CancelledError

    for _ in range(2):
        with pytest.raises(asyncio.CancelledError):
            await hub.purge_ended("a", later(60), stop)
        assert await hub.get_history("a") == []
        assert await hub.get_instance("a") is not None
    assert [page async for page in hub.ended_pages(later(60))] == [["a"]]
    assert await hub.purge_ended("a", later(60), at_once)
    assert await rows(storage, hub, "a") == []
    assert await hub.get_instance("a") is None
    assert await hub._purger._blobs("a") == []


@pytest.mark.parametrize("events", [5, 130])
async def test_an_instance_that_is_restarted_during_its_purge_is_kept(
    open_azure: OpenAzureHub, monkeypatch: pytest.MonkeyPatch, events: int
) -> None:
    hub = await open_azure()
    await ended(hub, "a", events=events)
    read = hub._purger._rows

    async def restarted_then(*arguments: Any) -> Any:
        found = await read(*arguments)
        await run_again(hub, "a")
        return found

    monkeypatch.setattr(hub._purger, "_rows", restarted_then)
    assert not await hub.purge_ended("a", later(60), at_once)
    state = await hub.get_instance("a")
    assert state is not None
    assert state.output == '"again"'
    assert [event.event_name for event in await hub.get_history("a")] == [
        "OrchestratorStarted", "ExecutionStarted", "ExecutionCompleted", "OrchestratorCompleted",
    ]  # fmt: skip


async def test_an_instance_that_is_started_again_between_two_steps_is_kept(open_azure: OpenAzureHub) -> None:
    hub = await open_azure()
    await ended(hub, "a", events=130)
    started: list[str] = []

    async def start_again() -> None:
        if not started:
            started.append("a")
            await run_again(hub, "a")

    assert not await hub.purge_ended("a", later(60), start_again)
    state = await hub.get_instance("a")
    assert state is not None
    assert state.output == '"again"'
    assert len(await hub.get_history("a")) == 4


async def test_the_blobs_of_a_start_whose_row_is_not_written_yet_are_kept(open_azure: OpenAzureHub) -> None:
    hub = await open_azure()
    await ended(hub, "a")
    (state,) = (await hub.query_instances(InstanceQuery())).instances
    await hub._purger._payloads.put("a/message-of-a-new-start.json.gz", LARGE)
    assert not await hub.purge_ended("a", state.ended_time + 1, at_once)
    assert await hub._purger._blobs("a") == ["a/message-of-a-new-start.json.gz"]
    assert len(await hub.get_history("a")) == 4
    assert await hub.purge_ended("a", later(60), at_once)
    assert await hub._purger._blobs("a") == []


async def test_an_instance_cannot_be_rewound_between_two_steps_of_its_purge(open_azure: OpenAzureHub) -> None:
    hub = await open_azure()
    await ended(hub, "a", events=130, status=FAILED)
    refused: list[str] = []

    async def rewind() -> None:
        with pytest.raises(TaskHubRefused, match="'a' cannot be rewound") as caught:
            await hub.rewind("a", None)
        refused.append(str(caught.value))

    assert await hub.purge_ended("a", later(60), rewind)
    assert refused
    assert await hub.get_instance("a") is None


async def test_a_child_whose_purge_has_begun_is_called_again_by_a_rewound_parent(open_azure: OpenAzureHub) -> None:
    hub = await open_azure()
    await ended(hub, "child", events=130, status=FAILED)
    await create(hub, "parent")
    (received,) = await receive(hub, 1)
    now = clock.now()
    events: list[HistoryEvent] = [
        SubOrchestrationInstanceCreated(event_id=0, name="Child", instance_id="child", timestamp=now),
        SubOrchestrationInstanceFailed(task_scheduled_id=0, reason="broken", timestamp=now),
        ExecutionCompleted(event_id=1, orchestration_status=FAILED, result="broken", timestamp=now),
    ]
    episode = first_episode(received.message, *events)
    await hub.commit(commit_of(received.message, episode, [received], runtime_status=FAILED, completed_time=now))

    async def stop() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await hub.purge_ended("child", later(60), stop)
    await hub.rewind("parent", None)
    assert not [one for one in await hub.get_history("parent") if isinstance(one, SubOrchestrationInstanceCreated)]
    states = {one.instance_id: one.runtime_status for one in (await hub.query_instances(InstanceQuery())).instances}
    assert states == {"child": FAILED, "parent": OrchestrationStatus.Pending}


async def test_a_history_that_has_lost_its_first_row_is_not_loaded_as_a_new_one(
    open_azure: OpenAzureHub, storage: StorageAccount
) -> None:
    hub = await open_azure()
    await ended(hub, "a")
    await storage.tables.delete(HubNames.of(hub.name, 4).history, "a", row_key(0))
    assert [event.event_name for event in await hub.get_history("a")] == [
        "ExecutionStarted", "ExecutionCompleted", "OrchestratorCompleted",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "columns",
    [
        {"Owed": "0000000000000000"},
        {"OwedMessages": "[]"},
        {"Unfinished": "a/unfinished-1.json.gz#4", "IsCheckpointComplete": False},
    ],
    ids=["rows", "messages", "unfinished"],
)
async def test_what_another_host_owes_keeps_an_instance_from_retention_but_not_from_a_user(
    open_azure: OpenAzureHub, storage: StorageAccount, columns: dict[str, Any]
) -> None:
    hub = await open_azure()
    await ended(hub, "a")
    retention = await open_azure(worker=False)
    sentinel = {"PartitionKey": "a", "RowKey": SENTINEL}
    await storage.tables.merge(HubNames.of(hub.name, 4).history, sentinel | columns)
    assert not await retention.purge_ended("a", later(60), at_once)
    assert len(await rows(storage, hub, "a")) == 5
    assert await retention.purge_instance("a")
    assert await rows(storage, hub, "a") == []


async def test_what_this_host_still_owes_is_kept_too(open_azure: OpenAzureHub, account: RecordingAccount) -> None:
    hub = await open_azure()
    account.answer = lambda service, method, arguments: (
        storage_error(403, "AuthorizationFailure", "no") if (service, method) == ("table", "merge") else None
    )
    await create(hub, "a")
    (received,) = await receive(hub, 1)
    start, now = received.message, clock.now()
    end = ExecutionCompleted(event_id=0, orchestration_status=OrchestrationStatus.Completed, result="1", timestamp=now)
    episode = commit_of(
        start, first_episode(start, end), [received],
        runtime_status=OrchestrationStatus.Completed, completed_time=now,
    )  # fmt: skip
    committing = asyncio.ensure_future(hub.commit(episode))
    async with time_limit():
        while not await hub.get_history("a"):
            await pause(0.01)
    assert not await hub.purge_ended("a", later(60), at_once)
    account.answer = None
    await committing
    async with time_limit():
        while not await hub.purge_ended("a", later(60), at_once):
            await pause(0.01)
    assert await hub.get_instance("a") is None
