"""Commits to the History table: their outcome is always found out, and a commit is atomic."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from unittest.mock import ANY

import pytest
from hub_samples import clock, time_limit
from recording_account import RecordingAccount

from durable_host.durable.model import events as e
from durable_host.durable.taskhub.azure import sentinel_writer
from durable_host.durable.taskhub.azure.history_rows import (
    COMMIT_ID,
    CONSUMED,
    OWED,
    OWED_MESSAGES,
    UNFINISHED,
    event_row,
)
from durable_host.durable.taskhub.azure.history_store import CommittedHistory, HistoryConflict, HistoryStore
from durable_host.durable.taskhub.azure.instance_store import InstanceStore
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads
from durable_host.durable.taskhub.azure.names import SENTINEL, HubNames, escape_key, row_key
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.purger import Purger
from durable_host.storage import EdmDateTime, Entity, Operation, StorageAccount, StorageError, TransactionFailed
from durable_host.storage.errors import StorageUnavailable, storage_error

ID = "abc123"
LOG = "Host.Triggers.DurableTask"
Fault = Callable[[], StorageError]

OUTAGES: dict[str, Fault] = {
    "500": lambda: storage_error(500, "InternalError", "table: no"),
    "503": lambda: storage_error(503, "ServerBusy", "table: no"),
    "408": lambda: storage_error(408, "Http408", "table: no"),
    "503 of an operation": lambda: TransactionFailed(0, 503, "ServerBusy", "table: no"),
    "answer lost": lambda: StorageUnavailable(0, "Unavailable", "the connection broke", after_retry=True),
    "answer lost, then throttled": lambda: storage_error(429, "TooManyRequests", "table: no", after_retry=True),
}
UNSENT: dict[str, Fault] = {
    "refused connection": lambda: StorageUnavailable(0, "Unavailable", "nobody listens"),
    "throttled": lambda: storage_error(429, "TooManyRequests", "table: no"),
}
REFUSALS: dict[str, Fault] = {
    "400": lambda: storage_error(400, "InvalidInput", "table: no"),
    "403": lambda: storage_error(403, "AuthorizationFailure", "table: no"),
    "409 of the account": lambda: storage_error(409, "SomeConflict", "table: no"),
    "413": lambda: storage_error(413, "RequestBodyTooLarge", "table: no"),
    "400 of an operation": lambda: TransactionFailed(0, 400, "PropertyValueTooLarge", "table: no"),
}
CONFLICTS: dict[str, Fault] = {
    "412 after a retry": lambda: TransactionFailed(99, 412, "UpdateConditionNotSatisfied", "no", after_retry=True),
    "409 after a retry": lambda: TransactionFailed(99, 409, "EntityAlreadyExists", "no", after_retry=True),
    "412 to what a proxy has repeated": lambda: TransactionFailed(99, 412, "UpdateConditionNotSatisfied", "no"),
}


class History:
    """A HistoryStore on one hub, and what its History table holds. `account` meets the faults."""

    def __init__(self, hub_name: str, account: RecordingAccount, storage: StorageAccount) -> None:
        self.names = HubNames.of(hub_name, 4)
        self.account = account
        self.storage = storage
        self.store = self.another(account)

    def another(self, account: RecordingAccount | None = None) -> HistoryStore:
        used = account or RecordingAccount(self.storage)
        payloads = LargePayloads(used.as_account().blobs, self.names.large_messages)
        return HistoryStore(used.as_account().tables, self.names, payloads, clock, Outage(self.names.hub))

    async def purge(self, instance_id: str = ID) -> None:
        tables, payloads = self.storage.tables, LargePayloads(self.storage.blobs, self.names.large_messages)
        await Purger(tables, self.names, InstanceStore(tables, self.names, payloads, clock), payloads).purge(
            instance_id
        )

    async def rows(self, instance_id: str = ID) -> list[Entity]:
        query = f"PartitionKey eq '{escape_key(instance_id)}'"
        return [row async for row in self.storage.tables.query_all(self.names.history, query)]

    async def sentinel(self, instance_id: str = ID) -> Entity:
        return next(row for row in await self.rows(instance_id) if row["RowKey"] == SENTINEL)

    async def blobs(self) -> list[str]:
        try:
            return [blob.name async for blob in self.storage.blobs.list(self.names.large_messages, "")]
        except StorageError:
            return []

    def fail(self, at: int, fault: Fault, *, after: bool, times: int = 1) -> None:
        """From the transaction number `at` on, `times` in turn fail, before or after the effect of the first."""
        transaction, made = self.account.tables.transaction, [0]

        async def failing(*arguments: Any) -> list[str]:
            number, made[0] = made[0], made[0] + 1
            if not at <= number < at + times:
                return await transaction(*arguments)
            if after and number == at:
                await transaction(*arguments)
            raise fault()

        self.account.tables.transaction = failing

    def die_after(self, transactions: int) -> asyncio.Event:
        """Nothing answers any more once so many transactions have taken effect; the event tells when."""
        transaction, made, dead = self.account.tables.transaction, [0], asyncio.Event()

        async def last(*arguments: Any) -> list[str]:
            made[0] += 1
            written = await transaction(*arguments)
            if made[0] == transactions:
                dead.set()
                await asyncio.get_running_loop().create_future()
            return written

        self.account.tables.transaction = last
        return dead


@pytest.fixture
async def history(
    hub_name: str, account: RecordingAccount, storage: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[History]:
    monkeypatch.setattr(sentinel_writer, "_SHORTEST_WAIT", 0.01)
    monkeypatch.setattr(sentinel_writer, "_LONGEST_WAIT", 0.02)
    history = History(hub_name, account, storage)
    await storage.tables.create_table(history.names.history)
    yield history
    await storage.tables.delete_table(history.names.history)
    with suppress(StorageError):
        await storage.blobs.delete_container(history.names.large_messages)


def results(count: int, first: int = 0, text: str = "r") -> list[e.HistoryEvent]:
    return [e.TaskCompleted(task_scheduled_id=first + number, result=text, timestamp=5) for number in range(count)]


async def commit(
    store: HistoryStore,
    events: Sequence[e.HistoryEvent],
    *,
    execution: str = "1",
    etag: str | None = None,
    first: int = 0,
    columns: Mapping[str, str] | None = None,
) -> CommittedHistory:
    async with time_limit():
        return await store.commit(ID, execution, etag, first, events, columns)


async def killed(history: History, transactions: int, events: Sequence[e.HistoryEvent], **more: Any) -> None:
    """A commit whose process dies after so many transactions."""
    dead = history.die_after(transactions)
    committing = asyncio.ensure_future(commit(history.store, events, **more))
    async with time_limit():
        await dead.wait()
    committing.cancel()
    with suppress(asyncio.CancelledError):
        await committing


# One transaction


async def test_columns_stand_on_the_sentinel_only_and_stay_there(history: History) -> None:
    marks = {OWED: "0000000000000001", OWED_MESSAGES: "[]", CONSUMED: "1:x"}
    done = await commit(history.store, results(2), columns=marks)
    again = await commit(history.store, results(1, 2), etag=done.etag, first=2, columns={OWED: ""})
    third = await commit(history.store, results(1, 3), etag=again.etag, first=3)
    *rows, sentinel = await history.rows()
    assert all(not marks.keys() & row.keys() for row in rows)
    assert {name: sentinel[name] for name in marks} == {**marks, OWED: ""}
    loaded = await history.store.load(ID)
    assert loaded.columns == {**marks, OWED: ""}
    assert loaded.history.checkpoint is not None
    assert loaded.history.checkpoint.etag == third.etag


async def test_columns_survive_continue_as_new_and_a_new_start_with_the_same_id(history: History) -> None:
    marks = {OWED: "0000000000000000", CONSUMED: "1:x"}
    done = await commit(history.store, results(5), columns=marks)
    done = await commit(history.store, results(3), execution="2", etag=done.etag)
    await commit(history.store, results(4), execution="3", etag=done.etag)
    loaded = await history.store.load(ID)
    assert (loaded.columns, loaded.history.execution_id, len(loaded.history.events)) == (marks, "3", 4)


async def test_without_columns_the_rows_are_those_of_the_official_backend(history: History) -> None:
    done = await commit(history.store, results(1))
    await commit(history.store, results(1, 1), etag=done.etag, first=1)
    sentinel = await history.sentinel()
    assert sentinel.keys() - {COMMIT_ID} == {
        "PartitionKey", "RowKey", "ExecutionId", "IsCheckpointComplete", "CheckpointCompletedTimestamp",
    }  # fmt: skip


async def test_our_columns_are_plain_strings(history: History) -> None:
    marks = {OWED: "0", OWED_MESSAGES: "é" * 16_000, CONSUMED: "x" * 32_000}
    await commit(history.store, results(250), columns=marks)
    sentinel = await history.sentinel()
    for name in (*marks, COMMIT_ID, UNFINISHED):
        assert type(sentinel[name]) is str
    assert sentinel[OWED_MESSAGES] == marks[OWED_MESSAGES]


async def test_each_transaction_has_its_own_id(history: History) -> None:
    seen: set[str] = set()
    etag = None
    for number in range(3):
        etag = (await commit(history.store, results(1), etag=etag, first=number)).etag
        seen.add(str(uuid.UUID((await history.sentinel())[COMMIT_ID])))
    assert len(seen) == 3


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", OUTAGES)
@pytest.mark.parametrize("is_first", [True, False], ids=["insert", "merge"])
async def test_a_commit_in_doubt_is_settled(history: History, fault: str, after: bool, is_first: bool) -> None:
    etag = None if is_first else (await commit(history.store, results(1))).etag
    first = 0 if is_first else 1
    history.fail(0, OUTAGES[fault], after=after, times=3)
    done = await commit(history.store, results(2, first), etag=etag, first=first, columns={OWED: "1"})
    loaded = await history.another().load(ID)
    assert loaded.history.events == results(2 + first)
    assert loaded.history.checkpoint is not None
    assert (loaded.history.checkpoint.etag, loaded.columns) == (done.etag, {OWED: "1"})
    await commit(history.store, results(1, 2 + first), etag=done.etag, first=2 + first)


@pytest.mark.parametrize("fault", CONFLICTS)
@pytest.mark.parametrize("is_first", [True, False], ids=["insert", "merge"])
async def test_a_conflict_with_our_own_first_attempt_is_none(history: History, fault: str, is_first: bool) -> None:
    etag = None if is_first else (await commit(history.store, results(1))).etag
    history.fail(0, CONFLICTS[fault], after=True)
    done = await commit(history.store, results(2), etag=etag)
    assert (await history.sentinel()).etag == done.etag


@pytest.mark.parametrize("fault", [*UNSENT, *REFUSALS])
async def test_what_certainly_had_no_effect_is_raised(history: History, fault: str) -> None:
    done = await commit(history.store, results(1))
    history.fail(0, {**UNSENT, **REFUSALS}[fault], after=False)
    with pytest.raises(StorageError, match="no"):
        await commit(history.store, results(1, 1), etag=done.etag, first=1)
    assert (await history.store.load(ID)).history.events == results(1)
    await commit(history.store, results(1, 1), etag=done.etag, first=1)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", REFUSALS)
async def test_a_refused_repeat_does_not_settle_the_first_attempt(history: History, fault: str, after: bool) -> None:
    done = await commit(history.store, results(1))
    answers = iter([OUTAGES["answer lost"](), REFUSALS[fault]()])
    history.fail(0, lambda: next(answers), after=after, times=2)
    if after:
        await commit(history.store, results(1, 1), etag=done.etag, first=1)
    else:
        with pytest.raises(StorageError, match="no"):
            await commit(history.store, results(1, 1), etag=done.etag, first=1)
    assert len((await history.store.load(ID)).history.events) == 1 + after


async def test_a_doubt_lasts_as_long_as_the_outage_and_is_said_once(
    history: History, caplog: pytest.LogCaptureFixture
) -> None:
    history.fail(0, OUTAGES["answer lost"], after=True, times=6)
    refused = iter(range(3))
    history.account.answer = lambda service, method, _: (
        storage_error(503, "ServerBusy", "get: no") if method == "get" and next(refused, None) is not None else None
    )
    await commit(history.store, results(1))
    told = [record.getMessage() for record in caplog.records]
    assert sum("waits for its storage: the connection broke" in text for text in told) == 1
    assert sum("waits for its storage: get: no" in text for text in told) == 1
    assert sum("the storage answers again" in text for text in told) == 1


async def test_a_commit_in_doubt_can_be_cancelled(history: History) -> None:
    history.fail(0, OUTAGES["503"], after=False, times=10_000)
    committing = asyncio.ensure_future(commit(history.store, results(1)))
    await asyncio.sleep(0.05)
    committing.cancel()
    async with time_limit():
        with pytest.raises(asyncio.CancelledError):
            await committing
    assert await history.rows() == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_another_who_committed_while_we_were_in_doubt_wins(history: History, after: bool) -> None:
    done = await commit(history.store, results(1))
    rival = history.another()
    transaction, made = history.account.tables.transaction, [0]

    async def overtaken(*arguments: Any) -> list[str]:
        made[0] += 1
        if made[0] > 1:
            return await transaction(*arguments)
        if after:
            await transaction(*arguments)
        loaded = await rival.load(ID)
        assert loaded.history.checkpoint is not None
        await commit(rival, results(1, 7), etag=loaded.history.checkpoint.etag, first=len(loaded.history.events))
        raise OUTAGES["answer lost"]()

    history.account.tables.transaction = overtaken
    with pytest.raises(HistoryConflict):
        await commit(history.store, results(1, 1), etag=done.etag, first=1)
    assert (await rival.load(ID)).history.events == [*results(1 + after), *results(1, 7)]


@pytest.mark.parametrize("complete", [True, False])
async def test_an_official_worker_that_went_on_from_our_commit_is_a_conflict(history: History, complete: bool) -> None:
    """It keeps our columns, the commit's ID among them."""
    done = await commit(history.store, results(1))
    transaction, made = history.account.tables.transaction, [0]

    async def overtaken(*arguments: Any) -> list[str]:
        made[0] += 1
        written = await transaction(*arguments)
        if made[0] > 1:
            return written
        theirs = {"PartitionKey": ID, "RowKey": SENTINEL, "IsCheckpointComplete": complete, "ExecutionId": "1"}
        if complete:
            theirs["CheckpointCompletedTimestamp"] = EdmDateTime(clock.now())
        await history.storage.tables.merge(history.names.history, theirs, "*")
        raise OUTAGES["answer lost"]()

    history.account.tables.transaction = overtaken
    with pytest.raises(HistoryConflict):
        await commit(history.store, results(1, 1), etag=done.etag, first=1)


