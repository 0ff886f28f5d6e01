"""Which requests fail, and how: drawn from the seed, with a different mixture for each seed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from request_labels import LABELS

from durable_host.testing.memory_storage.storage_exchange import StorageRequest


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one attempt of a request.

    `kind` is one of: `refused`, `broken`, `silent`, `answered` (before it takes effect), `broken after`,
    `silent after`, `answered after` (after it), `late` (the connection breaks, it takes effect a little later), `slow`,
    `slow after`. `status` and `code` are those of an answer.
    """

    kind: str
    status: int = 0
    code: str = ""
    delay: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.status or ''} {self.code}".strip()


PASSING = (408, 429, 500, 503)
_CODES = {408: "RequestTimeout", 429: "TooManyRequests", 500: "InternalError", 503: "ServerBusy"}
_ANY = ((403, "AuthorizationFailure"), (409, "OperationInProgress"))
_TABLE = (*_ANY, (400, "InvalidInput"), (404, "TableNotFound"), (413, "RequestBodyTooLarge"))
_QUEUE = (*_ANY, (400, "InvalidInput"), (404, "QueueNotFound"))
_WRITES = (
    "commit",
    "row.write",
    "put.control",
    "put.work",
    "delete.control",
    "delete.work",
    "update.control",
    "partitions.write",
)
REFUSALS: dict[str, tuple[tuple[int, str], ...]] = {
    "commit": (*_TABLE, (412, "UpdateConditionNotSatisfied")),
    "history.read": _TABLE[:4],
    "row.write": (*_TABLE, (412, "UpdateConditionNotSatisfied")),
    "row.read": _TABLE[:4],
    "partitions.read": _TABLE[:4],
    "partitions.write": (*_TABLE[:4], (412, "UpdateConditionNotSatisfied")),
    "tables.create": _ANY,
    "put.control": (*_QUEUE, (413, "RequestBodyTooLarge")),
    "put.work": (*_QUEUE, (413, "RequestBodyTooLarge")),
    "get.control": _QUEUE,
    "get.work": _QUEUE,
    "delete.control": (*_QUEUE, (404, "MessageNotFound"), (400, "PopReceiptMismatch")),
    "delete.work": (*_QUEUE, (404, "MessageNotFound"), (400, "PopReceiptMismatch")),
    "update.control": (*_QUEUE, (404, "MessageNotFound"), (400, "PopReceiptMismatch")),
    "update.work": (*_QUEUE, (404, "MessageNotFound"), (400, "PopReceiptMismatch")),
    "queues.create": _ANY,
    "lease": (*_ANY, (404, "ContainerNotFound"), (412, "LeaseIdMismatchWithContainerOperation")),
    "blob.write": (*_ANY, (404, "ContainerNotFound")),
    "blob.read": ((403, "AuthorizationFailure"),),
    "blob.delete": _ANY,
}
KINDS = ("refused", "broken", "silent", "answered", "broken after", "silent after", "answered after", "late", "slow",
         "slow after", "refusal")  # fmt: skip
_WHOLE_CALL = 6
"""Attempts that the product's transport makes at most."""


@dataclass(slots=True)
class _Window:
    """A fault that holds for a while: of all requests with this label, on one host or on all."""

    label: str
    fault: Fault
    begins: float
    ends: float
    host: str | None
    left: int


class RequestFaults:
    """Draws the faults of a run. `intensity` 0 gives none. Nothing begins to fail while `paused`;
    `under_way` are the requests that still do.
    """

    def __init__(self, random: Random, time: Callable[[], float], intensity: float) -> None:
        self.paused = False
        self.under_way = 0
        self.happened: Counter[str] = Counter()
        self._random = random
        self._time = time
        self._rates: dict[str, float] = {}
        self._kinds: list[str] = []
        self._windows: list[_Window] = []
        self._repeats: dict[tuple[str, str, str, bytes], tuple[Fault, int]] = {}
        self._left = 0
        if intensity:
            self._draw(intensity)

    @property
    def is_used_up(self) -> bool:
        return self._left <= 0 and not self._repeats

    def end(self) -> None:
        """No more faults from now on."""
        self._left = 0
        self._windows.clear()
        self._repeats.clear()

    def of(self, host: str, request: StorageRequest, label: str) -> Fault | None:
        """The fault of this attempt."""
        if self.paused or (self._left <= 0 and not self._repeats):
            return None
        key = (host, request.method, f"{request.service}{request.path}{sorted(request.query.items())}", request.body)
        repeated = self._repeats.pop(key, None)
        if repeated is not None:
            fault, left = repeated
            if left > 1:
                self._repeats[key] = (fault, left - 1)
            return fault
        fault = self._of_window(host, label)
        if fault is None and self._left > 0 and self._random.random() < self._rates.get(label, 0.0):
            fault = self._one(label)
            attempts = self._random.choice((1, 1, 1, 2, 3, _WHOLE_CALL, _WHOLE_CALL, 2 * _WHOLE_CALL))
            if attempts > 1 and not fault.kind.startswith(("slow", "silent")) and not _is_refusal(fault):
                self._repeats[key] = (fault, attempts - 1)
        if fault is not None:
            self._left -= 1
            self.happened[f"{label}: {fault}"] += 1
        return fault

    def _draw(self, intensity: float) -> None:
        random = self._random
        self._left = random.randint(1, 30)
        self._kinds = random.sample(KINDS, random.randint(1, len(KINDS)))
        wanted = LABELS if random.random() < 0.4 else _WRITES
        labels = random.sample(wanted, random.randint(1, min(6, len(wanted))))
        self._rates = {label: intensity * random.choice((0.02, 0.1, 0.3)) for label in labels}
        for _ in range(random.choice((0, 0, 0, 1, 2))):
            begins = random.uniform(0.0, 20.0)
            label = random.choice(labels)
            fault = self._one(label)
            # What storage refuses again and again because of its data, the product gives up: that is no mistake.
            most = 2 if fault.status in (400, 413) else 12
            self._windows.append(_Window(label, fault, begins, begins + random.choice((1.0, 5.0, 25.0)), None, most))

    def _of_window(self, host: str, label: str) -> Fault | None:
        now = self._time()
        for window in self._windows:
            if window.label == label and window.begins <= now < window.ends and window.host in (None, host):
                window.left -= 1
                if window.left >= 0:
                    return window.fault
        return None

    def _one(self, label: str) -> Fault:
        random = self._random
        kind = random.choice(self._kinds)
        if kind == "refusal":
            status, code = random.choice(REFUSALS[label])
            return Fault("answered", status, code)
        if kind.startswith("answered"):
            status = random.choice(PASSING)
            return Fault(kind, status, _CODES[status])
        if kind == "late":
            return Fault(kind, delay=random.choice((0.01, 0.5, 3.0)))
        if kind.startswith("slow"):
            return Fault(kind, delay=random.choice((0.3, 3.0, 12.0, 28.0)))
        return Fault(kind)


def _is_refusal(fault: Fault) -> bool:
    return fault.kind == "answered" and fault.status not in PASSING
