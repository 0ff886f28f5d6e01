"""Purging and rewinding instances, deleting the hub."""

from hub_samples import (
    clock,
    commit_of,
    complete,
    create,
    first_episode,
    later,
    nothing_more,
    raised,
    receive,
    run_first_episode,
    timer,
)

from durable_host.durable.engine.renumbering import renumbering_event
from durable_host.durable.model.events import (
    ExecutionCompleted,
    GenericEvent,
    OrchestrationInstance,
    OrchestratorStarted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import TaskHub

FAILED = OrchestrationStatus.Failed


async def test_purging_removes_row_and_history(hub: TaskHub):
    await complete(hub, "a", output='"' + "x" * 200_000 + '"')
    await complete(hub, "ab")
    assert await hub.purge_instance("a") is True
    assert await hub.get_instance("a") is None
    assert await hub.get_history("a") == []
    loaded = await hub.load_history("a")
    assert (loaded.events, loaded.execution_id, loaded.checkpoint) == ([], None, None)
    assert await hub.get_instance("ab") is not None
    assert len(await hub.get_history("ab")) == 4


async def test_purging_leaves_large_values_of_ids_with_the_same_beginning(hub: TaskHub):
    big = '"' + "x" * 200_000 + '"'
    await complete(hub, "abc", output=big)
    await complete(hub, "abc1", output=big)
    await hub.purge_instance("abc")
    assert (await hub.get_history("abc1"))[2].result == big
    assert (await hub.get_instance("abc1")).output == big


async def test_purging_what_is_not_there_says_so(hub: TaskHub):
    assert await hub.purge_instance("nobody") is False


async def test_a_purged_instance_can_be_started_again_from_scratch(hub: TaskHub):
    await complete(hub, "a")
    await hub.purge_instance("a")
    start, _ = await run_first_episode(hub, "a")
    assert start.event.generation == 0
    assert len(await hub.get_history("a")) == 3


async def test_purging_a_long_history(hub: TaskHub):
    events = [TaskScheduled(event_id=number, name="A", timestamp=clock.now()) for number in range(350)]
    await run_first_episode(hub, "a", *events)
    assert await hub.purge_instance("a")
    assert (await hub.load_history("a")).checkpoint is None
    assert await hub.get_history("a") == []


async def _fail(hub: TaskHub, instance_id: str, *events) -> None:
    await create(hub, instance_id)
    (received,) = await receive(hub, 1)
    start = received.message
    ending = ExecutionCompleted(event_id=9, orchestration_status=FAILED, result="broken", timestamp=clock.now())
    await hub.commit(
        commit_of(
            start, first_episode(start, *events, ending), [received], runtime_status=FAILED, output="broken",
            completed_time=clock.now(),
        )
    )  # fmt: skip


async def test_rewinding_takes_the_failure_out_of_the_history_and_wakes_the_instance(hub: TaskHub):
    await _fail(
        hub, "a",
        TaskScheduled(event_id=0, name="Good", timestamp=1000),
        TaskScheduled(event_id=1, name="Bad", timestamp=1001),
        TaskCompleted(task_scheduled_id=0, result="1", timestamp=1002),
        TaskFailed(task_scheduled_id=1, reason="boom", timestamp=1003),
    )  # fmt: skip
    before = await hub.get_history("a")
    await hub.rewind("a", "try again")
    after = await hub.get_history("a")
    assert len(after) == len(before)
    changed = {index: event for index, event in enumerate(after) if isinstance(event, GenericEvent)}
    assert {index: event.reason for index, event in changed.items()} == {
        3: "Rewound: TaskScheduled",
        5: "Rewound: TaskFailed",
        6: "Rewound: ExecutionCompleted",
    }
    assert all(event.event_id == before[index].event_id for index, event in changed.items())
    assert all(event.timestamp == before[index].timestamp for index, event in changed.items())
    assert [event for index, event in enumerate(after) if index not in changed] == [
        event for index, event in enumerate(before) if index not in changed
    ]
    state = await hub.get_instance("a")
    assert state.runtime_status == OrchestrationStatus.Pending
    (wake_up,) = await receive(hub, 1)
    assert isinstance(wake_up.message.event, GenericEvent)
    assert wake_up.message.event.data == "try again"
    assert wake_up.message.target == OrchestrationInstance("a", None)


async def test_rewinding_finds_calls_of_1x_that_2x_has_continued(hub: TaskHub):
    await _fail(
        hub, "a",
        TaskScheduled(event_id=0, name="Bad"),
        TaskScheduled(event_id=1, name="Good"),
        renumbering_event({0: 1, 1: 2}, 0),
        TaskFailed(task_scheduled_id=1, reason="boom"),
        TaskCompleted(task_scheduled_id=2, result="1"),
    )  # fmt: skip
    await hub.rewind("a", None)
    left = [event for event in await hub.get_history("a") if isinstance(event, TaskScheduled)]
    assert [event.name for event in left] == ["Good"]


async def test_rewinding_takes_out_the_timers_of_retries_by_2x_code(hub: TaskHub):
    await _fail(
        hub, "a",
        TaskScheduled(event_id=1, name="Bad"),
        TimerCreated(event_id=2, fire_at=5000),
        OrchestratorStarted(),
        TaskFailed(task_scheduled_id=1, reason="boom"),
        TimerCreated(event_id=3, fire_at=1000),
        OrchestratorStarted(),
        TimerFired(timer_id=3, fire_at=1000),
        TaskScheduled(event_id=1, name="Bad"),
        TaskFailed(task_scheduled_id=1, reason="boom"),
    )  # fmt: skip
    await hub.rewind("a", None)
    left = [event for event in await hub.get_history("a") if not isinstance(event, GenericEvent)]
    assert [event.event_id for event in left if isinstance(event, TaskScheduled | TimerCreated)] == [2]
    assert not any(isinstance(event, TaskFailed | TimerFired) for event in left)


async def test_rewinding_reaches_the_failed_child_and_wakes_only_that(hub: TaskHub):
    await _fail(hub, "child", TaskScheduled(event_id=0, name="Bad"), TaskFailed(task_scheduled_id=0, reason="boom"))
    await _fail(
        hub, "parent",
        SubOrchestrationInstanceCreated(event_id=0, name="Child", instance_id="child"),
        SubOrchestrationInstanceFailed(task_scheduled_id=0, reason="boom"),
    )  # fmt: skip
    await hub.rewind("parent", None)
    parent = await hub.get_history("parent")
    assert isinstance(parent[2], SubOrchestrationInstanceCreated)
    assert [event.reason for event in parent if isinstance(event, GenericEvent)] == [
        "Rewound: SubOrchestrationInstanceFailed",
        "Rewound: ExecutionCompleted",
    ]
    child = await hub.get_history("child")
    assert [event.reason for event in child if isinstance(event, GenericEvent)] == [
        "Rewound: TaskScheduled",
        "Rewound: TaskFailed",
        "Rewound: ExecutionCompleted",
    ]
    for name in ("parent", "child"):
        assert (await hub.get_instance(name)).runtime_status == OrchestrationStatus.Pending
    (wake_up,) = await receive(hub, 1)
    assert wake_up.message.target.instance_id == "child"
    await nothing_more(hub, "parent")


async def test_rewinding_calls_a_child_again_that_never_began(hub: TaskHub):
    await _fail(
        hub, "parent",
        SubOrchestrationInstanceCreated(event_id=0, name="Unknown", instance_id="nobody"),
        SubOrchestrationInstanceFailed(task_scheduled_id=0, reason="The function 'Unknown' doesn't exist"),
    )  # fmt: skip
    await hub.rewind("parent", None)
    history = await hub.get_history("parent")
    assert not any(isinstance(event, SubOrchestrationInstanceCreated) for event in history)
    (wake_up,) = await receive(hub, 1)
    assert wake_up.message.target.instance_id == "parent"


async def test_rewinding_again_wakes_the_same_instance(hub: TaskHub):
    """The first time, the host may have died before it sent the message."""
    await _fail(hub, "child", TaskScheduled(event_id=0, name="Bad"), TaskFailed(task_scheduled_id=0, reason="boom"))
    await _fail(
        hub, "parent",
        SubOrchestrationInstanceCreated(event_id=0, name="Child", instance_id="child"),
        SubOrchestrationInstanceFailed(task_scheduled_id=0, reason="boom"),
    )  # fmt: skip
    await hub.rewind("parent", None)
    (first,) = await receive(hub, 1)
    await hub.rewind("child", None)
    (second,) = await receive(hub, 1)
    assert [one.message.target.instance_id for one in (first, second)] == ["child", "child"]


async def test_a_rewound_history_takes_commits(hub: TaskHub):
    await _fail(hub, "a", TaskScheduled(event_id=0, name="Bad"), TaskFailed(task_scheduled_id=0, reason="boom"))
    await hub.rewind("a", "r")
    (wake_up,) = await receive(hub, 1)
    loaded = await hub.load_history("a")
    start = next(event for event in loaded.events if event.event_name == "ExecutionStarted")
    message = wake_up.message
    events = [TaskScheduled(event_id=0, name="Bad", timestamp=clock.now())]
    target = start.orchestration_instance
    await hub.commit(
        commit_of(
            TaskMessage(message.event, target),
            events,
            [wake_up],
            checkpoint=loaded.checkpoint,
            first_ordinal=len(loaded.events),
        )
    )
    assert len(await hub.get_history("a")) == len(loaded.events) + 1


async def test_a_deleted_hub_is_empty_when_it_is_created_again(open_hub):
    hub = await open_hub(worker=False)
    await create(hub, "a")
    await hub.send(raised("a"))
    await hub.send(timer(OrchestrationInstance("a", "e"), 1, later(3600)))
    await hub.delete()
    again = await open_hub()
    assert await again.get_instance("a") is None
    assert (await again.query_instances(InstanceQuery())).instances == []
    await nothing_more(again, "a")


async def test_creating_a_hub_twice_changes_nothing(open_hub):
    hub = await open_hub()
    await create(hub, "a")
    await hub.create()
    assert await hub.get_instance("a") is not None
