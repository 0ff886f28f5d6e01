"""The puts of delivered messages that storage has not confirmed: after a failed put, the message may be in its queue.

If a commit has consumed such a message, its copies are dropped. But workers of other backends do not know copies, so
before such a worker may receive messages, this process waits until the put has succeeded or its message was withdrawn.
After any other failure it waits until it has received all copies, or knows that there is none.

Source: docs/protocol/task-hub-storage-additions.md#messages-to-itself
"""

import time
from collections.abc import Callable

from durable_host.durable.taskhub.azure.pending_put import PendingPut


class UnconfirmedPuts:
    """The puts that are on their way or have failed, by the identity of the message."""

    def __init__(self) -> None:
        self._by_id: dict[str, PendingPut] = {}

    def add(self, id: str, put: PendingPut) -> None:
        """Add a put that begins now."""
        self._by_id[id] = put

    def confirmed(self, id: str) -> None:
        """Forget a put that has succeeded."""
        self._by_id.pop(id, None)

    def is_copy(self, id: str | None) -> bool:
        """True for a message whose put has failed, and which a commit has consumed. There may be several copies."""
        put = self._by_id.get(id) if id is not None else None
        return put is not None and put.has_failed and put.is_committed

    def postpone(self, queue: str, seconds: float) -> None:
        """Record that copies may have been received but released, and are visible again in `seconds`."""
        visible = time.monotonic() + seconds
        for put in self._by_id.values():
            if put.queue == queue and put.has_failed:
                put.visible_from = max(put.visible_from, visible)

    def emptied(self, queue: str, began: float) -> None:
        """Forget the failed puts whose copies were received: a poll returned everything that was visible.

        `began` is when the poll began, in monotonic seconds.
        """
        self._forget(lambda put: put.queue == queue and put.has_failed and put.visible_from <= began)

    def seconds_left(self, queue: str) -> float | None:
        """Return the seconds until the last copy in a queue is visible, or None if there is none to wait for.

        It is 0 if a put has not ended yet.
        """
        times = [put.visible_from for put in self._by_id.values() if put.queue == queue and not put.is_withdrawn]
        return max(0.0, max(times) - time.monotonic()) if times else None

    def forget(self, queue: str) -> None:
        """Forget the puts into a queue that this process no longer polls."""
        self._forget(lambda put: put.queue == queue)

    def clear(self) -> None:
        self._by_id.clear()

    def _forget(self, is_over: Callable[[PendingPut], bool]) -> None:
        for id in [id for id, put in self._by_id.items() if is_over(put)]:
            del self._by_id[id]
