"""Pauses between polls of an idle queue.

Source: docs/protocol/task-hub-storage-queues.md#poll-back-off, docs/protocol/functions-host-queues.md#polling
"""

import random
from dataclasses import dataclass, field

_MOST_DOUBLINGS = 30


@dataclass(slots=True)
class PollBackoff:
    """Seconds to wait after each empty poll: `shortest`, then increasing with jitter up to `longest`. Work resets it.

    After the first `immediate` empty polls in a row, there is no wait.
    """

    shortest: float
    longest: float
    immediate: int = 0
    _misses: int = field(default=0, init=False)

    def after_empty_poll(self) -> float:
        doublings = self._misses - self.immediate - 1
        self._misses += 1
        if doublings < -1:
            return 0.0
        if doublings < 0:
            return min(self.shortest, self.longest)
        growth = random.uniform(0.8, 1.2) * 2 ** min(doublings, _MOST_DOUBLINGS)
        return min(self.longest, self.shortest * (1 + growth))

    def reset(self) -> None:
        self._misses = 0