async def test_a_purge_while_we_were_in_doubt_is_a_conflict(history: History) -> None:
    done = await commit(history.store, results(1))
    await history.purge()
    history.fail(0, OUTAGES["500"], after=False)
    with pytest.raises(HistoryConflict):
        await commit(history.store, results(1, 1), etag=done.etag, first=1)


# The sentinel alone


async def test_marks_are_cleared_without_any_event(history: History) -> None:
    done = await commit(history.store, results(2), columns={OWED: "0", CONSUMED: "x"})
    etag = await history.store.update_sentinel(ID, "1", done.etag, {OWED: ""})
    loaded = await history.store.load(ID)
    assert loaded.columns == {OWED: "", CONSUMED: "x"}
    assert (loaded.history.events, loaded.history.execution_id) == (results(2), "1")
    await commit(history.store, results(1, 2), etag=etag, first=2)
    with pytest.raises(HistoryConflict):
        await history.store.update_sentinel(ID, "1", etag, {OWED: "1"})


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", OUTAGES)
async def test_a_cleared_mark_in_doubt_is_settled(history: History, fault: str, after: bool) -> None:
    done = await commit(history.store, results(2), columns={OWED: "0"})
    history.fail(0, OUTAGES[fault], after=after, times=3)
    async with time_limit():
        etag = await history.store.update_sentinel(ID, "1", done.etag, {OWED: ""})
    sentinel = await history.sentinel()
    assert (sentinel.etag, sentinel[OWED]) == (etag, "")


