"""Client operations against the tables and blobs: large values, races, history, purge, rewind, paging."""

import asyncio
import contextlib

import msgspec
import pytest
from hub_samples import ANY_STATE, NON_RUNNING, clock, create, new_id, raised, receive, start_message, time_limit
from recording_account import CHANGING, RecordingAccount

from durable_host.durable.model import events as e
from durable_host.durable.model.events import HistoryEvent, OrchestrationInstance
from durable_host.durable.model.instance import InstanceQuery, InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.port import (
    Checkpoint,
    EpisodeCommit,
    InstanceExists,
    TaskHub,
    TaskHubUnavailable,
    UnreadableHistory,
)
from durable_host.storage import InvalidRequest, StorageAccount


async def write(
    hub: TaskHub,
    instance_id: str,
    events: list[HistoryEvent],
    *,
    execution_id: str,
    checkpoint: Checkpoint | None = None,
    update: InstanceUpdate | None = None,
    first_ordinal: int = 0,
    replaced: str | None = None,
) -> Checkpoint:
    return await hub.commit(
        EpisodeCommit(
            instance_id=instance_id,
            execution_id=execution_id,
            checkpoint=checkpoint,
            first_ordinal=first_ordinal,
            events=events,
            outbound=[],
            update=update,
            consumed=[],
            replaced_execution_id=replaced,
            expected_row=None if events else await hub.get_instance(instance_id),
        )
    )


def started(instance_id: str, execution_id: str, input: str | None = "1", **more: object) -> e.ExecutionStarted:
    return e.ExecutionStarted(
        orchestration_instance=OrchestrationInstance(instance_id, execution_id),
        name="F",
        input=input,
        timestamp=clock.now(),
        **more,  # type: ignore[arg-type]
    )


def updated(execution_id: str, **more: object) -> InstanceUpdate:
    return InstanceUpdate(execution_id=execution_id, last_updated_time=clock.now(), **more)  # type: ignore[arg-type]


async def blobs_of(storage: StorageAccount, hub_name: str) -> list[str]:
    return [blob.name async for blob in storage.blobs.list(HubNames.of(hub_name, 4).large_messages)]


@pytest.mark.parametrize("size", [100, 20_000, 31_000, 60_000, 700_000])
async def test_input_of_any_size_can_be_read_before_and_after_the_first_episode(open_azure, size: int) -> None:
    hub = await open_azure()
    text = '"' + "x" * size + '"'
    created = await create(hub, "abc123", input=text)
    assert created.input == text
    before = await hub.get_instance("abc123")
    assert before is not None
    assert before.input == text
    (start,) = await receive(hub, 1)
    assert start.message.event.input == text
    execution = start.message.target.execution_id or ""
    output = '"' + "y" * size + '"'
    await write(
        hub,
        "abc123",
        [start.message.event, e.ExecutionCompleted(event_id=0, result=output)],
        execution_id=execution,
        update=updated(
            execution, started=start.message.event, runtime_status=OrchestrationStatus.Completed, output=output
        ),
    )
    after = await hub.get_instance("abc123")
    assert after is not None
    assert (after.input, after.output) == (text, output)
    history = await hub.get_history("abc123")
    assert history[0].input == text
    assert history[1].result == output
    without = await hub.get_instance("abc123", fetch_input=False, fetch_output=False)
    assert without is not None
    assert (without.input, without.output) == (None, None)


async def test_large_columns_are_named_after_row_and_column(open_azure, storage: StorageAccount, hub_name: str) -> None:
    hub = await open_azure(worker=False)
    await write(hub, "a/b", [started("a/b", "x", '"' + "é" * 31_000 + '"')], execution_id="x")
    (name,) = await blobs_of(storage, hub_name)
    assert name.startswith("a^0b/history-0000000000000000-ExecutionStarted-")
    assert name.endswith("-Input.json.gz")
    row = await storage.tables.get(f"{hub_name}History", "a^0b", "0000000000000000")
    assert row is not None
    assert (row["Input"], row["InputBlobName"]) == ("", name)


