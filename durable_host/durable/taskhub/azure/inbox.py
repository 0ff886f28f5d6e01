"""Received messages that wait for the runtime."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from durable_host.durable.taskhub.port import ReceivedMessage


class Inbox:
    """An in-memory queue that counts the callers that wait for messages.

    `demand` is set whenever a caller starts to wait.
    """

    def __init__(self) -> None:
        self._ready: deque[ReceivedMessage] = deque()
        self._arrived = asyncio.Event()
        self._failure: Exception | None = None
        self.waiting = 0
        self.demand = asyncio.Event()

    def __iter__(self) -> Iterator[ReceivedMessage]:
        return iter(self._ready)

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def wanted(self) -> int:
        """The number of waiting callers beyond the messages that are here."""
        return max(0, self.waiting - len(self._ready))

    def put(self, message: ReceivedMessage) -> None:
        self._ready.append(message)
        self._arrived.set()

    def fail(self, failure: Exception) -> None:
        """Raise `failure` in every call that has to wait, until `resume`."""
        self._failure = failure
        self._arrived.set()

    def resume(self) -> None:
        self._failure = None

    async def take_all(self) -> list[ReceivedMessage]:
        """Wait for messages and return all that are there, at least one."""
        await self._wait()
        messages = list(self._ready)
        self._ready.clear()
        return messages

    async def take(self, most: int) -> list[ReceivedMessage]:
        """Wait for messages and return at least one, at most `most`."""
        await self._wait()
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    def remove_where(self, unwanted: Callable[[ReceivedMessage], bool]) -> list[ReceivedMessage]:
        """Remove and return messages that no caller has taken yet."""
        removed = [message for message in self._ready if unwanted(message)]
        self._ready = deque(message for message in self._ready if not unwanted(message))
        return removed

    async def _wait(self) -> None:
        if self._ready:
            return
        self.waiting += 1
        self.demand.set()
        try:
            while not self._ready:
                if self._failure is not None:
                    raise self._failure
                self._arrived.clear()
                await self._arrived.wait()
        finally:
            self.waiting -= 1
