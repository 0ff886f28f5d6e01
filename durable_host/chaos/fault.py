"""An injected fault: what was done to which message."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

FaultKind = Literal[
    "duplicate-events",
    "redeliver-activities",
    "delay",
    "kill-worker",
    "lose-lease",
    "storage-errors",
    "kill-host",
    "reorder",
]

KILL_HOST: Final[FaultKind] = "kill-host"
"""Tests in virtual time only: the host ends at once and starts again."""

REORDER: Final[FaultKind] = "reorder"
"""Tests in virtual time only: something comes after everything else that is ready."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """The fault `kind` that happened to `target`, the `occurrence`-th time that this pair was decided (from 1).

    `target` names a message or a step in words, such as `event 'Approval' for instance 'order-7'`. `seconds` is the
    length of a delay. `share` (0 to 1, below 1) is a random number for the place where the fault happens, for example
    to choose how storage fails.
    """

    kind: FaultKind
    target: str
    occurrence: int = 1
    seconds: float = 0.0
    share: float = 0.0

    @property
    def text(self) -> str:
        """One sentence for people."""
        return _SENTENCES[self.kind].format(target=self.target, seconds=self.seconds)


def chosen(fault: Fault, options: tuple[str, ...]) -> str:
    """Return one of the options, by `fault.share`."""
    return options[int(fault.share * len(options))]


_SENTENCES: Mapping[FaultKind, str] = {
    "duplicate-events": "The {target} is delivered twice.",
    "redeliver-activities": "The {target} runs again, as if its result had been lost.",
    "delay": "The {target} is delayed by {seconds:.3g} s.",
    "kill-worker": "The worker process is killed while it runs the {target}.",
    "lose-lease": "The {target} is lost and acquired again.",
    "storage-errors": "The {target} fails.",
    "kill-host": "The host ends at the {target} and starts again.",
    "reorder": "The {target} comes after everything else that is ready.",
}
