"""Forged, stale and duplicated results: none completes a task or enters a history, and each is reported."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest
from msgspec.structs import replace
from runtime_world import App, Hosts, RecordingHub, World

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    SubOrchestrationInstanceCompleted,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.dropped_results import MAX_REPORTED
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.durable.user_code import WorkItemAborted

ACTIVITY, TIMER, CHILD, ENTITY = range(4)


@pytest.fixture
def waiting(app: App) -> App:
    """`waits` has an open activity, timer, child and entity call; its custom status says what ends first."""

    @app.activity
    def never(value: str) -> str:
        return value

    @app.orchestrator
    def child(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.wait_for_external_event("Go"))

    @app.entity
    def counter(context: df.DurableEntityContext) -> None:
        context.set_result(5)

    @app.orchestrator
    def waits(context: df.DurableOrchestrationContext) -> Any:
        tasks = [
            context.call_activity("never", "x"),
            context.create_timer(context.current_utc_datetime + timedelta(days=1)),
            context.call_sub_orchestrator("child", None, "child-of-a"),
            context.call_entity(df.EntityId("counter", "k"), "get"),
            context.wait_for_external_event("Done"),
        ]
        names = ["activity", "timer", "child", "entity", "event"]
        context.set_custom_status(names[tasks.index((yield context.task_any(tasks)))])

    async def nothing_ends(*_: str) -> None:
        raise WorkItemAborted("it is held back")

    app.before_activity = nothing_ends
    app.before_entity = nothing_ends
    return app


async def started(world: World) -> OrchestrationInstance:
    await world.start("waits", "a")
    await world.until(lambda: any(commit.instance_id == "a" for commit in world.hub.commits))
    commit = next(one for one in world.hub.commits if one.instance_id == "a")
    return OrchestrationInstance("a", commit.execution_id)


async def first_to_end(world: World) -> str | None:
    """What the instance says, once it has been given the event that it waits for."""
    await world.client.raise_event("a", "Done", "true")
    await world.until(lambda: said(world))
    return said(world)[0]


def said(world: World) -> list[str]:
    texts = [one.update.custom_status for one in world.hub.commits if one.instance_id == "a" and one.update]
    return [text for text in texts if text not in (None, "null")]


def forged(event: HistoryEvent, own: OrchestrationInstance, **changes: Any) -> TaskMessage:
    return replace(TaskMessage(event, own, own, 1, id=identity.new()), **changes)


CHILD_DONE = SubOrchestrationInstanceCompleted(task_scheduled_id=CHILD)
FORGERIES: dict[str, Callable[[OrchestrationInstance], TaskMessage]] = {
    "activity's result for a timer": lambda own: forged(TaskCompleted(task_scheduled_id=TIMER), own),
    "activity's failure for a child": lambda own: forged(TaskFailed(task_scheduled_id=CHILD), own),
    "activity's result for an entity": lambda own: forged(TaskCompleted(task_scheduled_id=ENTITY), own),
    "activity's result without an execution": lambda own: forged(
        TaskCompleted(task_scheduled_id=ACTIVITY), own, target=OrchestrationInstance("a")
    ),
    "activity's result of a call that was never committed": lambda own: forged(
        TaskCompleted(task_scheduled_id=ACTIVITY),
        own,
        id=identity.answer_to(identity.decided(own, 1, "TaskScheduled", ACTIVITY, ("other",))),
    ),
    "timer with another due time": lambda own: forged(TimerFired(timer_id=TIMER, fire_at=1), own),
    "timer for an activity": lambda own: forged(TimerFired(timer_id=ACTIVITY, fire_at=1), own),
    "child's end from a stranger": lambda own: forged(CHILD_DONE, own, sender=OrchestrationInstance("stranger")),
    "child's end for an activity": lambda own: forged(
        SubOrchestrationInstanceCompleted(task_scheduled_id=ACTIVITY),
        own,
        sender=OrchestrationInstance("child-of-a"),
    ),
}


@pytest.mark.parametrize("case", FORGERIES)
async def test_a_forged_result_completes_nothing(waiting: App, hosts: Hosts, case: str) -> None:
    world = await hosts.start(waiting)
    own = await started(world)
    await world.hub.send(FORGERIES[case](own))
    await world.until(lambda: reported(world))
    assert await first_to_end(world) == '"event"'
    history = await world.hub.get_history("a")
    assert not [one for one in history if isinstance(one, TaskCompleted | TaskFailed | TimerFired | type(CHILD_DONE))]
    [finding] = reported(world)
    assert (finding.instance_id, finding.severity, finding.function) == ("a", "warning", "waits")
    assert "was dropped. It does not complete" in finding.text


async def test_an_event_that_bears_the_id_of_a_request_answers_no_entity_call(waiting: App, hosts: Hosts) -> None:
    world = await hosts.start(waiting)
    await started(world)
    sent = next(
        message
        for commit in world.hub.commits
        for message in commit.outbound
        if message.target.instance_id == "@counter@k"
    )
    assert isinstance(sent.event, EventRaised)
    request = json.loads(sent.event.input or "")["id"]
    await world.client.raise_event("a", request, '{"result": "1"}')
    await world.until(lambda: reported(world))
    assert await first_to_end(world) == '"event"'
    assert "from a client was dropped" in reported(world)[0].text


def reported(world: World) -> list[Any]:
    return [one for one in world.runtime.diagnostics.recent() if one.code == codes.RESULT_DROPPED]


class Doubling(RecordingHub):
    """Delivers each result once more in the same batch, and again with every later message."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seen: list[TaskMessage] = []

    async def next_control_messages(self) -> list[ReceivedMessage]:
        messages = await super().next_control_messages()
        results = [one.message for one in messages if isinstance(one.message.event, TaskCompleted)]
        self.seen += results
        again = [ReceivedMessage(f"again {number}", one, 1, 0, -1) for number, one in enumerate(self.seen)]
        return [*messages, *again]


