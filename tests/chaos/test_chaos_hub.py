"""What a hub with faults does to messages, and that the runtime on top of it loses nothing."""

from collections.abc import Sequence
from typing import Any

import pytest
from chaos_world import ChaosWorld, chaos_world

from durable_host.chaos.fault import VARIANTS, Fault, FaultKind
from durable_host.durable.model.events import TaskCompleted
from durable_host.durable.taskhub.inspection import InspectableHub
from durable_host.durable.taskhub.port import ReceivedMessage, SearchableHub, TaskHubUnavailable
from durable_host.timestamp import TICKS_PER_SECOND

ALL = "duplicate-events=0.2,redeliver-activities=0.2,delay=0..20s,lose-lease=0.2,storage-errors=0.1"
EXPECTED: dict[str, Any] = {
    "chain": [0, 2, 4],
    "fan_out": [0, 2, 4, 6],
    "approval": 42,
    "family": [[0, 2, 4], [0, 2, 4, 6], [0, 2, 4, 6]],
    "counting": 2,
}


def fault(kind: FaultKind, target: str, variant: str = "", occurrence: int = 1, seconds: float = 0.0) -> Fault:
    variants = VARIANTS[kind]
    share = variants.index(variant) / len(variants) if variant else 0.0
    return Fault(kind=kind, target=target, occurrence=occurrence, share=share, seconds=seconds)


async def test_an_event_arrives_twice_and_the_copy_has_no_copy() -> None:
    async with chaos_world("duplicate-events=1") as world:
        await world.start("collect", "box-1")
        await world.raise_event("box-1", "Item", "a")
        await world.raise_event("box-1", "Item", "b")
        assert sorted(await world.output("box-1")) == ["a", "a", "b", "b"]
        assert world.targets("duplicate-events") == ["event 'Item' for instance 'box-1'"] * 2


async def test_a_signal_of_a_client_arrives_twice_but_a_call_of_an_orchestrator_once() -> None:
    async with chaos_world("duplicate-events=1") as world:
        await world.client.entities.signal("counter", "a", "add", '"5"')
        await world.start("counting", "c")
        assert await world.output("c") == 2
        await world.clock.sleep(10)
        entity = await world.client.entities.get("counter", "a")
        assert entity is not None
        assert entity.state == "10"
        assert world.targets("duplicate-events") == ["signal 'add' for entity '@counter@a'"]


@pytest.mark.parametrize("variant", ["after", "before"])
async def test_an_activity_runs_twice_and_its_task_completes_once(variant: str) -> None:
    target = "activity 'double' (task 1) of instance 'i'"
    async with chaos_world(schedule=[fault("redeliver-activities", target, variant)]) as world:
        await world.start("chain", "i")
        assert await world.output("i") == [0, 2, 4]
        await world.clock.sleep(3600)
        assert world.calls.count(1) == 2
        assert [event.task_scheduled_id for event in await completed(world, "i")] == [0, 1, 2]
        assert await world.messages() == []


async def test_an_activity_whose_first_result_is_lost_has_that_of_its_second_run() -> None:
    target = "activity 'double' (task 0) of instance 'i'"
    async with chaos_world(schedule=[fault("redeliver-activities", target, "before")]) as world:
        results = iter([1, 2, 3, 4])
        world.app.activities["double"] = lambda _: next(results)
        await world.start("chain", "i")
        assert await world.output("i") == [2, 3, 4]


async def test_a_delayed_message_arrives_later_than_one_that_was_sent_after_it() -> None:
    async with chaos_world(schedule=[fault("delay", "event 'Item' for instance 'i'", seconds=60)]) as world:
        await world.start("collect", "i")
        await world.raise_event("i", "Item", "first")
        await world.raise_event("i", "Item", "second")
        assert await world.output("i") == ["second", "first"]


