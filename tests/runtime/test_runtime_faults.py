"""Failures around the runtime: aborts, crashes, storage, broken instances."""

import asyncio
import json
import logging
from collections.abc import Sequence
from datetime import timedelta

import azure.durable_functions as df
import msgspec
import pytest
from runtime_world import App, Hosts, RecordingHub, World, codes

from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionSuspended,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    TimerFired,
)
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.diagnostics import UNREADABLE_HISTORY, WORK_ITEM_FAILED
from durable_host.durable.taskhub.port import (
    Checkpoint,
    CommitConflict,
    EpisodeCommit,
    ReceivedMessage,
    TaskHubUnavailable,
    UnreadableHistory,
)
from durable_host.invocation.errors import WorkerLost
from durable_host.testing import VirtualClock


async def test_aborted_episode_runs_again(app: App, virtual_hosts: Hosts) -> None:
    world = await virtual_hosts.start(app)
    losses = [WorkerLost("The worker ended."), WorkerLost("The worker ended.")]

    async def lose(_: str) -> None:
        if losses:
            raise losses.pop()

    app.before_episode = lose
    await world.start("chain", "c", ["a"])
    assert await world.output("c") == ["Hello a"]
    assert not losses


async def test_aborted_activity_runs_again(app: App, virtual_hosts: Hosts) -> None:
    world = await virtual_hosts.start(app)
    losses = [WorkerLost("The worker ended.")]

    async def lose(*_: str) -> None:
        if losses:
            raise losses.pop()

    app.before_activity = lose
    await world.start("chain", "c", ["a"])
    assert await world.output("c") == ["Hello a"]


async def test_aborted_activity_runs_again_after_an_outage(app: App, virtual_hosts: Hosts) -> None:
    class Down(RecordingHub):
        async def abandon(self, messages: Sequence[ReceivedMessage], *, delay: float | None = None) -> None:
            self._fail("abandon")
            await super().abandon(messages, delay=delay)

    def prepare(hub: RecordingHub) -> None:
        hub.faults = {"abandon": [TaskHubUnavailable("down"), TaskHubUnavailable("still down")]}

    losses = [WorkerLost("The worker ended.")]

    async def lose(*_: str) -> None:
        if losses:
            raise losses.pop()

    app.before_activity = lose
    world = await virtual_hosts.start(app, prepare=prepare, hub=virtual_hosts.hub(Down))
    await world.start("chain", "c", ["a"])
    assert await world.output("c") == ["Hello a"]
    assert not world.hub.faults["abandon"]


async def test_failing_activity_fails_the_orchestration(app: App, hosts: Hosts) -> None:
    @app.activity
    def boom(_: str) -> None:
        raise ValueError("no luck")

    @app.orchestrator
    def doomed(context):
        yield context.call_activity("boom", "x")

    world = await hosts.start(app)
    await world.start("doomed", "d")
    state = await world.result("d")
    assert state.runtime_status is OrchestrationStatus.Failed
    assert "Activity function 'boom' failed: ValueError: no luck" in (state.output or "")


