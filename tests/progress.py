"""A limit for work with many steps, whose total duration depends on the machine."""

import time


class Progress:
    """Stops when nothing has changed for `limit` seconds."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._last: object = None
        self._since = time.monotonic()

    def has_stopped(self, state: object) -> bool:
        """`state` is how far the work has come, as any value that can be compared."""
        now = time.monotonic()
        if state != self._last:
            self._last, self._since = state, now
        return now - self._since > self._limit