async def test_a_delayed_timer_fires_late_and_a_delayed_activity_begins_late() -> None:
    late = [
        fault("delay", "timer 0 of instance 'i'", seconds=120),
        fault("delay", "activity 'double' (task 0) of instance 'c'", seconds=120),
    ]
    async with chaos_world(schedule=late) as world:
        begun = world.clock.now()
        await world.start("collect", "i")
        await world.start("chain", "c")
        took = [(await world.state(one)).last_updated_time - begun for one in ("c", "i")]
        assert [seconds // TICKS_PER_SECOND for seconds in took] == [120, 3600 + 120]


async def test_a_lost_session_is_replayed_from_its_history() -> None:
    async with chaos_world(schedule=[fault("lose-lease", "session of instance 'i'", occurrence=2)]) as world:
        await world.start("chain", "i")
        assert await world.output("i") == [0, 2, 4]
        assert len(world.faults) == 1
        assert world.calls == [0, 1, 2]


async def test_each_message_of_a_lost_session_is_released_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with chaos_world(schedule=[fault("lose-lease", "session of instance 'i'", occurrence=2)]) as world:
        released: list[tuple[Any, int]] = []
        abandon = world.plain.abandon

        async def recorded(messages: Sequence[ReceivedMessage], /, *, delay: float | None = None) -> None:
            released.extend((one.id, one.dequeue_count) for one in messages)
            await abandon(messages, delay=delay)

        monkeypatch.setattr(world.plain, "abandon", recorded)
        await world.start("chain", "i")
        assert await world.output("i") == [0, 2, 4]
        assert len(released) == len(set(released)) == 1


@pytest.mark.parametrize("variant", VARIANTS["storage-errors"])
async def test_a_client_sees_a_storage_error_and_knows_not_whether_its_call_had_an_effect(variant: str) -> None:
    target = "sending of the event 'Item' for instance 'i'"
    async with chaos_world(schedule=[fault("storage-errors", target, variant)]) as world:
        await world.start("collect", "i")
        with pytest.raises(TaskHubUnavailable):
            await world.client.raise_event("i", "Item", '"a"')
        assert await world.output("i") == (["a"] if variant == "answer lost" else [])


@pytest.mark.parametrize("variant", VARIANTS["storage-errors"])
@pytest.mark.parametrize(
    "target",
    ["loading of instance 'i'", "commit of instance 'i'", "result of the activity 'double' (task 0) of instance 'i'"],
)
async def test_the_runtime_gets_over_a_storage_error(target: str, variant: str) -> None:
    async with chaos_world(schedule=[fault("storage-errors", target, variant)]) as world:
        await world.start("chain", "i")
        assert await world.output("i") == [0, 2, 4]
        assert [one.target for one in world.faults] == [target]
        assert world.calls == [0, 1, 2]


async def test_storage_does_not_fail_where_its_requests_fail_instead() -> None:
    async with chaos_world("storage-errors=1") as world:
        world.hub._calls._is_on = False
        await world.start("chain", "i")
        assert await world.output("i") == [0, 2, 4]


async def test_children_are_named_after_their_parents() -> None:
    async with chaos_world("redeliver-activities=1") as world:
        await world.start("family", "order-7")
        await world.state("order-7")
        first = world.faults[0]
        assert first.target == "activity 'double' (task 0) of instance 'order-7/0'"
        assert first.instance_id.endswith(":0")


async def test_a_run_can_be_repeated_with_its_seed_or_its_faults() -> None:
    async def run(**how: Any) -> set[tuple[str, str, int, float]]:
        async with chaos_world(**how) as world:
            await drive(world)
            return {(one.kind, one.target, one.occurrence, one.seconds) for one in world.faults}

    faults: list[Fault] = []
    async with chaos_world(ALL, 7) as world:
        await drive(world)
        faults = world.faults
    known = {(one.kind, one.target, one.occurrence, one.seconds) for one in faults}
    assert {one[0] for one in known} == {
        "duplicate-events", "redeliver-activities", "delay", "lose-lease", "storage-errors"
    }  # fmt: skip
    assert await run(chaos=ALL, seed=7) == known
    assert await run(schedule=faults) == known


@pytest.mark.parametrize("seed", range(25))
async def test_nothing_is_lost_under_all_faults(seed: int) -> None:
    async with chaos_world(ALL, seed) as world:
        await drive(world)
        outputs = {name: await world.output(name) for name in EXPECTED}
        assert outputs == EXPECTED, "\n".join(one.text for one in world.faults)
        seen = await world.output("collect")
        assert set(seen) == {1, 2, 3}
        # A client whose call had an effect without its knowing sends the event again.
        resent = [one for one in world.faults if one.target.startswith("sending") and one.variant == "answer lost"]
        copies = [one for one in world.faults if one.kind == "duplicate-events"]
        assert len(seen) == 3 + sum("'Item'" in one.target for one in (*copies, *resent))
        await world.clock.sleep(5 * 24 * 3600)
        assert await world.messages() == []


async def test_the_hub_offers_what_the_dashboard_asks_for() -> None:
    async with chaos_world() as world:
        assert isinstance(world.hub, SearchableHub)
        assert isinstance(world.hub, InspectableHub)
        assert [queue.name for queue in await world.hub.queues()]


async def drive(world: ChaosWorld) -> None:
    """Start all workflows, send their events, and wait for the ends."""
    for name in (*EXPECTED, "collect"):
        await world.start(name, name)
    await world.raise_event("approval", "Approval", 21)
    for number in (1, 2, 3):
        await world.raise_event("collect", "Item", number)
    for name in (*EXPECTED, "collect"):
        await world.state(name)


async def completed(world: ChaosWorld, instance_id: str) -> list[TaskCompleted]:
    return [event for event in await world.plain.get_history(instance_id) if isinstance(event, TaskCompleted)]
