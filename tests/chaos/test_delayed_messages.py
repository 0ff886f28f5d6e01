"""Messages that arrive later than they were received."""

import asyncio

import pytest

from durable_host.chaos.delayed_messages import DelayedMessages
from durable_host.durable.model.events import EventRaised, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.testing import VirtualClock


def received(id: str) -> ReceivedMessage:
    return ReceivedMessage(id, TaskMessage(EventRaised(name=id), OrchestrationInstance("i")), 1, 0, id)


class Queue:
    """A queue of IDs; an ID that is a number is delayed by that number of seconds."""

    def __init__(self, clock: VirtualClock) -> None:
        self.ready: asyncio.Queue[str | Exception] = asyncio.Queue()
        self.delayed = DelayedMessages(self._receive, self._delay_of, clock)

    async def _receive(self) -> list[ReceivedMessage]:
        one = await self.ready.get()
        if isinstance(one, Exception):
            raise one
        return [received(one)]

    def _delay_of(self, message: ReceivedMessage) -> float:
        return float(message.id) if message.id.isdigit() else 0.0

    async def next(self) -> list[str]:
        return [message.id for message in await self.delayed.next()]


async def test_messages_are_returned_when_they_are_due() -> None:
    clock = VirtualClock()
    queue = Queue(clock)
    for id in ("20", "10", "now"):
        queue.ready.put_nowait(id)
    async with clock.auto_advance():
        assert [await queue.next() for _ in range(3)] == [["now"], ["10"], ["20"]]


async def test_a_message_that_is_added_is_returned_at_once() -> None:
    queue = Queue(VirtualClock())
    waiting = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    queue.delayed.add(received("again"))
    assert await waiting == ["again"]


async def test_a_limit_leaves_the_rest_for_the_next_call() -> None:
    queue = Queue(VirtualClock())
    for id in ("a", "b"):
        queue.delayed.add(received(id))
    assert [[one.id for one in await queue.delayed.next(1)] for _ in range(2)] == [["a"], ["b"]]


async def test_a_message_that_arrives_while_the_caller_gives_up_is_kept() -> None:
    queue = Queue(VirtualClock())
    waiting = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    queue.ready.put_nowait("a")
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    if queue.ready.empty():  # It was received, and nobody else has it.
        assert await queue.next() == ["a"]


async def test_an_error_of_the_hub_reaches_the_caller() -> None:
    queue = Queue(VirtualClock())
    queue.ready.put_nowait(ValueError("gone"))
    queue.ready.put_nowait("a")
    with pytest.raises(ValueError, match="gone"):
        await queue.next()
    assert await queue.next() == ["a"]


async def test_messages_are_forgotten_when_the_hub_releases_them() -> None:
    clock = VirtualClock()
    queue = Queue(clock)
    queue.ready.put_nowait("10")
    queue.ready.put_nowait("now")
    async with clock.auto_advance():
        assert await queue.next() == ["now"]
        queue.delayed.clear()
        queue.ready.put_nowait("20")
        assert await queue.next() == ["20"]