async def test_marks_of_a_purged_instance_are_a_conflict(history: History) -> None:
    done = await commit(history.store, results(2))
    await history.purge()
    with pytest.raises(HistoryConflict):
        await history.store.update_sentinel(ID, "1", done.etag, {OWED: ""})
    assert await history.rows() == []


async def test_instances_that_owe_are_found(history: History) -> None:
    for instance_id, owed in {"a/b": "0", "it's": "00F", "@e@k": "1", "paid": "", "other": None}.items():
        columns = None if owed is None else {OWED: owed, CONSUMED: "x"}
        await history.store.commit(instance_id, "1", None, 0, results(3), columns)
    assert sorted(await history.store.owed()) == ["@e@k", "a/b", "it's"]


async def test_an_unfinished_commit_is_owed_until_it_is_finished(history: History) -> None:
    await killed(history, 1, results(250))
    assert await history.another().owed() == [ID]
    await history.another().load(ID)
    assert await history.another().owed() == []


# Several transactions

MARKS = {OWED: "0000000000000000", OWED_MESSAGES: "", CONSUMED: "1:x"}


@pytest.mark.parametrize("transactions", [1, 2, 3])
@pytest.mark.parametrize("before", [None, 5, 400], ids=["first", "appended", "continued as new"])
async def test_a_commit_of_250_rows_killed_between_transactions_is_finished_by_the_next_load(
    history: History, transactions: int, before: int | None
) -> None:
    etag, first, execution = None, 0, "1"
    if before is not None:
        done = await commit(history.another(), results(before, text="old"), columns={OWED: "old", CONSUMED: "old"})
        etag = done.etag
        first, execution = (5, "1") if before == 5 else (0, "2")
    events = [e.ExecutionStarted(orchestration_instance=e.OrchestrationInstance(ID), name="é\u2028", timestamp=7)]
    events += results(249, text="new")
    await killed(history, transactions, events, etag=etag, first=first, execution=execution, columns=MARKS)

    heir = history.another()
    seen = await heir.read(ID)
    loaded = await heir.load(ID)
    assert seen.history.events == loaded.history.events == results(first, text="old") + events
    assert seen.columns == loaded.columns == MARKS
    assert loaded.history.execution_id == execution
    sentinel = await history.sentinel()
    assert (sentinel[UNFINISHED], sentinel["IsCheckpointComplete"]) == ("", True)
    assert loaded.history.checkpoint is not None
    assert loaded.history.checkpoint.etag == sentinel.etag
    assert await history.blobs() == ([] if transactions < 3 else [ANY])
    more = results(1, 250)
    await commit(heir, more, etag=sentinel.etag, first=first + 250, execution=execution)
    assert (await heir.load(ID)).history.events == loaded.history.events + more


