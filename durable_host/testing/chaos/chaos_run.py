"""One run of a test with faults: what is injected, and what happened."""

import logging
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar

from durable_host.chaos.fault import Fault, FaultKind
from durable_host.chaos.injector import Injector, Record, ScheduledInjector, SeededInjector
from durable_host.testing.chaos.rates import RunRates

_log = logging.getLogger("Host.Chaos")
_MOST_FOR_A_TARGET = 5


class ChaosRun:
    """The faults of one run of a test: by a seed, or those of a schedule. It is an `Injector` until the run is over.

    `faults` are those that have happened.
    """

    def __init__(self, number: int, seed: int | None = None) -> None:
        self.number = number
        self.seed = seed
        self.faults: list[Fault] = []
        self._injector: Injector = ScheduledInjector((), self._happened)
        self._is_over = False

    @classmethod
    def seeded(cls, rates: RunRates, seed: int, number: int) -> "ChaosRun":
        """The faults that `seed` chooses."""
        run = cls(number, seed)
        run._injector = _BoundedInjector(rates, seed, run._happened)
        return run

    @classmethod
    def scheduled(cls, faults: Iterable[Fault], number: int) -> "ChaosRun":
        """Exactly these faults."""
        run = cls(number)
        run._injector = ScheduledInjector(faults, run._happened)
        return run

    @contextmanager
    def active(self) -> Generator[None]:
        """In this block, apps in virtual time start with the faults of this run. After it, none happens any more."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)
            self._is_over = True

    def happens(self, kind: FaultKind, target: str, *, instance_id: str = "") -> Fault | None:
        """See `Injector.happens`."""
        return None if self._is_over else self._injector.happens(kind, target, instance_id=instance_id)

    def delay(self, target: str, *, instance_id: str = "") -> float:
        """See `Injector.delay`."""
        return 0.0 if self._is_over else self._injector.delay(target, instance_id=instance_id)

    def _happened(self, fault: Fault) -> None:
        self.faults.append(fault)
        _log.info("Chaos: %s", fault.text, extra={"instance_id": fault.instance_id} if fault.instance_id else None)


class _BoundedInjector(SeededInjector):
    """Injects each kind of fault a few times at most for each target, so that every test comes to its end."""

    def __init__(self, rates: RunRates, seed: int, record: Record) -> None:
        super().__init__(rates, seed, record)
        self._happened: Counter[tuple[FaultKind, str]] = Counter()

    def happens(self, kind: FaultKind, target: str, *, instance_id: str = "") -> Fault | None:
        """See `Injector.happens`."""
        if self._happened[kind, target] >= _MOST_FOR_A_TARGET:
            return None
        fault = super().happens(kind, target, instance_id=instance_id)
        if fault is not None:
            self._happened[kind, target] += 1
        return fault


_active: ContextVar[ChaosRun | None] = ContextVar("chaos run of this test", default=None)


def active_run() -> ChaosRun | None:
    """The run that this test is in, or None."""
    return _active.get()
