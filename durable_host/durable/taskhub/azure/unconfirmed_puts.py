"""Consumed messages that may be in their queue although their put has failed.

The history contains them, so their copies are dropped. But other kinds of workers do not know copies, so before such a
worker may receive messages, this process waits until it has deleted the copy, or knows that there is none.

Source: docs/protocol/task-hub-storage-additions.md#messages-to-itself
"""

import time
from collections.abc import Callable

from durable_host.durable.taskhub.azure.pending_put import PendingPut


class UnconfirmedPuts:
    """The failed puts of consumed messages, by the identity of the message."""

    def __init__(self) -> None:
        self._by_id: dict[str, PendingPut] = {}

    def add(self, id: str, put: PendingPut) -> None:
        """Add the put of a message that a commit has consumed."""
        self._by_id[id] = put

    def take(self, id: str | None) -> bool:
        """Forget a message that its queue has delivered. False if it is none of these."""
        return id is not None and self._by_id.pop(id, None) is not None

    def emptied(self, queue: str, began: float) -> None:
        """Forget the messages that a poll would have received, because it returned everything that was visible.

        `began` is when the poll began, in monotonic seconds.
        """
        self._forget(lambda put: put.queue == queue and put.visible_from <= began)

    def seconds_left(self, queue: str) -> float | None:
        """Return the seconds until the last one in a queue is visible, or None if there is none."""
        times = [put.visible_from for put in self._by_id.values() if put.queue == queue]
        return max(0.0, max(times) - time.monotonic()) if times else None

    def forget(self, queue: str) -> None:
        """Forget the messages of a queue that this process no longer polls."""
        self._forget(lambda put: put.queue == queue)

    def clear(self) -> None:
        self._by_id.clear()

    def _forget(self, is_over: Callable[[PendingPut], bool]) -> None:
        for id in [id for id, put in self._by_id.items() if is_over(put)]:
            del self._by_id[id]