async def test_rows_and_marks_of_several_transactions(history: History) -> None:
    events = results(250)
    await commit(history.store, events, columns=MARKS)
    batches = [one[2][1] for one in history.account.requests if one[:2] == ("table", "transaction")]
    assert [len(batch) for batch in batches] == [100, 100, 53]
    sentinels = [batch[-1].entity for batch in batches]
    assert [one["IsCheckpointComplete"] for one in sentinels] == [False, False, True]
    names = [one[UNFINISHED].partition("#") for one in sentinels]
    assert [ordinal for _, _, ordinal in names] == ["99", "198", ""]
    assert names[0][0].startswith(f"{ID}/")
    assert names[0][0] == names[1][0]
    assert [set(MARKS) & set(one) for one in sentinels] == [set(), set(), set(MARKS)]
    assert await history.blobs() == []


async def test_a_purge_deletes_the_rest_of_an_unfinished_commit(history: History) -> None:
    await killed(history, 1, results(250))
    assert len(await history.blobs()) == 1
    await history.purge()
    assert await history.blobs() == []


async def test_rows_that_are_large_together_take_several_transactions(history: History) -> None:
    events = results(90, text="\x01" * 15_000)
    await commit(history.store, events)
    batches = [one[2][1] for one in history.account.requests if one[:2] == ("table", "transaction")]
    assert len(batches) > 1
    assert (await history.store.load(ID)).history.events == events


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", OUTAGES)
@pytest.mark.parametrize("is_new_generation", [False, True])
async def test_each_transaction_in_doubt_is_settled(
    history: History, at: int, after: bool, fault: str, is_new_generation: bool
) -> None:
    execution, etag = "1", None
    if is_new_generation:
        execution, etag = "2", (await commit(history.store, results(400, text="old"))).etag
    history.fail(at, OUTAGES[fault], after=after, times=2)
    done = await commit(history.store, results(250), etag=etag, execution=execution, columns=MARKS)
    loaded = await history.another().load(ID)
    assert (loaded.history.events, loaded.columns) == (results(250), MARKS)
    assert loaded.history.checkpoint is not None
    assert loaded.history.checkpoint.etag == done.etag


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("fault", [*UNSENT, *REFUSALS])
async def test_after_the_first_transaction_no_error_counts_as_a_failure(history: History, at: int, fault: str) -> None:
    history.fail(at, {**UNSENT, **REFUSALS}[fault], after=False)
    if at == 0:
        with pytest.raises(StorageError, match="no"):
            await commit(history.store, results(250), columns=MARKS)
        assert await history.rows() == []
        return
    if fault in UNSENT:
        await commit(history.store, results(250), columns=MARKS)
    else:
        with pytest.raises(HistoryConflict):
            await commit(history.store, results(250), columns=MARKS)
    loaded = await history.store.load(ID)
    assert (loaded.history.events, loaded.columns) == (results(250), MARKS)


