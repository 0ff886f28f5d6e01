"""Rows of instances: a writer does not overwrite a row that has changed in the meantime."""

import asyncio
from typing import Any

import pytest
from hub_samples import clock, commit_of, first_episode, pause, receive, run_first_episode, start_message, time_limit
from recording_account import RecordingAccount
from test_azure_faults import refusing

from durable_host.durable.model import events as e
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import AzureTaskHub
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.port import EpisodeCommit
from durable_host.storage import PreconditionFailed, StorageAccount, StorageUnavailable


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durable_host.durable.taskhub.azure.attempts._SHORTEST_PAUSE", 0.01)


def an_end(
    start: TaskMessage, checkpoint: Any, status: OrchestrationStatus = OrchestrationStatus.Completed
) -> EpisodeCommit:
    ending = e.ExecutionCompleted(event_id=0, orchestration_status=status, result='"done"', timestamp=clock.now())
    return commit_of(
        start,
        [e.OrchestratorStarted(timestamp=2), ending, e.OrchestratorCompleted(timestamp=2)],
        checkpoint=checkpoint,
        first_ordinal=len(first_episode(start)),
        runtime_status=status,
        output='"done"',
        completed_time=clock.now(),
    )


def more(start: TaskMessage, checkpoint: Any) -> EpisodeCommit:
    events = [e.OrchestratorStarted(timestamp=2), e.OrchestratorCompleted(timestamp=2)]
    ordinal = len(first_episode(start))
    return commit_of(
        start, events, checkpoint=checkpoint, first_ordinal=ordinal, runtime_status=OrchestrationStatus.Running
    )


async def status_of(hub: AzureTaskHub, instance_id: str = "abc123") -> str | None:
    state = await hub.get_instance(instance_id)
    return state.runtime_status.name if state is not None else None


async def test_a_row_that_storage_writes_late_does_not_replace_a_newer_one(
    open_azure, account: RecordingAccount, storage: StorageAccount
) -> None:
    """As when a connection breaks, the write is repeated, and the first attempt arrives after all."""
    hub = await open_azure()
    start, checkpoint = await run_first_episode(hub, "abc123")
    late = [one[2] for one in account.requests if one[:2] == ("table", "merge")]
    await hub.commit(an_end(start, checkpoint))
    for arguments in late:
        with pytest.raises(PreconditionFailed):
            await storage.tables.merge(*arguments)
    assert await status_of(hub) == "Completed"


async def test_a_former_owner_does_not_write_over_the_row_of_the_next(
    open_azure, account: RecordingAccount, storage: StorageAccount
) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()
    go_on.set()
    merge = account.tables.merge

    async def merge_slowly(*arguments: Any) -> str:
        reached.set()
        await go_on.wait()
        return await merge(*arguments)

    account.tables.merge = merge_slowly
    former = await open_azure()
    start, checkpoint = await run_first_episode(former, "abc123")
    heir = await open_azure(worker=False, on=RecordingAccount(storage))
    reached.clear()
    go_on.clear()
    committing = asyncio.ensure_future(former.commit(more(start, checkpoint)))
    async with time_limit():
        await reached.wait()
        loaded = await heir.load_history("abc123")
        ending = an_end(start, loaded.checkpoint)
        await heir.commit(ending)
        go_on.set()
        await committing
    assert await status_of(heir) == "Completed"


async def test_the_row_of_an_instance_purged_in_the_meantime_is_not_recreated(
    open_azure, account: RecordingAccount, storage: StorageAccount
) -> None:
    hub = await open_azure()
    start, checkpoint = await run_first_episode(hub, "abc123")
    other = await open_azure(worker=False, on=RecordingAccount(storage))
    before = (await other.load_history("abc123")).checkpoint
    account.answer = refusing("table", "merge", 10_000, 503, "ServerBusy")
    committing = asyncio.ensure_future(hub.commit(more(start, checkpoint)))
    async with time_limit():
        while (await other.load_history("abc123")).checkpoint == before:
            await pause(0.01)
        await other.purge_instance("abc123")
        account.answer = None
        await committing
    assert await status_of(other) is None