async def test_crash_loses_no_instance(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    names = [f"a{number}" for number in range(30)]
    for name in names:
        await world.start("approval", name)
    for name in names[:10]:
        await world.client.raise_event(name, "Approval", "1")
    await world.start("fan_out", "f", 50)
    await world.until(lambda: len(world.hub.commits) > 15)
    await world.crash()
    world = await hosts.start(app)
    for name in names[10:]:
        await world.client.raise_event(name, "Approval", "2")
    assert [await world.output(name) for name in names] == [1] * 10 + [2] * 20
    assert await world.output("f") == 50


async def test_start_counts_instances_in_flight_and_restores_their_timers(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def patient(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(days=1))

    world = await hosts.start(app)
    await world.start("patient", "p")
    await world.start("chain", "done")
    await world.result("done")
    await world.until(lambda: any(one.instance_id == "p" for one in world.hub.commits))
    await world.crash()
    world = await hosts.start(app)
    assert await world.runtime.in_flight() == 1
    await world.until(lambda: world.hub.restored)
    (message,) = world.hub.restored
    assert isinstance(message.event, TimerFired)
    assert message.target.instance_id == "p"
    assert message.target.execution_id
    assert message.due == message.event.fire_at > world.clock.now()


async def test_storage_outage_is_waited_out_and_said_once(
    app: App, virtual_hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    outage = [TaskHubUnavailable("The table service does not answer.") for _ in range(2)]

    def prepare(hub: RecordingHub) -> None:
        hub.faults = {
            "commit": outage,
            "complete_activity": [TaskHubUnavailable("The queue service does not answer.")],
            "next_control_messages": [TaskHubUnavailable("The queue service does not answer.")],
        }

    with caplog.at_level(logging.INFO, "Host.Storage"):
        world = await virtual_hosts.start(app, prepare=prepare)
        await world.start("chain", "c", ["a"])
        assert await world.output("c") == ["Hello a"]
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING and one.name == "Host.Storage"]
    losses = [one for one in warnings if "is not available; work continues when it is" in one.message]
    recoveries = [one for one in warnings if "is available again" in one.message]
    assert 1 <= len(losses) == len(recoveries) <= 3
    assert not outage


async def test_broken_instance_is_named_and_harms_no_other(app: App, hosts: Hosts) -> None:
    def prepare(hub: RecordingHub) -> None:
        hub.faults = {
            "load_history bad": [ZeroDivisionError("bug")] * 5,
            "load_history unreadable": [UnreadableHistory("Row 7 of 'unreadable' is no event.")] * 5,
        }

    world = await hosts.start(app, prepare=prepare)
    for name in ("bad", "unreadable", "good"):
        await world.start("chain", name, [name])
    assert await world.output("good") == ["Hello good"]
    await world.until(lambda: len(codes(world)) >= 2)
    found = {(one.code, one.instance_id) for one in world.runtime.diagnostics.recent()}
    assert found == {(WORK_ITEM_FAILED, "bad"), (UNREADABLE_HISTORY, "unreadable")}
    assert len(world.hub.faults["load_history bad"]) >= 3


async def test_commit_of_another_host_makes_the_session_load_again(app: App, virtual_hosts: Hosts) -> None:
    def prepare(hub: RecordingHub) -> None:
        hub.faults = {"commit": [CommitConflict("somebody else was faster")]}

    world = await virtual_hosts.start(app, prepare=prepare)
    await world.start("chain", "c", ["a"])
    assert await world.output("c") == ["Hello a"]
    assert not world.hub.faults["commit"]


class WatchedHub(RecordingHub):
    """Counts the starts that are done with."""

    starts_done = 0

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        checkpoint = await super().commit(episode)
        self._note(episode.consumed)
        return checkpoint

    async def discard(self, messages: Sequence[ReceivedMessage]) -> None:
        await super().discard(messages)
        self._note(messages)

    def _note(self, messages: Sequence[ReceivedMessage]) -> None:
        self.starts_done += sum(isinstance(one.message.event, ExecutionStarted) for one in messages)


async def test_copy_of_a_start_leaves_the_row_of_an_instance_that_another_host_has_ended(
    app: App, hosts: Hosts
) -> None:
    hub = hosts.hub(WatchedHub)
    world = await hosts.start(app, hub=hub)
    await world.start("approval", "a")
    await world.until(lambda: hub.commits)
    loaded = await hub.load_history("a")
    started = next(event for event in loaded.events if isinstance(event, ExecutionStarted))
    own = started.orchestration_instance
    now = world.clock.now()
    await hub.commit(
        EpisodeCommit(
            instance_id="a",
            execution_id=own.execution_id or "",
            checkpoint=loaded.checkpoint,
            first_ordinal=len(loaded.events),
            events=[ExecutionCompleted(timestamp=now, result='"approved"')],
            outbound=(),
            update=InstanceUpdate(
                execution_id=own.execution_id or "",
                last_updated_time=now,
                runtime_status=OrchestrationStatus.Completed,
                output='"approved"',
                completed_time=now,
            ),
            consumed=(),
        )
    )
    await hub.send(TaskMessage(started, own, id=identity.new()))
    await world.until(lambda: hub.starts_done == 2)
    assert await world.output("a") == "approved"


async def test_row_of_an_instance_that_was_suspended_before_its_first_episode_is_repaired(
    app: App, hosts: Hosts
) -> None:
    hub = hosts.hub(WatchedHub)
    world = await hosts.start(app, hub=hub)
    own, now = OrchestrationInstance("a", "1" * 32), world.clock.now()
    started = ExecutionStarted(timestamp=now, name="approval", orchestration_instance=own)
    await hub.commit(
        EpisodeCommit(
            instance_id="a",
            execution_id="1" * 32,
            checkpoint=(await hub.load_history("a")).checkpoint,
            first_ordinal=0,
            events=[
                OrchestratorStarted(timestamp=now),
                started,
                ExecutionSuspended(timestamp=now),
                OrchestratorCompleted(timestamp=now),
            ],
            outbound=(),
            update=InstanceUpdate(
                execution_id="1" * 32,
                last_updated_time=now,
                started=started,
                runtime_status=OrchestrationStatus.Pending,
            ),
            consumed=(),
        )
    )
    await hub.send(TaskMessage(started, own, id=identity.new()))
    await world.until(lambda: hub.starts_done or codes(world))
    assert not codes(world)
    row = await hub.get_instance("a")
    assert row is not None
    assert row.runtime_status is OrchestrationStatus.Suspended


class TornHub(RecordingHub):
    """Writes the messages and the first `kept` events of one commit of `torn`, no row, and says that it failed."""

    torn, kept = "", 0

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        if episode.instance_id != self.torn:
            return await super().commit(episode)
        self.torn = ""
        part = msgspec.structs.replace(episode, events=episode.events[: self.kept], update=None, consumed=())
        await super().commit(part)
        raise TaskHubUnavailable("the connection was lost")


async def test_partly_written_episode_is_completed(app: App, virtual_hosts: Hosts) -> None:
    @app.entity
    def collect(context):
        context.set_state([*context.get_state(list), context.get_input()])

    @app.orchestrator
    def signals(context):
        for number in range(10):
            context.signal_entity(df.EntityId("collect", "k"), "add", number)
        return "sent"
        yield

    hub = virtual_hosts.hub(TornHub)
    hub.torn, hub.kept = "s", 6
    world = await virtual_hosts.start(app, hub=hub)
    await world.start("signals", "s")
    assert await world.output("s") == "sent"
    history = [event.event_name for event in await hub.get_history("s")]
    assert history.count("EventSent") == 10
    entity = None
    async with asyncio.timeout(20):
        while entity is None or len(entity.state or "") < 30:
            await asyncio.sleep(0.001)
            entity = await world.client.entities.get("collect", "k")
    assert json.loads(str(entity.state)) == list(range(10))


async def test_child_whose_first_row_was_not_written_can_be_found(app: App, virtual_hosts: Hosts) -> None:
    @app.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator("approval", "input", instance_id="kid"))

    hub = virtual_hosts.hub(TornHub)
    hub.torn, hub.kept = "kid", 1000
    world = await virtual_hosts.start(app, hub=hub)
    await world.start("parent", "p")
    await world.until(lambda: world.hub.commits and not hub.torn)
    child = None
    async with asyncio.timeout(20):
        while child is None:
            await asyncio.sleep(0.001)
            child = await hub.get_instance("kid")
    assert (child.name, child.runtime_status) == ("approval", OrchestrationStatus.Running)
    assert child.created_time > 0
    assert json.loads(json.loads(str(child.input))) == "input"


async def test_row_that_missed_the_last_generation_is_repaired(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def twice(context):
        if context.get_input() == "again":
            return "over"
        yield context.wait_for_external_event("Go")
        context.continue_as_new("again")

    clock = VirtualClock()
    hub = hosts.hub(TornHub, clock)
    world = await hosts.start(app, hub=hub, clock=clock)
    async with clock.auto_advance():
        await world.start("twice", "t")
        await world.until(lambda: hub.commits)
        hub.torn, hub.kept = "t", 1000
        await world.client.raise_event("t", "Go", "1")
        await world.until(lambda: not hub.torn)
        event = EventRaised(timestamp=clock.now(), name="x", input="1")
        await hub.send(TaskMessage(event, OrchestrationInstance("t")))
        assert await world.output("t") == "over"


async def test_row_that_missed_the_end_is_repaired_by_the_next_message(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("chain", "c", ["a"])
    done = await world.result("c")
    await world.lose_end("c")
    event = EventRaised(timestamp=world.clock.now(), name="x", input="1")
    await world.hub.send(TaskMessage(event, OrchestrationInstance("c")))
    repaired = await world.result("c")
    assert (repaired.runtime_status, repaired.output) == (OrchestrationStatus.Completed, done.output)


async def test_messages_for_missing_instances_are_discarded(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    event = EventRaised(timestamp=world.clock.now(), name="x", input="1")
    await world.hub.send(TaskMessage(event, OrchestrationInstance("nobody")))
    await world.start("chain", "c", ["a"])
    await world.result("c")
    await world.runtime.stop()
    await world.hub.start()
    await world.hub.send(TaskMessage(event, OrchestrationInstance("marker")))
    received = await world.hub.next_control_messages()
    assert [one.message.target.instance_id for one in received] == ["marker"]


async def test_stop_lets_running_activities_finish(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    gate, begun = asyncio.Event(), asyncio.Event()

    async def wait(*_: str) -> None:
        begun.set()
        await gate.wait()

    app.before_activity = wait
    await world.start("chain", "c", ["a"])
    await begun.wait()
    stopping = asyncio.ensure_future(world.runtime.stop(60.0))
    await asyncio.sleep(0)
    assert not stopping.done()
    gate.set()
    await stopping
    app.before_activity = None
    await world.hub.close()
    calls_before = world.hub.outstanding
    world = await hosts.start(app)
    assert await world.output("c") == ["Hello a"]
    assert calls_before == 0


async def test_stop_releases_what_does_not_finish_in_time(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    begun, never = asyncio.Event(), asyncio.Event()

    async def wait(*_: str) -> None:
        begun.set()
        await never.wait()

    app.before_activity = wait
    await world.start("chain", "c", ["a"])
    await begun.wait()
    await world.runtime.stop(0.0)
    await world.runtime.stop(0.0)
    await world.hub.close()
    app.before_activity = None
    world = await hosts.start(app)
    assert await world.output("c") == ["Hello a"]


async def test_code_that_lost_its_session_is_replayed(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("approval", "a")
    await world.until(lambda: world.hub.commits)
    app.sessions = type(app.sessions)()
    await world.client.raise_event("a", "Approval", "1")
    assert await world.output("a") == 1


async def test_status_that_a_crash_left_behind_is_mended_by_the_next_episode(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def patient(context):
        yield context.wait_for_external_event("One")
        yield context.wait_for_external_event("Two")

    world = await hosts.start(app)
    await world.start("patient", "p")
    await world.until(lambda: world.hub.commits)
    running = await world.hub.get_instance("p")
    assert running is not None
    await world.crash()
    stale = InstanceUpdate(
        execution_id=str(running.execution_id),
        last_updated_time=running.last_updated_time,
        runtime_status=OrchestrationStatus.Pending,
    )
    world = await hosts.start(app)
    await world.hub.commit(
        EpisodeCommit(
            instance_id="p",
            execution_id=stale.execution_id,
            checkpoint=(await world.hub.load_history("p")).checkpoint,
            first_ordinal=0,
            events=(),
            outbound=(),
            update=stale,
            consumed=(),
            expected_row=running,
        )
    )
    commits = len(world.hub.commits)
    await world.client.raise_event("p", "One", "1")
    await world.until(lambda: len(world.hub.commits) > commits)
    mended = await world.hub.get_instance("p")
    assert mended is not None
    assert mended.runtime_status is OrchestrationStatus.Running


async def test_instance_that_cannot_be_purged_is_left_and_named(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    class Stubborn(RecordingHub):
        async def purge_instance(self, instance_id: str) -> bool:
            if instance_id in stuck:
                raise TaskHubUnavailable(f"{instance_id} is stuck")
            return await super().purge_instance(instance_id)

    world = await hosts.start(app, hub=hosts.hub(Stubborn))
    stuck = {"c2"}
    for number in range(6):
        await world.start("chain", f"c{number}", ["a"])
        await world.result(f"c{number}")
    assert await world.client.purge_by(0) == 5
    assert "The instance 'c2' was not purged: c2 is stuck" in caplog.text
    with pytest.raises(TaskHubUnavailable):
        await world.client.purge_by(0)


async def _lose_the_wake_up_of_a_rewind(app: App, hosts: Hosts) -> World:
    """The hub without a worker; it holds the instance `d`, which is rewound, and nothing that wakes it."""

    @app.activity
    def flaky(name: str) -> str:
        if not attempts:
            attempts.append(name)
            raise ValueError("first time")
        return name

    @app.orchestrator
    def doomed(context):
        return (yield context.call_activity("flaky", "x"))

    attempts: list[str] = []
    world = await hosts.start(app)
    await world.start("doomed", "d")
    await world.result("d")
    await world.runtime.stop()
    await world.hub.rewind("d", "lost")
    await world.hub._database.run(lambda connection: connection.execute("DELETE FROM messages"))
    return world


async def test_rewind_that_a_crash_interrupted_continues_at_the_next_start(app: App, hosts: Hosts) -> None:
    world = await _lose_the_wake_up_of_a_rewind(app, hosts)
    await world.hub.close()
    world = await hosts.start(app)
    assert await world.output("d") == "x"


async def test_a_rewind_that_failed_halfway_can_be_repeated(app: App, hosts: Hosts) -> None:
    world = await _lose_the_wake_up_of_a_rewind(app, hosts)
    await world.client.rewind("d", "again")
    await world.hub.close()
    world = await hosts.start(app)
    assert await world.output("d") == "x"
