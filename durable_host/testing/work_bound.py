"""Stops an app that works without end while virtual time stands still.

Time passes only when nothing is left to do. An orchestrator that continues as new without waiting, or a function that
writes to its own queue, would block a test forever.
"""

import logging
from collections import Counter

from durable_host import timestamp
from durable_host.clock import Clock
from durable_host.errors import HostError
from durable_host.testing.error_notes import with_notes

MOST_RUNS = 10_000
"""Runs of one instance or entity. Those in which an orchestrator only receives results do not count."""
MOST_OF_A_NAME = 25_000
"""Runs of one function, started instances of one orchestrator, and runs of all entities with one name."""
MOST_LOGGED = 300
"""Runs of one function whose lines are logged."""
_BETWEEN_TURNS = timestamp.TICKS_PER_SECOND // 1_000_000
"""For 2.x orchestrators, each turn is a microsecond later than the one before."""


class EndlessWork(HostError):
    """The app works without end while virtual time stands still. It does nothing more until the next reset."""

    code = "DH3061"


class WorkBound:
    """Counts runs that cause further ones. It starts again at each step of the test, when a second has passed, and when
    nothing is left to do within a second.

    Until then, one instance or entity may run `MOST_RUNS` times, and those of one name `MOST_OF_A_NAME` times;
    afterwards the app `is_stopped`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._logged: Counter[str] = Counter()
        self._quiet: dict[logging.Logger, int] = {}
        self._executions: dict[str, str] = {}
        self._since = clock.now()
        self._endless: tuple[str, int, int, int] | None = None
        self.is_reported = False
        """Whether `at_rest` has raised EndlessWork."""

    @property
    def is_stopped(self) -> bool:
        """Whether nothing may run any more."""
        return self._endless is not None

    def execution_begins(self, instance_id: str, execution_id: str, orchestrator: str) -> None:
        """Count an execution of an orchestrator: the first one of an instance, or a later one."""
        last = self._executions.get(instance_id)
        if last is None:
            self._count(f"The orchestrator '{orchestrator}' has been started", of_a_name=True)
        elif last != execution_id:
            self._counts.pop(_advances(instance_id, orchestrator), None)
            self._count(f"The instance '{instance_id}' ({orchestrator}) has continued as new")
        self._executions[instance_id] = execution_id

    def instance_advances(self, instance_id: str, orchestrator: str) -> None:
        """Count a run in which the current execution of an instance has called or awaited something new."""
        self._count(_advances(instance_id, orchestrator))

    def entity_runs(self, name: str, key: str) -> None:
        """Count a batch of operations of an entity."""
        self._count(f"The entity '@{name.lower()}@{key}' has run")
        self._count(f"The entities '@{name.lower()}' have run", of_a_name=True)

    def function_runs(self, name: str) -> None:
        """Count a run of a function that is not a durable one."""
        self._count(f"The function '{name}' has run", of_a_name=True)

    def shorten_log(self, function: str) -> None:
        """Count a run of any function. After `MOST_LOGGED` of them, only its warnings and errors are logged."""
        self._logged[function] += 1
        if self._logged[function] == MOST_LOGGED:
            log = logging.getLogger(f"Function.{function}")
            log.info("Its further runs at this time are not logged.", extra={"function": function})
            self._quiet[log] = log.level
            log.setLevel(max(log.getEffectiveLevel(), logging.WARNING))

    def begin_step(self) -> None:
        """The test does something with the app."""
        if self._endless is None:
            self._begin_again()

    def at_rest(self, next_due: int | None) -> None:
        """Nothing is left to do now, and time may pass until `next_due`. Raises EndlessWork if the app is stopped."""
        if self._endless is not None:
            self.is_reported = True
            raise _failure(*self._endless)
        if next_due is None or next_due >= self._since + timestamp.TICKS_PER_SECOND:
            self._begin_again()

    def log_again(self) -> None:
        """Log the runs of all functions."""
        for log, level in self._quiet.items():
            log.setLevel(level)
        self._quiet.clear()
        self._logged.clear()

    def _count(self, what: str, *, of_a_name: bool = False) -> None:
        if self._endless is not None:
            return
        if self._clock.now() >= self._since + timestamp.TICKS_PER_SECOND:
            self._begin_again()
        self._counts[what] += 1
        most = MOST_OF_A_NAME if of_a_name else MOST_RUNS
        if self._counts[what] > most:
            self._endless = (what, most, self._since, self._clock.now())

    def _begin_again(self) -> None:
        self.log_again()
        self._counts.clear()
        self._since = self._clock.now()


def _advances(instance_id: str, orchestrator: str) -> str:
    return f"The instance '{instance_id}' ({orchestrator}) has called or awaited something"


def _failure(what: str, runs: int, since: int, now: int) -> EndlessWork:
    time = f"{timestamp.to_datetime(now):%Y-%m-%d %H:%M:%S}"
    is_still = now - since <= runs * _BETWEEN_TURNS
    seconds = (now - since) / timestamp.TICKS_PER_SECOND
    error = EndlessWork(
        f"{what} {runs:,} times {'without virtual time passing' if is_still else f'in {seconds:.2g} virtual seconds'}.",
        cause=(
            f"It is still {time}, because time passes only when nothing is left to do. The loop would never end"
            if is_still
            else f"It is only {time}, because the loop hardly waits each time. It would hardly ever end"
        )
        + ", so the app does nothing more until the next reset.",
        remedy="Let the loop wait for a timer or an event, or give it an end: with its input, or with the double of an "
        "activity or output that it uses.",
    )
    return with_notes(error)
