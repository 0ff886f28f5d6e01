"""Runs many scenarios at once on one hub, and hands the hub over between the acts.

A scenario is a generator function: it acts through its `Instance`, yields a condition that it waits for, and yields a
`Curtain` when it has come to the end of an act. An act ends when all scenarios have.
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


class Curtain(IntEnum):
    """The ends of acts, in order.

    All stand that can wait for long, all others stand, the first host has stopped, the second one serves.
    """

    LATE = 1
    LAST_MOMENT = 2
    NOBODY = 3
    OTHER = 4


Condition = Callable[[], Any]
Scenario = Callable[["Instance"], Generator[Condition | Curtain]]


@dataclass
class Instance:
    """The instance of a scenario, and what may be done to it and seen of it."""

    id: str
    stage: "Play"

    @property
    def side(self) -> Side:
        """The host that serves the hub now."""
        return self.stage.side

    @property
    def gate(self) -> str:
        return f"gate-{self.id}"

    def open_gate(self) -> None:
        (self.stage.gates / self.gate).touch()

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
        """The history of the current execution has at least so many events of each type."""
        return lambda: self.stage.view.has(self.id + child, counts)

    def is_status(self, wanted: str) -> Condition:
        return lambda: self.stage.view.status(self.id) == wanted

    def shows(self, custom_status: Any) -> Condition:
        return lambda: self.stage.view.custom_status(self.id) == custom_status

    def returns(self, output: Any, child: str = "") -> Condition:
        """The instance has completed; fails when it has ended with anything else."""
        return lambda: self._ended_with(self.id + child, "Completed", output)

    def ends(self, status: str, output: Any) -> Condition:
        return lambda: self._ended_with(self.id, status, output)

    def is_gone(self) -> Condition:
        view = self.stage.view
        return lambda: view.status(self.id) is None and self.id not in view.history

    def counts(self, value: int) -> Condition:
        """The entity `counter` with the ID as key has this value; fails when it has more."""
        return lambda: self._counted(value)

    def _ended_with(self, instance: str, status: str, output: Any) -> bool:
        if self.stage.view.status(instance) not in ENDED:
            return False
        found = self.side.state(instance)[:2]
        assert found == (status, output), f"{found}, expected {(status, output)}"
        return True

    def _counted(self, value: int) -> bool:
        found = self.side.entity(self.id)
        assert found is None or found <= value, f"the entity counted {found}, expected {value}"
        return found == value


@dataclass
class _Player:
    name: str
    instance: Instance
    acts: Generator[Condition | Curtain]
    at: Condition | Curtain | None = None
    failure: str | None = None

    def go_on(self) -> None:
        try:
            self.at = next(self.acts, None)
        except Exception:
            self.fail(traceback.format_exc())

    def fail(self, reason: str) -> None:
        self.failure, self.at = reason, None
        self.acts.close()


class Play:
    """Scenarios on a hub. `ours` and `theirs` are there as clients all the time."""

    def __init__(self, ours: Ours, theirs: Theirs, view: StorageView, gates: Path) -> None:
        self.ours = ours
        self.theirs = theirs
        self.side: Side = ours
        self.view = view
        self.gates = gates
        self._players: list[_Player] = []

    @property
    def failures(self) -> Mapping[str, str | None]:
        """What went wrong by the name of the scenario, None where nothing did."""
        return {player.name: player.failure for player in self._players}

    def serve(self, side: Side) -> None:
        """From now on `side` serves the hub, and scenarios act through its client."""
        side.serve()
        self.side = side

    def begin(self, scenarios: Iterable[Scenario]) -> None:
        """Everybody comes to stand."""
        for scenario in scenarios:
            instance = Instance(scenario.__name__.replace("_", "-"), self)
            player = _Player(scenario.__name__, instance, scenario(instance))
            self._players.append(player)
            player.go_on()
        self.play_to(Curtain.LATE)
        self.play_to(Curtain.LAST_MOMENT)

    def last_moment(self) -> None:
        """Those act that have waited for this moment."""
        self.play_to(Curtain.NOBODY)

    def play_to(self, curtain: Curtain | None) -> None:
        """Until every scenario stands before `curtain` or a later one; to their ends for None.

        Those that still wait fail when nothing has changed in the hub for a while.
        """
        wall = len(Curtain) + 1 if curtain is None else curtain
        progress = Progress(LIMIT)
        pause, last = LOOK_AGAIN[0], None
        while True:
            for player in self._players:
                if isinstance(player.at, Curtain) and player.at < wall:
                    player.go_on()
            waiting = [player for player in self._players if callable(player.at)]
            if waiting:
                self.view.refresh()
                state = (len(waiting), self.view.history, self.view.instances)
                has_stopped = progress.has_stopped(state)
                for player in waiting:
                    self._look(player, has_stopped)
                pause = min(pause * 1.5, LOOK_AGAIN[1]) if state == last else LOOK_AGAIN[0]
                last = state
                time.sleep(pause)
            elif all(player.at is None or player.at >= wall for player in self._players):  # pyright: ignore[reportOperatorIssue]
                return

    def _look(self, player: _Player, has_stopped: bool) -> None:
        assert callable(player.at)
        try:
            if player.at():
                player.go_on()
            elif has_stopped:
                rows, said = self.view.dump(player.instance.id), self.side.output()[-4000:]
                player.fail(f"it did not go on at {self.side.name}:\n{rows}\n{said}")
        except Exception:
            player.fail(f"{traceback.format_exc()}\n{self.view.dump(player.instance.id)}")
