"""Runs many scenarios at once on one hub, which is handed over between the phases of the run.

A scenario is a generator function: it acts through its `Instance`, and yields a condition that it waits for, or the
`Phase` in which it continues. A phase begins when all scenarios wait for it or for a later one.
"""

import time
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

from progress import Progress
from sides import Ours, Side, Theirs
from storage_view import StorageView

LIMIT = 60.0
LOOK_AGAIN = (0.2, 1.0)
"""Seconds between reads of all rows: at first, and when nothing changes for long."""
ENDED = {"Completed", "Failed", "Terminated", "Canceled"}


class Phase(IntEnum):
    """The phases of a run, in order, after the instances have been prepared.

    There is time before the handover, the handover is about to begin, no host serves the hub, the other host serves it.
    """

    LATE = 1
    LAST_MOMENT = 2
    NOBODY = 3
    OTHER = 4


Condition = Callable[[], Any]
Scenario = Callable[["Instance"], Generator[Condition | Phase]]


@dataclass
class Instance:
    """The instance of a scenario: operations on it, and conditions to wait for."""

    id: str
    run: "ScenarioRun"

    @property
    def side(self) -> Side:
        """The host that serves the hub now."""
        return self.run.side

    @property
    def gate(self) -> str:
        return f"gate-{self.id}"

    def open_gate(self) -> None:
        (self.run.gates / self.gate).touch()

    def start(self, function: str, input: Any = None, child: str = "") -> None:
        self.side.start(function, self.id + child, input)

    def raise_event(self, event: str, data: Any, child: str = "") -> None:
        self.side.raise_event(self.id + child, event, data)

    def suspend(self) -> None:
        self.side.control("suspend", self.id, "pause")

    def resume(self) -> None:
        self.side.control("resume", self.id, "go on")

    def terminate(self) -> None:
        self.side.control("terminate", self.id, "enough")

    def rewind(self) -> None:
        self.side.control("rewind", self.id, "again")

    def purge(self) -> None:
        self.side.control("purge", self.id, "")

    def signal(self, operation: str, input: Any) -> None:
        self.side.signal(self.id, operation, input)

    def soon(self, seconds: float) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=seconds)

    def has(self, child: str = "", **counts: int) -> Condition:
        """The history of the current execution has at least this number of events of each type."""
        return lambda: self.run.view.has(self.id + child, counts)

    def is_status(self, wanted: str) -> Condition:
        return lambda: self.run.view.status(self.id) == wanted

    def shows(self, custom_status: Any) -> Condition:
        return lambda: self.run.view.custom_status(self.id) == custom_status

    def returns(self, output: Any, child: str = "") -> Condition:
        """The instance has completed; fails if it has ended in any other way."""
        return lambda: self._ended_with(self.id + child, "Completed", output)

    def ends(self, status: str, output: Any) -> Condition:
        return lambda: self._ended_with(self.id, status, output)

    def is_gone(self) -> Condition:
        view = self.run.view
        return lambda: view.status(self.id) is None and self.id not in view.history

    def counts(self, value: int) -> Condition:
        """The entity `counter` with the ID as key has this value; fails when it has more."""
        return lambda: self._counted(value)

    def _ended_with(self, instance: str, status: str, output: Any) -> bool:
        if self.run.view.status(instance) not in ENDED:
            return False
        found = self.side.state(instance)[:2]
        assert found == (status, output), f"{found}, expected {(status, output)}"
        return True

    def _counted(self, value: int) -> bool:
        found = self.side.entity(self.id)
        assert found is None or found <= value, f"the entity counted {found}, expected {value}"
        return found == value


@dataclass
class _RunningScenario:
    name: str
    instance: Instance
    steps: Generator[Condition | Phase]
    at: Condition | Phase | None = None
    failure: str | None = None

    def advance(self) -> None:
        try:
            self.at = next(self.steps, None)
        except Exception:
            self.fail(traceback.format_exc())

    def fail(self, reason: str) -> None:
        self.failure, self.at = reason, None
        self.steps.close()


class ScenarioRun:
    """Scenarios on a hub. `ours` and `theirs` are there as clients all the time."""

    def __init__(self, ours: Ours, theirs: Theirs, view: StorageView, gates: Path) -> None:
        self.ours = ours
        self.theirs = theirs
        self.side: Side = ours
        self.view = view
        self.gates = gates
        self._scenarios: list[_RunningScenario] = []

    @property
    def failures(self) -> Mapping[str, str | None]:
        """What went wrong by the name of the scenario, None where nothing did."""
        return {each.name: each.failure for each in self._scenarios}

    def serve(self, side: Side) -> None:
        """From now on `side` serves the hub, and scenarios act through its client."""
        side.serve()
        self.side = side

    def begin(self, scenarios: Iterable[Scenario]) -> None:
        """Start the scenarios, and run them until the handover is about to begin."""
        for scenario in scenarios:
            instance = Instance(scenario.__name__.replace("_", "-"), self)
            each = _RunningScenario(scenario.__name__, instance, scenario(instance))
            self._scenarios.append(each)
            each.advance()
        self.run_until(Phase.LATE)
        self.run_until(Phase.LAST_MOMENT)

    def last_moment(self) -> None:
        """Run what happens right before the handover."""
        self.run_until(Phase.NOBODY)

    def run_until(self, phase: Phase | None) -> None:
        """Run until every scenario waits for `phase` or a later one, or has ended; to their ends for None.

        Those that still wait for a condition fail when nothing has changed in the hub for a while.
        """
        end = len(Phase) + 1 if phase is None else phase
        progress = Progress(LIMIT)
        pause, last = LOOK_AGAIN[0], None
        while True:
            for each in self._scenarios:
                if isinstance(each.at, Phase) and each.at < end:
                    each.advance()
            waiting = [each for each in self._scenarios if callable(each.at)]
            if waiting:
                self.view.refresh()
                state = (len(waiting), self.view.history, self.view.instances)
                has_stopped = progress.has_stopped(state)
                for each in waiting:
                    self._look(each, has_stopped)
                pause = min(pause * 1.5, LOOK_AGAIN[1]) if state == last else LOOK_AGAIN[0]
                last = state
                time.sleep(pause)
            elif all(each.at is None or each.at >= end for each in self._scenarios):  # pyright: ignore[reportOperatorIssue]
                return

    def _look(self, each: _RunningScenario, has_stopped: bool) -> None:
        assert callable(each.at)
        try:
            if each.at():
                each.advance()
            elif has_stopped:
                rows, said = self.view.dump(each.instance.id), self.side.output()[-4000:]
                each.fail(f"it did not continue at {self.side.name}:\n{rows}\n{said}")
        except Exception:
            each.fail(f"{traceback.format_exc()}\n{self.view.dump(each.instance.id)}")
