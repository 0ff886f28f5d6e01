"""Results of activities, kept in memory until a commit consumes them.

Only the row of the request survives a crash, and then the activity runs again. The commit that consumes the result
deletes that row, so that a step takes only one transaction.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from itertools import count

from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.port import ReceivedMessage


class DirectResults:
    """Owns the results that no commit has consumed. The receipt of each is that of its request."""

    def __init__(self) -> None:
        self._open: dict[int, ReceivedMessage] = {}
        self._ready: deque[ReceivedMessage] = deque()
        self._parked: list[tuple[int, int, ReceivedMessage]] = []
        self._order = count()

    def add(self, request: ReceivedMessage, result: TaskMessage, now: int) -> None:
        received = ReceivedMessage(f"result-{request.id}", result, 1, now, request.receipt)
        self._open[request.receipt] = received
        self._ready.append(received)

    def is_ready(self, now: int) -> bool:
        """True when there is a result to take at `now` (ticks)."""
        return bool(self._ready) or (bool(self._parked) and self._parked[0][0] <= now)

    @property
    def next_due(self) -> int | None:
        """When the next released result is delivered again, or None."""
        return self._parked[0][0] if self._parked else None

    def take(self, now: int) -> list[ReceivedMessage]:
        """Return all results that are ready."""
        taken = list(self._ready)
        self._ready.clear()
        while self._parked and self._parked[0][0] <= now:
            taken.append(heapq.heappop(self._parked)[2])
        for one in taken:
            one.received_time = now
        return taken

    def owns(self, message: ReceivedMessage) -> bool:
        """True when a received message is one of these results."""
        known = self._open.get(message.receipt)
        return known is not None and known.id == message.id

    def release(self, message: ReceivedMessage, due: int) -> None:
        """Deliver a result again at `due`."""
        again = ReceivedMessage(message.id, message.message, message.dequeue_count + 1, due, message.receipt)
        self._open[message.receipt] = again
        heapq.heappush(self._parked, (due, next(self._order), again))

    def done(self, messages: Iterable[ReceivedMessage]) -> None:
        """Forget messages that were consumed or discarded."""
        for message in messages:
            if self.owns(message):
                del self._open[message.receipt]

    def leave(self) -> list[ReceivedMessage]:
        """Remove and return all results that no commit has consumed."""
        left = list(self._open.values())
        self._open.clear()
        self._ready.clear()
        self._parked.clear()
        return left