async def test_blobs_of_a_replaced_execution_are_deleted(open_azure, storage: StorageAccount, hub_name: str) -> None:
    hub = await open_azure(worker=False)
    big = '"' + "z" * 40_000 + '"'
    first = [started("abc123", "x", big), e.EventRaised(name="n", input=big)]
    checkpoint = await write(hub, "abc123", first, execution_id="x", update=updated("x", started=first[0]))
    assert len(await blobs_of(storage, hub_name)) == 2
    second = started("abc123", "y", big)
    await write(
        hub,
        "abc123",
        [second],
        execution_id="y",
        checkpoint=checkpoint,
        update=updated("y", started=second),
        replaced="x",
    )
    await hub._blobs.drain()
    assert len(await blobs_of(storage, hub_name)) == 1
    state = await hub.get_instance("abc123")
    assert state is not None
    assert state.input == big


async def test_rows_of_a_longer_older_execution_are_ignored(open_azure) -> None:
    hub = await open_azure(worker=False)
    old = [started("abc123", "x"), *[e.EventRaised(name=str(number)) for number in range(5)]]
    checkpoint = await write(hub, "abc123", old, execution_id="x")
    await write(hub, "abc123", [started("abc123", "y")], execution_id="y", checkpoint=checkpoint, replaced="x")
    loaded = await hub.load_history("abc123")
    assert (loaded.execution_id, len(loaded.events)) == ("y", 1)


async def test_history_row_that_cannot_be_read_is_named(open_azure, storage: StorageAccount, hub_name: str) -> None:
    hub = await open_azure(worker=False)
    await write(hub, "abc123", [started("abc123", "x")], execution_id="x")
    await storage.tables.merge(
        f"{hub_name}History",
        {"PartitionKey": "abc123", "RowKey": "0000000000000000", "EventType": "Nonsense"},
    )
    with pytest.raises(UnreadableHistory, match=r"0000000000000000.*Nonsense"):
        await hub.load_history("abc123")


async def test_missing_blob_of_a_history_is_named(open_azure, storage: StorageAccount, hub_name: str) -> None:
    hub = await open_azure(worker=False)
    await write(hub, "abc123", [started("abc123", "x", "1" * 40_000)], execution_id="x")
    (name,) = await blobs_of(storage, hub_name)
    await storage.blobs.delete(HubNames.of(hub_name, 4).large_messages, name)
    with pytest.raises(UnreadableHistory, match="does not exist"):
        await hub.load_history("abc123")


async def test_running_instance_is_not_created_again(open_azure) -> None:
    hub = await open_azure(worker=False)
    await create(hub, "abc123")
    with pytest.raises(InstanceExists) as refused:
        await create(hub, "abc123")
    assert refused.value.status is OrchestrationStatus.Pending
    again = await hub.create_instance(start_message("abc123"), dedupe_statuses=ANY_STATE)
    assert again.generation == 1


