"""Back-off between polls of an idle queue, and of a message given back.

Source: docs/protocol/task-hub-storage-queues.md#poll-back-off,
    docs/protocol/task-hub-storage-queues.md#messages-given-back
"""

import random
from dataclasses import dataclass

SHORTEST = 0.05
MAX_ABANDON_DELAY = 600.0


@dataclass(slots=True)
class HubPollBackoff:
    """Seconds to wait after each empty poll: nothing, then `SHORTEST`, then doubling with jitter up to `longest`."""

    longest: float
    misses: int = 0

    def after_empty_poll(self) -> float:
        self.misses += 1
        if self.misses == 1:
            return 0.0
        if self.misses == 2:
            return min(SHORTEST, self.longest)
        exponent = self.misses - 3
        if exponent > 24:
            return self.longest
        return min(self.longest, SHORTEST + random.uniform(0.8, 1.2) * 2**exponent * SHORTEST)

    def reset(self) -> None:
        self.misses = 0


def abandon_delay(dequeue_count: int) -> float:
    """How long a message that is given back stays away."""
    return MAX_ABANDON_DELAY if dequeue_count > 30 else min(2.0**dequeue_count, MAX_ABANDON_DELAY)
