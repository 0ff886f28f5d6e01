"""Pauses between polls of an idle queue.

Source: docs/protocol/functions-host-queues.md#polling
"""

import random
from dataclasses import dataclass, field

SHORTEST = 0.1


@dataclass(slots=True)
class QueuePollBackoff:
    """Randomised, growing from 100 ms to `longest` seconds; any message resets it."""

    longest: float
    _empty_polls: int = field(default=0, init=False)

    def after_empty_poll(self) -> float:
        growth = min(self._empty_polls, 30)
        self._empty_polls += 1
        if growth == 0:
            return min(SHORTEST, self.longest)
        return min(self.longest, SHORTEST + random.uniform(0.8, 1.2) * 2 ** (growth - 1) * SHORTEST)

    def reset(self) -> None:
        self._empty_polls = 0
