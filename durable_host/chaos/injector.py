"""Decides which faults happen."""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from durable_host.chaos.fault import Fault, FaultKind
from durable_host.chaos.spec import ChaosSpec

Record = Callable[[Fault], None]

_REMEMBERED = 50_000
_RANGE = 2**53


class Injector(Protocol):
    """Decides whether faults happen, and records those that do.

    A decision is about a `target`, a message or a step in words. Call it only where the fault can be done, because a
    fault that happens is recorded.
    """

    def happens(self, kind: FaultKind, target: str, *, instance_id: str = "") -> Fault | None:
        """Return the fault of this kind that happens to `target` now, or None. `instance_id` is for the log."""
        ...

    def delay(self, target: str, *, instance_id: str = "") -> float:
        """Return by how many seconds `target` is delayed."""
        ...


class SeededInjector:
    """Decides by a hash of the seed, the kind, the target and how often this kind was decided for this target.

    So a decision does not depend on the order of the calls: a run with the same seed and the same messages has the same
    faults, however its tasks are scheduled. It forgets targets without a recent decision.
    """

    def __init__(self, rates: ChaosSpec, seed: int, record: Record) -> None:
        self.spec = rates
        self.seed = seed
        self._record = record
        self._occurrences = Occurrences()

    def happens(self, kind: FaultKind, target: str, *, instance_id: str = "") -> Fault | None:
        """See `Injector.happens`."""
        rate = self.spec.rate(kind)
        if rate <= 0:
            return None
        occurrence = self._occurrences.next(kind, target)
        number, share = self._numbers(kind, target, occurrence)
        if number >= rate:
            return None
        fault = Fault(
            kind=kind,
            target=target,
            occurrence=occurrence,
            share=int(share * 1000) / 1000,
            instance_id=instance_id,
        )
        self._record(fault)
        return fault

    def delay(self, target: str, *, instance_id: str = "") -> float:
        """See `Injector.delay`."""
        shortest, longest = self.spec.delay
        if longest <= 0:
            return 0.0
        occurrence = self._occurrences.next("delay", target)
        number, other = self._numbers("delay", target, occurrence)
        seconds = round(shortest + (longest - shortest) * number, 3)
        if other >= self.spec.rate("delay"):
            return 0.0
        if seconds > 0:
            fault = Fault(kind="delay", target=target, occurrence=occurrence, seconds=seconds, instance_id=instance_id)
            self._record(fault)
        return seconds

    def _numbers(self, kind: FaultKind, target: str, occurrence: int) -> tuple[float, float]:
        """Two random numbers from 0 to below 1."""
        text = f"{self.seed}\n{kind}\n{target}\n{occurrence}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        first, second = digest[:8], digest[8:]
        return (int.from_bytes(first) >> 11) / _RANGE, (int.from_bytes(second) >> 11) / _RANGE


class ScheduledInjector:
    """Injects exactly the faults of a list, each once: those of an earlier run, or some of them."""

    def __init__(self, faults: Iterable[Fault], record: Record) -> None:
        self._faults = {(fault.kind, fault.target, fault.occurrence): fault for fault in faults}
        self._record = record
        self._occurrences = Occurrences()

    def happens(self, kind: FaultKind, target: str, *, instance_id: str = "") -> Fault | None:
        """See `Injector.happens`."""
        fault = self._faults.get((kind, target, self._occurrences.next(kind, target)))
        if fault is None:
            return None
        fault = msgspec.structs.replace(fault, instance_id=instance_id)
        self._record(fault)
        return fault

    def delay(self, target: str, *, instance_id: str = "") -> float:
        """See `Injector.delay`."""
        fault = self.happens("delay", target, instance_id=instance_id)
        return 0.0 if fault is None else fault.seconds


class Occurrences:
    """Counts how often each kind was decided for each target, for the latest targets."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()

    def next(self, kind: FaultKind, target: str) -> int:
        """Return the number of this decision, from 1."""
        key = (kind, target)
        number = self._counts.pop(key, 0) + 1
        self._counts[key] = number
        if len(self._counts) > self._remembered:
            self._counts.popitem(last=False)
        return number


class FaultCounts:
    """Counts the faults by kind, in the order in which the kinds happened first."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, fault: Fault) -> None:
        """Count a fault."""
        self._counts[fault.kind] += 1

    def __str__(self) -> str:
        """Such as `3 faults (duplicate-events 2, kill-worker 1)`."""
        total = self._counts.total()
        kinds = ", ".join(f"{kind} {count}" for kind, count in self._counts.items())
        return f"{total} fault{'' if total == 1 else 's'}{f' ({kinds})' if kinds else ''}"