async def test_a_failure_that_was_rewound_before_its_answer_came_is_not_written_again(
    open_azure, account: RecordingAccount, storage: StorageAccount
) -> None:
    other = await open_azure(worker=False, on=RecordingAccount(storage))
    merge, lost = account.tables.merge, ["Failed"]

    async def merge_without_answer(*arguments: Any) -> str:
        etag = await merge(*arguments)
        if arguments[1].get("RuntimeStatus") in lost:
            lost.clear()
            await other.rewind("abc123", "again")
            raise StorageUnavailable(500, "InternalError", "the answer is lost", after_retry=True)
        return etag

    account.tables.merge = merge_without_answer
    hub = await open_azure()
    start, checkpoint = await run_first_episode(hub, "abc123")
    await hub.commit(an_end(start, checkpoint, OrchestrationStatus.Failed))
    assert await status_of(other) == "Pending"


async def commit_after_a_rewind(
    hub: AzureTaskHub, other: AzureTaskHub, *decided: e.HistoryEvent, **update: Any
) -> None:
    """An instance has failed, `other` rewinds it, and the next episode decides this."""
    start, checkpoint = await run_first_episode(hub, "abc123")
    await hub.commit(an_end(start, checkpoint, OrchestrationStatus.Failed))
    await other.rewind("abc123", "again")
    (wakeup,) = await receive(hub, 1)
    loaded = await hub.load_history("abc123")
    events = [e.OrchestratorStarted(timestamp=3), wakeup.message.event, *decided, e.OrchestratorCompleted(timestamp=3)]
    ordinal = len(loaded.events)
    await hub.commit(commit_of(start, events, [wakeup], checkpoint=loaded.checkpoint, first_ordinal=ordinal, **update))


async def test_an_end_that_comes_after_a_rewind_is_written(open_azure, storage: StorageAccount) -> None:
    """As when a termination was on its way while somebody rewound the instance."""
    other = await open_azure(worker=False, on=RecordingAccount(storage))
    terminated = e.ExecutionCompleted(
        event_id=1, orchestration_status=OrchestrationStatus.Terminated, result="enough", timestamp=clock.now()
    )
    await commit_after_a_rewind(
        await open_azure(),
        other,
        terminated,
        runtime_status=OrchestrationStatus.Terminated,
        output="enough",
        completed_time=clock.now(),
    )
    assert await status_of(other) == "Terminated"


async def test_an_instance_that_another_host_has_rewound_runs_again(open_azure, storage: StorageAccount) -> None:
    other = await open_azure(worker=False, on=RecordingAccount(storage))
    await commit_after_a_rewind(await open_azure(), other, runtime_status=OrchestrationStatus.Running)
    assert await status_of(other) == "Running"


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_a_worker_that_has_not_seen_the_row_writes_what_is_missing_of_it(
    open_azure, account: RecordingAccount, storage: StorageAccount, hub_name: str, is_deleted: bool
) -> None:
    former = await open_azure()
    start, _ = await run_first_episode(former, "abc123")
    await former.stop()
    if is_deleted:
        await storage.tables.delete(HubNames.of(hub_name, 4).instances, "abc123", "")
    heir = await open_azure(on=RecordingAccount(storage))
    loaded = await heir.load_history("abc123")
    await heir.commit(an_end(start, loaded.checkpoint))
    state = await heir.get_instance("abc123")
    assert state is not None
    assert (state.name, state.runtime_status, state.output) == ("Hello", OrchestrationStatus.Completed, '"done"')


async def test_a_row_without_a_known_history_is_merged_into(
    open_azure, account: RecordingAccount, storage: StorageAccount
) -> None:
    hub = await open_azure()
    other = await open_azure(worker=False, on=RecordingAccount(storage))
    start = start_message("abc123")
    await other.create_instance(start, dedupe_statuses=frozenset())
    (received,) = await receive(hub, 1)
    hub._instances._known.clear()
    await hub.commit(commit_of(received.message, first_episode(received.message), [received]))
    assert await status_of(hub) == "Running"
