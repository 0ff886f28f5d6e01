"""Stops an app that works without end while virtual time stands still.

Time passes only when nothing is left to do. An orchestrator that continues as new without waiting, or a function that
writes to its own queue, would keep a test from ever continuing.
"""

from collections import Counter

from durable_host import timestamp
from durable_host.clock import Clock
from durable_host.errors import HostError
from durable_host.testing.error_notes import with_notes

MOST_RUNS = 10_000
"""More than any app needs at the same time. The runs in which an orchestrator only receives results do not count."""


class EndlessWork(HostError):
    """The app works without end while virtual time stands still. It does nothing more until the next reset."""

    code = "DH3061"


class WorkBound:
    """Counts runs that cause further ones. It starts again when a second has passed, or nothing is left to do.

    Until then, one thing may happen `MOST_RUNS` times; afterwards the app `is_stopped`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._executions: dict[str, str] = {}
        self._since = clock.now()
        self._endless: tuple[str, int] | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether nothing may run any more."""
        return self._endless is not None

    def execution_begins(self, instance_id: str, execution_id: str, orchestrator: str) -> None:
        """Count an execution of an orchestrator: the first one of an instance, or a later one."""
        last = self._executions.get(instance_id)
        if last is None:
            self._count(f"The orchestrator '{orchestrator}' has been started")
        elif last != execution_id:
            self._counts.pop(_asking(instance_id, orchestrator), None)
            self._count(f"The instance '{instance_id}' ({orchestrator}) has continued as new")
        self._executions[instance_id] = execution_id

    def instance_asks(self, instance_id: str, orchestrator: str) -> None:
        """Count a run in which the current execution of an instance has called or awaited something new."""
        self._count(_asking(instance_id, orchestrator))

    def entity_runs(self, name: str, key: str) -> None:
        """Count a batch of operations of an entity."""
        self._count(f"The entity '@{name.lower()}@{key}' has run")

    def function_runs(self, name: str) -> None:
        """Count a run of a function that is not a durable one."""
        self._count(f"The function '{name}' has run")

    def look(self, next_due: int | None) -> None:
        """Nothing is left to do now, and time may pass until `next_due`. Raises EndlessWork if the app is stopped."""
        if self._endless is not None:
            raise _failure(*self._endless)
        if next_due is None or next_due >= self._since + timestamp.TICKS_PER_SECOND:
            self._begin_again()

    def _count(self, what: str) -> None:
        if self._clock.now() >= self._since + timestamp.TICKS_PER_SECOND:
            self._begin_again()
        self._counts[what] += 1
        if self._counts[what] > MOST_RUNS and self._endless is None:
            self._endless = (what, self._since)

    def _begin_again(self) -> None:
        self._counts.clear()
        self._executions.clear()
        self._since = self._clock.now()


def _asking(instance_id: str, orchestrator: str) -> str:
    return f"The instance '{instance_id}' ({orchestrator}) has called or awaited something"


def _failure(what: str, since: int) -> EndlessWork:
    error = EndlessWork(
        f"{what} {MOST_RUNS:,} times without virtual time passing.",
        cause=f"It is still {timestamp.to_datetime(since):%Y-%m-%d %H:%M:%S}, because time passes only when nothing is "
        "left to do. The loop would never end, so the app does nothing more until the next reset.",
        remedy="Let the loop wait for a timer or an event, or give it an end: with its input, or with the double of an "
        "activity or output that it uses.",
    )
    return with_notes(error)
