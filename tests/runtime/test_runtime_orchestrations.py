"""Orchestrations from start to end over an embedded hub."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from runtime_world import App, Hosts, RecordingHub, codes, runtime_options

from durable_host.durable.engine import diagnostic as engine_codes
from durable_host.durable.model.events import EventRaised, ExecutionStarted, OrchestrationInstance
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.diagnostics import VERSION_REJECTED
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.testing import VirtualClock


async def test_chain_of_activities_completes(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("chain", "c", ["a", "b", "c"])
    assert await world.output("c") == ["Hello a", "Hello b", "Hello c"]


async def test_fan_out_of_1000_keeps_to_the_window(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app, window=128)
    await world.start("fan_out", "f", 1000)
    assert await world.output("f") == 1000
    assert 100 < world.hub.most_outstanding <= 128
    assert world.app.overlaps == 0


async def test_so_many_episodes_at_once_and_no_more(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app, options=runtime_options(max_concurrent_orchestrator_functions=3))
    gate = asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    app.before_episode = wait
    for number in range(8):
        await world.start("chain", f"c{number}")
    await world.until(lambda: len(app.running) == 3)
    gate.set()
    for number in range(8):
        await world.result(f"c{number}")
    assert app.most_running == 3
    assert app.overlaps == 0


async def test_messages_arriving_during_an_episode_are_one_batch(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)

    @app.orchestrator
    def three(context):
        values = []
        for _ in range(3):
            values.append((yield context.wait_for_external_event(f"E{len(values)}")))
        return values

    world = await hosts_restart(world, hosts, app)
    gate = asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    app.before_episode = wait
    await world.start("three", "t")
    await world.until(lambda: app.running)
    for number in range(3):
        await world.client.raise_event("t", f"E{number}", str(number))
    gate.set()
    assert await world.output("t") == [0, 1, 2]
    assert len(app.turns) <= 3


async def test_copies_of_an_event_in_one_batch_are_taken_once(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def two(context):
        return [(yield context.wait_for_external_event("E")), (yield context.wait_for_external_event("E"))]

    gate = asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    app.before_episode = wait
    world = await hosts.start(app)
    await world.start("two", "t")
    await world.until(lambda: app.running)
    for id, value in (("first", "1"), ("first", "1"), ("second", "2")):
        event = EventRaised(timestamp=world.clock.now(), name="E", input=value)
        await world.hub.send(TaskMessage(event, OrchestrationInstance("t"), id=id))
    gate.set()
    assert await world.output("t") == [1, 2]


async def hosts_restart(world, hosts: Hosts, app: App):
    """A host that knows functions registered meanwhile."""
    await world.runtime.stop()
    await world.hub.close()
    return await hosts.start(app)


async def test_event_before_the_wait_is_delivered(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def late(context):
        yield context.call_activity("hello", "x")
        return (yield context.wait_for_external_event("Approval"))

    world = await hosts.start(app)
    await world.start("late", "l")
    await world.client.raise_event("l", "Approval", "true")
    assert await world.output("l") is True


async def test_live_session_is_fed_only_what_is_new(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("chain", "c", [str(number) for number in range(30)])
    await world.result("c")
    loads = [one for one in world.hub.commits if one.instance_id == "c"]
    assert [one.first_ordinal for one in loads] == sorted(one.first_ordinal for one in loads)
    assert len(loads) == 31


async def test_instance_row_is_written_only_when_it_changes(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("chain", "c", ["a", "b", "c"])
    await world.result("c")
    assert [one.update is not None for one in world.hub.commits] == [True, False, False, True]


async def test_held_back_update_time_is_shown_at_once_and_written_at_the_stop(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def two(context):
        yield context.wait_for_external_event("A")
        yield context.wait_for_external_event("B")

    world = await hosts.start(app)
    await world.start("two", "t")
    await world.until(lambda: world.hub.commits)
    before = await world.client.get("t")
    await world.client.raise_event("t", "A", "1")
    await world.until(lambda: len(world.hub.commits) == 2)
    await world.until(lambda: not world.runtime.running_work_items)
    shown = await world.client.get("t")
    assert before is not None
    assert shown is not None
    assert shown.last_updated_time > before.last_updated_time
    await world.runtime.stop()
    assert world.hub.touched == ["t"]


async def test_events_for_a_live_instance_cost_no_read(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("approval", "a")
    await world.until(lambda: world.runtime.live.is_open("a"))
    world.hub.rows_read.clear()
    await world.client.raise_event("a", "Approval", "1")
    assert world.hub.rows_read == []
    await world.result("a")
    assert not world.runtime.live.is_open("a")


async def test_continue_as_new_for_1000_generations_does_not_grow(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def count(context):
        number = context.get_input()
        if number < 1000:
            if number % 100 == 0:
                yield context.call_activity("hello", str(number))
            context.continue_as_new(number + 1)
            return None
        yield context.call_activity("hello", "end")
        return number

    world = await hosts.start(app)
    await world.start("count", "e", 0)
    assert await world.output("e") == 1000
    assert len(await world.client.history("e")) < 20
    assert len(app.sessions) < 5


async def test_suspend_holds_events_until_resume(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("approval", "a")
    await world.until(lambda: world.hub.commits)
    await world.client.suspend("a", "pause")
    await world.until(lambda: len(world.hub.commits) == 2)
    state = await world.client.get("a")
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.Suspended
    await world.client.raise_event("a", "Approval", '"yes"')
    await world.until(lambda: len(world.hub.commits) == 3)
    await world.client.resume("a", "go")
    assert await world.output("a") == "yes"


async def test_suspend_and_resume_sent_at_once_leave_the_instance_running(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("approval", "a")
    await world.until(lambda: world.hub.commits)
    await world.client.resume("a", "it runs already")
    await world.client.suspend("a", "pause")
    await world.client.suspend("a", "pause, twice")
    await world.client.resume("a", "go")
    await world.client.raise_event("a", "Approval", '"yes"')
    assert await world.output("a") == "yes"


async def test_terminate_ends_a_running_instance(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("approval", "a")
    await world.until(lambda: world.hub.commits)
    await world.client.terminate("a", "enough")
    state = await world.result("a")
    assert state.runtime_status is OrchestrationStatus.Terminated
    assert state.output == "enough"


async def test_terminate_ends_an_instance_before_it_began(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    hour = 36_000_000_000
    await world.client.start("chain", instance_id="later", scheduled_start=world.clock.now() + hour)
    await world.client.terminate("later", "changed my mind")
    state = await world.result("later")
    assert state.runtime_status is OrchestrationStatus.Terminated
    assert state.output == "changed my mind"
    assert app.turns == []


async def test_unknown_activity_fails_the_task_with_the_known_names(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def typo(context):
        try:
            yield context.call_activity("helo", "x")
        except Exception as error:
            return str(error)

    world = await hosts.start(app)
    await world.start("typo", "t")
    assert "The function 'helo' doesn't exist" in await world.output("t")
    assert engine_codes.MISSING_FUNCTION in codes(world)


async def test_instance_whose_orchestrator_was_removed_fails(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("approval", "a")
    await world.until(lambda: world.hub.commits)
    del app.orchestrators["approval"]
    world = await hosts_restart(world, hosts, app)
    await world.client.raise_event("a", "Approval", "1")
    state = await world.result("a")
    assert state.runtime_status is OrchestrationStatus.Failed
    text = "Orchestrator function 'approval' failed: The function 'approval' doesn't exist"
    assert (state.output or "").startswith(text)


async def test_ended_instance_can_be_started_again_under_its_id(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    for name in ("a", "b"):
        await world.start("chain", "same", [name])
        assert await world.output("same") == [f"Hello {name}"]
    await world.client.restart("same", new_id="same")
    assert await world.output("same") == ["Hello b"]


async def test_running_instance_is_replaced_when_host_json_allows_it(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app, options=runtime_options(overridable_existing_instance_states="AnyState"))
    await world.start("approval", "a")
    await world.until(lambda: world.hub.commits)
    await world.start("chain", "a", ["new"])
    assert await world.output("a") == ["Hello new"]


async def test_of_starts_that_replaced_each_other_the_last_one_runs(app: App, hosts: Hosts) -> None:
    class Outdated(RecordingHub):
        """Delivers the first start of all in front of every later message, as a hub may that does not look first."""

        first: TaskMessage | None = None

        async def create_instance(self, start: TaskMessage, **more: Any) -> InstanceState:
            state = await super().create_instance(start, **more)
            self.first = self.first or start
            return state

        async def next_control_messages(self) -> list[ReceivedMessage]:
            while True:
                messages = await super().next_control_messages()
                assert self.first is not None
                begins = isinstance(messages[0].message.event, ExecutionStarted)
                if not begins or messages[0].message.event.generation:
                    return [ReceivedMessage(f"before {messages[0].id}", self.first, 1, 0, -1), *messages]

    hub = hosts.hub(Outdated)
    options = runtime_options(overridable_existing_instance_states="AnyState")
    world = await hosts.start(app, options=options, hub=hub)
    await world.start("chain", "a", ["first"])
    await world.start("approval", "a")
    await world.until(lambda: hub.commits)
    await world.client.raise_event("a", "Approval", '"second"')
    assert await world.output("a") == "second"
    await world.start("chain", "a", ["third"])
    assert await world.output("a") == ["Hello third"]
    names = [commit.update.started.name for commit in hub.commits if commit.update and commit.update.started]
    assert names == ["approval", "chain"]


async def test_sub_orchestrations_answer_their_parent(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def parent(context):
        first = yield context.call_sub_orchestrator("chain", ["x"], "child")
        second = yield context.task_all([context.call_sub_orchestrator("chain", [str(n)]) for n in range(5)])
        return [first, *second]

    world = await hosts.start(app)
    await world.start("parent", "p")
    assert await world.output("p") == [["Hello x"], *([f"Hello {n}"] for n in range(5))]
    parent_row, child_row = await world.hub.get_instance("p"), await world.hub.get_instance("child")
    assert (parent_row.parent_instance_id, child_row.parent_instance_id) == (None, "p")


async def test_child_whose_id_is_in_use_fails_the_call(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def parent(context):
        try:
            yield context.call_sub_orchestrator("chain", ["x"], "busy")
        except Exception as error:
            return str(error)

    world = await hosts.start(app)
    await world.start("approval", "busy")
    await world.until(lambda: world.hub.commits)
    await world.start("parent", "p")
    assert "already exists" in await world.output("p")


async def test_of_two_parents_that_start_one_child_at_once_one_fails(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator("approval", instance_id="kid"))

    class Together(RecordingHub):
        """Delivers the first two messages for the child in one piece."""

        kept: Sequence[ReceivedMessage] | None = ()

        async def next_control_messages(self) -> list[ReceivedMessage]:
            while True:
                messages = await super().next_control_messages()
                if self.kept is not None:
                    self.kept = [*self.kept, *(one for one in messages if one.message.target.instance_id == "kid")]
                    messages = [one for one in messages if one not in self.kept]
                    if len(self.kept) == 2:
                        messages, self.kept = [*messages, *self.kept], None
                if messages:
                    return messages

    clock = VirtualClock()
    world = await hosts.start(app, clock=clock, hub=hosts.hub(Together, clock))
    async with clock.auto_advance():
        for name in ("p1", "p2"):
            await world.start("parent", name)
        await world.until(lambda: any(commit.instance_id == "kid" for commit in world.hub.commits))
        ended = [
            state
            for name in ("p1", "p2")
            if (state := await world.client.wait_for_completion(name, 60.0, 60.0)) and state.runtime_status.is_terminal
        ]
        assert ["already exists" in str(state.output) for state in ended] == [True]
        await world.client.raise_event("kid", "Approval", "1")
        (other,) = {"p1", "p2"} - {state.instance_id for state in ended}
        assert await world.output(other) == 1


async def test_instance_of_another_version_waits_and_is_reported_once(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.client.start("chain", instance_id="v", version="2.0")
    await world.until(lambda: VERSION_REJECTED in codes(world))
    state = await world.client.get("v")
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.Pending
    assert app.turns == []


async def test_instance_of_another_version_fails_when_host_json_says_so(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app, options=runtime_options(version_failure_strategy="Fail", default_version="1.0"))
    await world.client.start("chain", instance_id="v", version="2.0")
    state = await world.result("v")
    assert state.runtime_status is OrchestrationStatus.Failed
    assert (state.output or "").startswith("VersionMismatch: ")


async def test_findings_of_the_engine_are_collected_in_one_place(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def deaf(context):
        yield context.call_activity("hello", "x")
        return "done"

    world = await hosts.start(app)
    heard = []
    world.runtime.diagnostics.subscribe(heard.append)
    gate = asyncio.Event()

    async def wait(*_: str) -> None:
        await gate.wait()

    app.before_activity = wait
    await world.start("deaf", "d")
    await world.until(lambda: world.hub.commits)
    await world.client.raise_event("d", "Nobody", "1")
    await world.until(lambda: len(world.hub.commits) == 2)
    gate.set()
    await world.result("d")
    assert [(one.code, one.instance_id, one.event_name) for one in heard] == [
        (engine_codes.EVENT_NEVER_CONSUMED, "d", "Nobody")
    ]
    assert world.runtime.diagnostics.recent() == heard


async def test_more_waiting_instances_than_sessions(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app, capacity=3)
    names = [f"a{number}" for number in range(12)]
    for name in names:
        await world.start("approval", name)
    await world.until(lambda: len(world.hub.commits) == 12)
    for name in names:
        await world.client.raise_event(name, "Approval", json.dumps(name))
    assert [await world.output(name) for name in names] == names


async def test_history_holds_what_happened(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("approval", "a")
    await world.client.raise_event("a", "Approval", "1")
    await world.result("a")
    kinds = [type(event) for event in await world.client.history("a")]
    assert kinds.count(ExecutionStarted) == kinds.count(EventRaised) == 1


async def test_rewound_instance_runs_the_failed_step_again(app: App, hosts: Hosts) -> None:
    attempts: list[str] = []

    @app.activity
    def flaky(name: str) -> str:
        attempts.append(name)
        if len(attempts) == 1:
            raise ValueError("first time")
        return name

    @app.orchestrator
    def two_steps(context):
        first = yield context.call_activity("hello", "a")
        second = yield context.call_activity("flaky", "b")
        return [first, second]

    world = await hosts.start(app)
    await world.start("two_steps", "r")
    assert (await world.result("r")).runtime_status is OrchestrationStatus.Failed
    await world.client.rewind("r", "fixed")
    assert await world.output("r") == ["Hello a", "b"]
    assert attempts == ["b", "b"]