async def test_second_copies_of_results_do_not_enter_the_history(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    hub = hosts.hub(Doubling)
    world = await hosts.start(app, hub=hub)
    with caplog.at_level(logging.INFO):
        await world.start("chain", "a", ["x", "y", "z"])
        assert await world.output("a") == ["Hello x", "Hello y", "Hello z"]
    history = await world.hub.get_history("a")
    assert [one.task_scheduled_id for one in history if isinstance(one, TaskCompleted)] == [0, 1, 2]
    found = reported(world)
    assert {one.severity for one in found} == {"information"}
    assert len({one.text for one in found}) == len(found) > 0
    assert all("it was already answered" in one.text for one in found)
    lines = [one for one in caplog.records if codes.RESULT_DROPPED in one.getMessage()]
    assert {one.levelno for one in lines} == {logging.INFO}


async def test_many_misfits_of_one_instance_do_not_flood_the_log(waiting: App, hosts: Hosts) -> None:
    world = await hosts.start(waiting)
    own = await started(world)
    forgeries = [
        forged(event, own)
        for event in (
            TaskCompleted(task_scheduled_id=TIMER),
            TaskCompleted(task_scheduled_id=TIMER),
            TimerFired(timer_id=ACTIVITY, fire_at=1),
        )
        for _ in range(20)
    ]
    for message in forgeries:
        await world.hub.send(message)
    counts = world.runtime.diagnostics.counts
    await world.until(lambda: counts[codes.RESULT_DROPPED] == len(forgeries))
    assert len(reported(world)) == 2


async def test_results_of_calls_that_do_not_exist_are_dropped_in_the_end(waiting: App, hosts: Hosts) -> None:
    class Impatient(RecordingHub):
        async def abandon(self, messages: Any, /, *, delay: float | None = None) -> None:
            strangers = any(isinstance(one.message.event, TaskCompleted) for one in messages)
            await super().abandon(messages, delay=0.0 if strangers else delay)

    hub = hosts.hub(Impatient)
    world = await hosts.start(waiting, hub=hub)
    own = await started(world)
    for number in range(40, 40 + MAX_REPORTED + 5):
        await world.hub.send(forged(TaskCompleted(task_scheduled_id=number), own))
    counts = world.runtime.diagnostics.counts
    await world.until(lambda: counts[codes.RESULT_DROPPED] == MAX_REPORTED + 5)
    found = [one.text for one in reported(world)]
    assert len(found) == MAX_REPORTED + 1
    assert "the history contains no call 40" in found[0]
    assert "are not listed" in found[-1]


async def test_a_result_that_the_state_in_memory_does_not_expect_is_compared_with_storage(
    app: App, hosts: Hosts
) -> None:
    """Another host has gone on with the instance, and the partition has come back since."""

    class Elsewhere(RecordingHub):
        async def load_history(self, instance_id: str) -> Any:
            loads.append(instance_id)
            return await super().load_history(instance_id)

    loads: list[str] = []
    hub = hosts.hub(Elsewhere)
    world = await hosts.start(app, hub=hub)
    await world.start("approval", "a")
    await world.until(lambda: any(commit.instance_id == "a" for commit in hub.commits))
    commit = next(one for one in hub.commits if one.instance_id == "a")
    own = OrchestrationInstance("a", commit.execution_id)
    before = len(loads)
    await hub.send(forged(TaskCompleted(task_scheduled_id=0), own))
    await world.until(lambda: len(loads) > before)
    await world.client.raise_event("a", "Approval", '"yes"')
    assert await world.output("a") == "yes"
    assert not [one for one in await hub.get_history("a") if isinstance(one, TaskScheduled)]


async def test_a_dropped_result_is_not_noted_as_consumed_by_the_commit_that_makes_its_call(
    app: App, hosts: Hosts
) -> None:
    """A repeated episode makes the call once more, and its result has the identity of the one that was too early."""

    class TooEarly(RecordingHub):
        """Delivers a result of the first call together with the start, as often as a message is put off."""

        async def next_control_messages(self) -> list[ReceivedMessage]:
            messages = await super().next_control_messages()
            for one in messages:
                if isinstance(one.message.event, ExecutionStarted):
                    early = forged(TaskCompleted(task_scheduled_id=0, result='"early"'), one.message.target)
                    return [*messages, ReceivedMessage("early", early, 6, 0, -1)]
            return messages

    hub = hosts.hub(TooEarly)
    world = await hosts.start(app, hub=hub)
    await world.start("chain", "a", ["x"])
    assert await world.output("a") == ["Hello x"]
    assert "early" not in [message.id for commit in hub.commits for message in commit.consumed]