async def test_of_clients_that_create_at_once_one_wins_and_one_start_is_left(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure(worker=False)
    results = await asyncio.gather(
        *[hub.create_instance(start_message("abc123"), dedupe_statuses=NON_RUNNING) for _ in range(8)],
        return_exceptions=True,
    )
    winners = [result for result in results if not isinstance(result, BaseException)]
    assert len(winners) == 1
    assert all(isinstance(result, InstanceExists) for result in results if isinstance(result, BaseException))
    await hub._worker.held.drain(5)
    assert await storage.queues.message_count(HubNames.of(hub_name, 4).queue_of("abc123")) == 1
    state = await hub.get_instance("abc123")
    assert state is not None
    assert msgspec.structs.replace(state, etag=None) == winners[0]


async def test_replacement_survives_an_episode_of_an_execution_replaced_before(
    open_azure, account: RecordingAccount
) -> None:
    hub = await open_azure(worker=False)
    first = start_message("abc123", input='"first"')
    await hub.create_instance(first, dedupe_statuses=ANY_STATE)
    await hub.create_instance(start_message("abc123", input='"second"'), dedupe_statuses=ANY_STATE)
    replace, late = account.tables.replace, [first.event]

    async def replaced_late(*arguments: object) -> object:
        while late:
            event = late.pop()
            assert isinstance(event, e.ExecutionStarted)
            execution = str(event.orchestration_instance.execution_id)
            update = InstanceUpdate(execution_id=execution, last_updated_time=clock.now(), started=event)
            await write(hub, "abc123", [e.OrchestratorStarted(), event], execution_id=execution, update=update)
        return await replace(*arguments)

    account.tables.replace = replaced_late  # type: ignore[method-assign]
    third = start_message("abc123", input='"third"')
    created = await hub.create_instance(third, dedupe_statuses=ANY_STATE)
    assert (created.input, created.execution_id) == ('"third"', third.target.execution_id)
    state = await hub.get_instance("abc123")
    assert state is not None
    assert (state.input, state.runtime_status) == ('"third"', OrchestrationStatus.Pending)


async def test_re_creation_survives_a_late_update_of_the_old_row(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure(worker=False)
    await write(
        hub,
        "abc123",
        [started("abc123", "x")],
        execution_id="x",
        update=updated("x", started=started("abc123", "x"), runtime_status=OrchestrationStatus.Completed),
    )
    tables, original = account.tables, account.note

    async def touch_once() -> None:
        account.note = original  # type: ignore[method-assign]
        await hub.touch_instance("abc123", clock.now())

    real_replace = tables.replace

    async def replace(*args: object) -> str:
        if account.__dict__.pop("meddle", None):
            await touch_once()
        return await real_replace(*args)

    account.__dict__["meddle"] = True
    tables.__dict__["replace"] = replace
    state = await create(hub, "abc123")
    assert state.runtime_status is OrchestrationStatus.Pending
    stored = await hub.get_instance("abc123")
    assert stored is not None
    assert stored.execution_id == state.execution_id


async def test_a_row_whose_answer_was_lost_is_known_as_our_own(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    real_insert = account.tables.insert

    async def insert_twice(*args: object) -> str:
        await real_insert(*args)
        return await real_insert(*args)

    account.tables.__dict__["insert"] = insert_twice
    state = await create(hub, "abc123")
    assert state.runtime_status is OrchestrationStatus.Pending
    (start,) = await receive(hub, 1)
    assert start.message.target.execution_id == state.execution_id
    await hub.discard([start])


async def test_first_load_of_an_instance_created_here_makes_no_request(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    await create(hub, "abc123")
    mark = len(account.requests)
    assert (await hub.load_history("abc123")).checkpoint is None
    assert not any(service == "table" for service, _, _ in account.requests[mark:])
    await hub.load_history("abc123")
    assert [method for service, method, _ in account.requests[mark:] if service == "table"] == ["query_all"]


async def test_first_load_of_a_child_makes_no_request(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure()
    parent = e.ParentInstance("F", OrchestrationInstance("abc123", "p"), 0)
    for child, reads in (("p:0", 0), ("chosen", 1)):
        start = started(child, new_id(), parent_instance=parent)
        message = TaskMessage(start, start.orchestration_instance, tags={})
        await hub.commit(
            EpisodeCommit(
                instance_id="abc123",
                execution_id="p",
                checkpoint=(await hub.load_history("abc123")).checkpoint,
                first_ordinal=0,
                events=[],
                outbound=[message],
                update=None,
                consumed=[],
            )
        )
        mark = len(account.requests)
        await hub.load_history(child)
        assert sum(method == "query_all" for _, method, _ in account.requests[mark:]) == reads


async def test_purge_removes_rows_and_blobs_of_this_instance_only(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure(worker=False)
    big = '"' + "z" * 60_000 + '"'
    for instance_id in ("abc", "abc1"):
        await create(hub, instance_id, input=big)
        events = [started(instance_id, "x", big), *[e.EventRaised(name=str(number)) for number in range(120)]]
        await write(hub, instance_id, events, execution_id="x")
    assert await hub.purge_instance("abc")
    assert not await hub.purge_instance("abc")
    assert await hub.get_history("abc") == []
    assert len(await hub.get_history("abc1")) == 121
    names = await blobs_of(storage, hub_name)
    assert len(names) == 2
    assert all(name.startswith("abc1/") for name in names)
    assert await storage.tables.get(f"{hub_name}History", "abc", "sentinel") is None


async def test_listing_follows_tokens_page_by_page(open_azure) -> None:
    hub = await open_azure(worker=False)
    ids = [f"order {number:02d}" for number in range(7)] + ["@counter@a"]
    for instance_id in ids:
        await create(hub, instance_id)
    seen: list[str] = []
    token = None
    async with time_limit():
        while True:
            page = await hub.query_instances(InstanceQuery(top=3, continuation_token=token, exclude_entities=True))
            assert len(page.instances) <= 3
            seen += [state.instance_id for state in page.instances]
            token = page.continuation_token
            if token is None:
                break
            assert " " in token
    assert seen == ids[:7]


async def test_rewind_rewrites_failures_and_wakes_the_deepest_instance(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    child_start = started("child", "c", parent_instance=e.ParentInstance("F", OrchestrationInstance("parent", "p"), 0))
    await write(
        hub,
        "child",
        [
            e.OrchestratorStarted(),
            child_start,
            e.TaskScheduled(event_id=0, name="A"),
            e.TaskCompleted(task_scheduled_id=5),
            e.TaskFailed(task_scheduled_id=0, reason="boom", details="stack"),
            e.ExecutionCompleted(event_id=1, orchestration_status=OrchestrationStatus.Failed, result="boom"),
        ],
        execution_id="c",
        update=updated("c", started=child_start, runtime_status=OrchestrationStatus.Failed),
    )
    parent_start = started("parent", "p")
    await write(
        hub,
        "parent",
        [
            e.OrchestratorStarted(),
            parent_start,
            e.SubOrchestrationInstanceCreated(event_id=0, name="F", instance_id="child"),
            e.SubOrchestrationInstanceFailed(task_scheduled_id=0, reason="boom"),
            e.ExecutionCompleted(event_id=1, orchestration_status=OrchestrationStatus.Failed, result="boom"),
        ],
        execution_id="p",
        update=updated("p", started=parent_start, runtime_status=OrchestrationStatus.Failed),
    )
    await hub.rewind("parent", "fixed")
    (wakeup,) = await receive(hub, 1)
    assert wakeup.message.target == OrchestrationInstance("child")
    assert isinstance(wakeup.message.event, e.GenericEvent)
    assert wakeup.message.event.data == "fixed"
    child = await hub.get_history("child")
    assert [(event.event_name, getattr(event, "reason", None)) for event in child] == [
        ("OrchestratorStarted", None),
        ("ExecutionStarted", None),
        ("GenericEvent", "Rewound: TaskScheduled"),
        ("TaskCompleted", None),
        ("GenericEvent", "Rewound: TaskFailed"),
        ("GenericEvent", "Rewound: ExecutionCompleted"),
    ]
    parent = await hub.get_history("parent")
    assert [event.event_name for event in parent][2:] == [
        "SubOrchestrationInstanceCreated",
        "GenericEvent",
        "GenericEvent",
    ]
    row = await storage.tables.get(f"{hub_name}History", "parent", "0000000000000002")
    assert row is not None
    assert row["Reason"] == "Rewound: SubOrchestrationInstanceCreated"
    failed = await storage.tables.get(f"{hub_name}History", "child", "0000000000000004")
    assert failed is not None
    assert (failed["TaskScheduledId"], failed["Details"], failed["FailureDetails"]) == (0, "stack", "null")
    for instance_id in ("parent", "child"):
        state = await hub.get_instance(instance_id)
        assert state is not None
        assert state.runtime_status is OrchestrationStatus.Pending
    await hub.discard([wakeup])


async def test_deleted_hub_leaves_nothing_behind(open_azure, storage: StorageAccount, hub_name: str) -> None:
    hub = await open_azure()
    await create(hub, "abc123", input='"' + "x" * 60_000 + '"')
    await hub.stop()
    await hub.delete()
    assert await storage.queues.list(hub_name.lower()) == []
    assert await storage.tables.list_tables(hub_name) == []
    assert await storage.blobs.list_containers(hub_name.lower()) == []


async def test_instance_id_with_odd_characters_goes_through_everything(open_azure) -> None:
    hub = await open_azure()
    odd = "Zürich/日本 #5?x\\😀'%41+&=@^0"
    await create(hub, odd)
    await hub.send(raised(odd))
    start, event = await receive(hub, 2)
    assert event.message.target.instance_id == odd
    execution = start.message.target.execution_id or ""
    big = '"' + "x" * 40_000 + '"'
    await write(hub, odd, [started(odd, execution, big)], execution_id=execution, update=updated(execution))
    assert (await hub.get_history(odd))[0].input == big
    state = await hub.get_instance(odd)
    assert state is not None
    assert state.instance_id == odd
    page = await hub.query_instances(InstanceQuery(instance_id_prefix="Zürich/"))
    assert [found.instance_id for found in page.instances] == [odd]
    assert await hub.purge_instance(odd)
    assert await hub.get_instance(odd) is None


async def test_output_that_looks_like_an_address_stays_text(open_azure) -> None:
    hub = await open_azure(worker=False)
    await create(hub, "abc123")
    text = f"https://example.org/{new_id()}.json.gz"
    await write(hub, "abc123", [], execution_id="x", update=updated("x", output=text))
    state = await hub.get_instance("abc123")
    assert state is not None
    assert state.output == text


async def test_token_that_the_service_refuses_is_the_callers_mistake(open_azure, account: RecordingAccount) -> None:
    hub = await open_azure(worker=False)

    async def refuse(*_: object) -> None:
        raise InvalidRequest(400, "InvalidInput", "the continuation token is not valid")

    account.tables.query = refuse  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="'1!4!YWJj ' is not a continuation token"):
        await hub.query_instances(InstanceQuery(continuation_token="1!4!YWJj "))


REWIND_REQUESTS = 17


@pytest.mark.parametrize("requests", range(REWIND_REQUESTS))
async def test_interrupted_rewind_is_finished_by_the_next(open_azure, account: RecordingAccount, requests: int) -> None:
    hub = await open_azure(worker=False)
    started = e.ExecutionStarted(orchestration_instance=OrchestrationInstance("x", "x"), name="Any")
    failed = e.ExecutionCompleted(event_id=9, orchestration_status=OrchestrationStatus.Failed, result="broken")
    created = e.SubOrchestrationInstanceCreated(event_id=0, name="Child", instance_id="child")
    answered = e.SubOrchestrationInstanceFailed(task_scheduled_id=0, reason="broken")
    for name, events in (("child", []), ("parent", [created, answered])):
        update = InstanceUpdate(
            execution_id=name, last_updated_time=1, started=started, runtime_status=OrchestrationStatus.Failed
        )
        history = [e.OrchestratorStarted(), started, *events, failed, e.OrchestratorCompleted()]
        await write(hub, name, history, execution_id=name, update=update)
    mark = len(account.requests)
    account.fail_after(requests)
    with contextlib.suppress(TaskHubUnavailable):
        await hub.rewind("parent", "first")
    changes = [one for one in account.requests[mark:] if one[:2] in CHANGING]
    assert len(changes) <= requests
    account.fail_after(None)
    await hub.rewind("parent", "second")
    assert not any(isinstance(event, e.ExecutionCompleted) for event in await hub.get_history("child"))
    assert [type(event) for event in await hub.get_history("parent")] == [
        e.OrchestratorStarted,
        e.ExecutionStarted,
        e.SubOrchestrationInstanceCreated,
        e.GenericEvent,
        e.GenericEvent,
        e.OrchestratorCompleted,
    ]
    worker = await open_azure()
    async with time_limit():
        woken = [one.message.target.instance_id for one in await worker.next_control_messages()]
    assert set(woken) == {"child"}
