"""Messages that were put off: they are recalled as long as they wait, and no longer."""

import asyncio
from collections.abc import Callable

import pytest
from hub_samples import raised, timer

from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.message_schedule import MessageSchedule, timer_key
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.testing import VirtualClock

SOON, LATER = 10_000_000, 36_000_000_000
TIMER = timer(OrchestrationInstance("a", "e"), 1, SOON)


def received(id: str, message: TaskMessage | None = None) -> ReceivedMessage:
    return ReceivedMessage(id, message or raised("a"), 1, 0, None)


def schedule_of(clock: VirtualClock) -> tuple[MessageSchedule, list[ReceivedMessage]]:
    delivered: list[ReceivedMessage] = []
    return MessageSchedule(clock, delivered.append), delivered


def test_what_was_put_off_for_an_instance_is_recalled_once_and_in_order() -> None:
    clock = VirtualClock()
    schedule, _ = schedule_of(clock)
    first, second, plain = received("1"), received("2"), received("3")
    schedule.add(clock.now() + LATER, first, is_postponed=True)
    schedule.add(clock.now() + SOON, second, is_postponed=True)
    schedule.add(clock.now() + SOON, plain)
    schedule.add(clock.now() + SOON, received("4", raised("b")), is_postponed=True)
    assert schedule.recall("a") == [first, second]
    assert schedule.recall("a") == []
    assert [one.id for one in schedule.messages()] == ["3", "4"]


def test_what_was_put_off_is_recalled_after_its_id_has_changed() -> None:
    clock = VirtualClock()
    schedule, _ = schedule_of(clock)
    message = received("expected-1")
    schedule.add(clock.now() + LATER, message, is_postponed=True)
    schedule.rename(message, "1")
    assert schedule.recall("a") == [message]
    assert list(schedule.messages()) == []


@pytest.mark.parametrize(
    "remove",
    [
        lambda schedule: schedule.remove("1"),
        lambda schedule: schedule.remove_where(lambda message: message.id == "1"),
        lambda schedule: schedule.remove_timer(timer_key(TIMER)),
    ],
    ids=["received again", "of a queue that is left", "a timer"],
)
def test_what_no_longer_waits_is_not_recalled(remove: Callable[[MessageSchedule], object]) -> None:
    clock = VirtualClock()
    schedule, _ = schedule_of(clock)
    schedule.add(clock.now() + LATER, received("1", TIMER), is_postponed=True)
    assert remove(schedule)
    schedule.add(clock.now() + LATER, received("1", TIMER))
    assert schedule.recall("a") == []


async def test_what_was_delivered_is_not_recalled() -> None:
    clock = VirtualClock()
    schedule, delivered = schedule_of(clock)
    message = received("1")
    schedule.add(clock.now() + SOON, message, is_postponed=True)
    running = asyncio.create_task(schedule.run())
    await clock.advance_to(clock.now() + SOON)
    assert delivered == [message]
    assert schedule.recall("a") == []
    running.cancel()
