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

    `target` names a message or a step in words, such as `event 'Approval' for instance 'order-7'`. These words are the
    same in each run with the same input, so that a run can be repeated; `instance_id` is the ID in this run. `seconds`
    is the length of a delay. `share` (from 0 to below 1) is a random number that chooses how the fault is done.
    """

    kind: FaultKind
    target: str
    occurrence: int = 1
    seconds: float = 0.0
    share: float = 0.0
    instance_id: str = ""

    @property
    def variant(self) -> str:
        """How the fault is done, one of `VARIANTS[kind]`."""
        variants = VARIANTS[self.kind]
        return variants[int(self.share * len(variants))]

    @property
    def text(self) -> str:
        """One sentence for people."""
        return _SENTENCES[self.kind][self.variant].format(target=self.target, seconds=self.seconds)


_ONLY: Final = ("",)
BEFORE: Final = "before"
AFTER: Final = "after"
REFUSED: Final = "refused"
TIMEOUT: Final = "time-out"
ANSWER_LOST: Final = "answer lost"

VARIANTS: Final[Mapping[FaultKind, tuple[str, ...]]] = {
    "duplicate-events": _ONLY,
    "redeliver-activities": (AFTER, BEFORE),
    "delay": _ONLY,
    "kill-worker": (BEFORE, AFTER),
    "lose-lease": _ONLY,
    "storage-errors": (REFUSED, TIMEOUT, ANSWER_LOST),
    "kill-host": _ONLY,
    "reorder": _ONLY,
}
"""How a fault may be done. An activity is delivered again after its result was recorded, or before, so that only the
second result counts. A worker is killed before or after it has run the function."""

_SENTENCES: Final[Mapping[FaultKind, Mapping[str, str]]] = {
    "duplicate-events": {"": "The {target} is delivered a second time."},
    "redeliver-activities": {
        AFTER: "The {target} is delivered a second time, after its result was recorded.",
        BEFORE: "The {target} is delivered a second time, because its first result is lost.",
    },
    "delay": {"": "The {target} is delayed by {seconds:.3g} s."},
    "kill-worker": {
        BEFORE: "The worker process is killed while it runs the {target}.",
        AFTER: "The worker process is killed before it returns the result of the {target}.",
    },
    "lose-lease": {"": "The {target} is lost and acquired again."},
    "storage-errors": {
        REFUSED: "Storage refuses the {target}: 503 Server Busy.",
        TIMEOUT: "Storage does not answer the {target} in time.",
        ANSWER_LOST: "Storage carries out the {target}, but its answer is lost.",
    },
    "kill-host": {"": "The host ends at the {target} and starts again."},
    "reorder": {"": "The {target} comes after everything else that is ready."},
}
