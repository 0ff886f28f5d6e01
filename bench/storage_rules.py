"""Which storage calls the proxy makes fail, and how."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from bench.storage_calls import Kind, StorageCall

PATIENCE = 60.0
"""Seconds that a test waits for a call."""


@dataclass(frozen=True)
class Fail:
    """Answer `status` (0: cut the connection) instead of sending the request, or `after` it has taken effect."""

    status: int = 500
    after: bool = False
    code: str = ""


@dataclass(frozen=True)
class Repeat:
    """Send the request twice and return the second answer, like a transport that lost the first one."""


@dataclass(frozen=True)
class Delay:
    """Send the request later."""

    seconds: float


@dataclass(frozen=True)
class Hold:
    """Hold the request, before or `after` it has taken effect, until the rule is lifted. Then cut the connection."""

    after: bool = False


@dataclass(frozen=True)
class Freeze:
    """Block all calls of the family from this call until `thaw`. The call itself takes effect only with `after`.
    The storage is then as if the process had died at this call. The answer is 503, but 404 for deletes and renewals of
    messages, because a host that retries them cannot process others. Messages of the family are withheld: a host that
    receives them repeatedly would increase their dequeue counts and thereby their delays.
    """

    after: bool = False


Action = Fail | Repeat | Delay | Hold | Freeze


class Rule:
    """Applies `action` to `times` calls (None: all, until `lift`) after skipping the first `skip` that match.

    A call matches by its kind, the family of its instances, the end of its place, the event of its message, and
    `condition`; None matches any. `call` is the last call that it was applied to, `hits` is the number of such calls.
    """

    def __init__(
        self,
        action: Action,
        *,
        kind: Kind | None = None,
        family: str | None = None,
        place: str = "",
        event: str | None = None,
        condition: Callable[[StorageCall], bool] | None = None,
        skip: int = 0,
        times: int | None = 1,
    ) -> None:
        self.action = action
        self.family = family
        self.hits = 0
        self.call: StorageCall | None = None
        self._kind = kind
        self._place = place
        self._event = event
        self._condition = condition
        self._skip = skip
        self._left = times
        self._lifted = threading.Event()
        self._changed = threading.Condition()

    def applies(self, call: StorageCall) -> bool:
        """Whether the action applies to this call. Counts the matching call."""
        if self._lifted.is_set() or self._left == 0:
            return False
        if self._kind not in (None, call.kind) or self._event not in (None, call.event):
            return False
        if self.family is not None and self.family not in call.families:
            return False
        if not call.place.endswith(self._place) or (self._condition is not None and not self._condition(call)):
            return False
        if self._skip:
            self._skip -= 1
            return False
        if self._left is not None:
            self._left -= 1
        return True

    def hit(self, call: StorageCall) -> None:
        """Record that the action was applied."""
        with self._changed:
            self.call = call
            self.hits += 1
            self._changed.notify_all()

    def wait(self, hits: int = 1, limit: float = PATIENCE) -> None:
        """Wait until the action was applied `hits` times. Fails after `limit` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.hits >= hits, limit):
                raise AssertionError(f"{self.action} was applied {self.hits} times, not {hits}")

    def lift(self) -> None:
        """Stop applying the rule and release the requests that it holds."""
        self._lifted.set()

    @property
    def is_lifted(self) -> bool:
        return self._lifted.is_set()
