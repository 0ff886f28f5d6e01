"""Messages of one queue that the runtime receives later than the hub has delivered them."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from itertools import count
from typing import Any

from durable_host.clock import Clock
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.timestamp import TICKS_PER_SECOND

_MOST_HELD = 1000
"""With so many delayed messages, no further ones are received."""


class DelayedMessages:
    """Receives with `receive`, and returns each message `delay_of` seconds later.

    The hub keeps delayed messages invisible to others, like all received messages. Stopping its worker role releases
    them; call `clear` then.
    """

    def __init__(
        self,
        receive: Callable[[], Coroutine[Any, Any, list[ReceivedMessage]]],
        delay_of: Callable[[ReceivedMessage], float],
        clock: Clock,
    ) -> None:
        self._receive = receive
        self._delay_of = delay_of
        self._clock = clock
        self._held: list[tuple[int, int, ReceivedMessage]] = []
        self._order = count()
        self._is_added = asyncio.Event()

    def add(self, message: ReceivedMessage) -> None:
        """Return a message as soon as possible."""
        self._hold(message, 0)
        self._is_added.set()

    def clear(self) -> None:
        """Forget all messages."""
        self._held.clear()

    async def next(self, limit: int | None = None) -> list[ReceivedMessage]:
        """Wait for messages and return those that are due, at most `limit` and at least one."""
        while not (due := self._due(limit)):
            await self._wait()
        return due

    def _hold(self, message: ReceivedMessage, seconds: float) -> None:
        due = self._clock.now() + round(seconds * TICKS_PER_SECOND)
        heapq.heappush(self._held, (due, next(self._order), message))

    def _due(self, limit: int | None) -> list[ReceivedMessage]:
        now = self._clock.now()
        due: list[ReceivedMessage] = []
        while self._held and self._held[0][0] <= now and len(due) != limit:
            due.append(heapq.heappop(self._held)[2])
        return due

    async def _wait(self) -> None:
        """Wait until messages are received or added, or until a delayed one is due."""
        self._is_added.clear()
        receiving = asyncio.ensure_future(self._receive()) if len(self._held) < _MOST_HELD else None
        others: list[Awaitable[object]] = [self._is_added.wait()]
        if self._held:
            others.append(self._clock.sleep_until(self._held[0][0]))
        waits = [asyncio.ensure_future(other) for other in others]
        try:
            await asyncio.wait([*waits, *_tasks(receiving)], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*waits, *_tasks(receiving)):
                task.cancel()
            await asyncio.gather(*waits, *_tasks(receiving), return_exceptions=True)
            if receiving is not None and not receiving.cancelled() and receiving.exception() is None:
                for message in receiving.result():
                    self._hold(message, self._delay_of(message))
        if receiving is not None and not receiving.cancelled():
            receiving.result()


def _tasks(task: "asyncio.Future[list[ReceivedMessage]] | None") -> "Iterable[asyncio.Future[list[ReceivedMessage]]]":
    return () if task is None else (task,)
