"""Splits timers that are longer than storage can hold a message into several timers, one after the other.

Source: docs/protocol/durable-actions.md#timers
"""

import msgspec

from durable_host.durable.model.actions import TimerParts


class LongTimer(msgspec.Struct, frozen=True):
    """A timer that consists of parts. Times are in ticks."""

    fire_at: int
    parts: TimerParts

    def next_part(self, now: int) -> int:
        """Return when the part that begins now fires. The last part fires when the whole timer does."""
        is_last = self.fire_at - now <= self.parts.longest
        return self.fire_at if is_last else now + self.parts.part