async def test_two_who_finish_the_same_commit_agree(history: History) -> None:
    await killed(history, 1, results(1000), columns=MARKS)
    async with time_limit():
        both = await asyncio.gather(history.another().load(ID), history.another().load(ID))
    for loaded in both:
        assert (loaded.history.events, loaded.columns) == (results(1000), MARKS)
    assert (await history.sentinel())["IsCheckpointComplete"] is True


async def test_a_commit_that_is_finished_while_it_is_loaded_is_whole(
    history: History, caplog: pytest.LogCaptureFixture
) -> None:
    await killed(history, 1, results(250))
    reader = RecordingAccount(history.storage)
    get = reader.blobs.get

    async def late(*arguments: Any) -> Any:
        await history.another().load(ID)
        return await get(*arguments)

    reader.blobs.get = late
    assert (await history.another(reader).load(ID)).history.events == results(250)
    assert not any("is lost" in record.getMessage() for record in caplog.records)


async def test_reading_an_unfinished_history_writes_nothing(history: History) -> None:
    await killed(history, 1, results(250))
    reader = RecordingAccount(history.storage)
    assert (await history.another(reader).read(ID)).history.events == results(250)
    assert {one[1] for one in reader.requests} == {"query_all", "get"}


async def test_a_commit_whose_rest_is_gone_is_read_as_far_as_it_goes(
    history: History, caplog: pytest.LogCaptureFixture
) -> None:
    await killed(history, 1, results(250), columns=MARKS)
    await history.storage.blobs.delete_container(history.names.large_messages)
    loaded = await history.another().load(ID)
    assert loaded.history.events == results(99)
    assert any("was lost" in record.getMessage() for record in caplog.records)
    assert loaded.history.checkpoint is not None
    await commit(history.another(), results(1, 99), etag=loaded.history.checkpoint.etag, first=99)
    assert (await history.another().load(ID)).history.events == results(100)


