"""The put of a message that the runtime has received while the put is still on its way.

Such a message may be consumed by a commit before it is in its queue. If the put then fails, the message counts as sent
if a commit has written what it caused. Otherwise it is withdrawn: no commit may consume it any more.

Source: docs/protocol/task-hub-storage-additions.md#messages-to-itself
"""

import asyncio
import math
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from durable_host.durable.taskhub.port import MessageWithdrawn

_LATE = 1.0
"""How many seconds after a failed put its request may still be carried out."""


class PendingPut:
    """How far the put and the commit of one message are.

    `has_failed` is set if storage has not confirmed the put; copies of the message may be in its queue nevertheless.
    They are visible from `visible_from` on (monotonic seconds), unless the service carries out a request more than a
    second after this process has given it up. `is_writing` is true while a commit that consumes the message is written.
    """

    __slots__ = (
        "_changed",
        "_hidden",
        "has_arrived",
        "has_failed",
        "is_committed",
        "is_writing",
        "queue",
        "visible_from",
    )

    def __init__(self, queue: str, hidden: float) -> None:
        """`hidden` is the visibility timeout in seconds."""
        self.queue = queue
        self.has_arrived = False
        self.has_failed = False
        self.is_committed = False
        self.is_writing = False
        self.visible_from = 0.0
        self._hidden = math.ceil(hidden)
        self._changed = asyncio.Event()

    @property
    def is_withdrawn(self) -> bool:
        """True if the put has failed and no commit has consumed the message, so that none may do so any more."""
        return self.has_failed and not (self.has_arrived or self.is_committed or self.is_writing)

    @property
    def is_durable(self) -> bool:
        """True if the message is in its queue, or a commit has consumed it."""
        return self.has_arrived or self.is_committed

    def arrived(self) -> None:
        """Record that the message is in its queue."""
        self.has_arrived = True
        self._changed.set()

    def failed(self) -> None:
        """Record that the put failed. A commit that is being written decides about the message, if there is one."""
        self.has_failed = True
        self.visible_from = time.monotonic() + self._hidden + _LATE
        self._changed.set()

    async def decided(self) -> None:
        """Wait until the message is in its queue, was committed although its put failed, or was withdrawn."""
        while not (self.has_arrived or (self.has_failed and not self.is_writing)):
            await self._next_change()

    def begin_write(self) -> None:
        """Record that a commit that consumes the message is being written. It decides about the message."""
        self.is_writing = True

    def end_write(self, *, is_committed: bool) -> None:
        """Record how that has ended."""
        self.is_writing = False
        self.is_committed = self.is_committed or is_committed
        self._changed.set()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


@contextmanager
def committing(puts: Sequence[PendingPut]) -> Generator[None]:
    """Guard the write that consumes these messages: it decides about those whose put fails meanwhile.

    Raises MessageWithdrawn at the beginning of the block.
    """
    require_none_withdrawn(puts)
    for one in puts:
        one.begin_write()
    is_committed = False
    try:
        yield
        is_committed = True
    finally:
        for one in puts:
            one.end_write(is_committed=is_committed)


def require_none_withdrawn(puts: Sequence[PendingPut]) -> None:
    """Raise MessageWithdrawn if one of these messages was withdrawn."""
    if any(one.is_withdrawn for one in puts):
        raise MessageWithdrawn("A message was received, but could not be stored.", delay=0.0)