async def test_an_unfinished_commit_of_an_official_worker_is_read_as_it_is(history: History) -> None:
    done = await commit(history.store, results(99))
    theirs = {"PartitionKey": ID, "RowKey": SENTINEL, "IsCheckpointComplete": False}
    await history.storage.tables.merge(history.names.history, theirs, done.etag)
    assert (await history.store.load(ID)).history.events == results(99)
    assert await history.store.owed() == []


@pytest.mark.parametrize("rows", [1, 99])
@pytest.mark.parametrize("complete", [True, False])
async def test_an_official_worker_that_went_on_from_an_unfinished_commit_is_not_overwritten(
    history: History, complete: bool, rows: int
) -> None:
    await killed(history, 1, results(250))
    theirs = results(rows, 7, text="theirs")
    operations = [
        Operation("upsert_replace", event_row(ID, row_key(99 + number), "1", event))
        for number, event in enumerate(theirs)
    ]
    sentinel = {"PartitionKey": ID, "RowKey": SENTINEL, "IsCheckpointComplete": complete, "ExecutionId": "1"}
    await history.storage.tables.transaction(history.names.history, [*operations, Operation("merge", sentinel)])
    loaded = await history.another().load(ID)
    assert loaded.history.events == [*results(99), *theirs]


async def test_a_rest_that_was_given_up_does_not_come_back(history: History) -> None:
    await killed(history, 1, results(250))
    payloads = LargePayloads(history.storage.blobs, history.names.large_messages)
    (name,) = await history.blobs()
    text = await payloads.get(name)
    await payloads.delete([name])
    heir = history.another()
    loaded = await heir.load(ID)
    assert loaded.history.checkpoint is not None
    await heir.update_sentinel(ID, "1", loaded.history.checkpoint.etag, {OWED: ""})
    await payloads.put(name, text)
    assert (await heir.load(ID)).history.events == results(99)


async def test_stale_rows_of_a_longer_generation_are_never_history(history: History) -> None:
    done = await commit(history.store, results(400, text="old"))
    await killed(history, 1, results(120), execution="2", etag=done.etag)
    await history.storage.blobs.delete_container(history.names.large_messages)
    assert (await history.another().load(ID)).history.events == results(99)
    assert (await history.another().read(ID)).history.events == results(99)


async def test_the_rest_of_another_instance_is_not_taken(history: History) -> None:
    await killed(history, 1, results(250))
    payloads = LargePayloads(history.storage.blobs, history.names.large_messages)
    (name,) = await history.blobs()
    text = await payloads.get(name)
    await payloads.put(name, text.replace(f'"{ID}"', '"other"'))
    assert (await history.another().load(ID)).history.events == results(99)
    await payloads.put(name, "not JSON")
    assert (await history.another().load(ID)).history.events == results(99)


async def test_large_texts_of_an_unfinished_commit_are_restored(history: History) -> None:
    events = [*results(150), *results(3, 150, text="x" * 70_000)]
    await killed(history, 1, events)
    loaded = await history.another().load(ID)
    assert loaded.history.events == events
    assert len(loaded.blobs) == 3
