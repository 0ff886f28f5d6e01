"""`make bench` keeps its figures and compares them with those of the run before."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench import figures, peers
from bench.figures import DURABLETASK, ON_AZURITE, ON_SQLITE, Figures, Goal, Scenario

pytestmark = pytest.mark.unit
RATE = Scenario("sequences", "orchestrations/s")
LATENCY = Scenario("event", "ms", less_is_better=True)


def run(rate: float) -> Figures:
    found = Figures()
    found.add(RATE, ON_AZURITE, rate)
    found.add(RATE, DURABLETASK, 50)
    found.add(LATENCY, ON_AZURITE, 4)
    found.add(LATENCY, DURABLETASK, 2)
    return found


def shown(table: object) -> str:
    console = Console(width=160, file=StringIO())
    console.print(table)
    return console.file.getvalue()


def test_the_best_round_of_each_scenario_counts() -> None:
    found = run(80)
    found.add(RATE, ON_AZURITE, 100)
    found.add(RATE, ON_AZURITE, 90)
    found.add(LATENCY, ON_AZURITE, 9)
    found.add(LATENCY, ON_AZURITE, 3)
    assert found.values == {"sequences": {ON_AZURITE: 100, DURABLETASK: 50}, "event": {ON_AZURITE: 3, DURABLETASK: 2}}


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal("sequences", ON_AZURITE, 1.8, DURABLETASK), False),
        (Goal("sequences", ON_AZURITE, 1.6, DURABLETASK), True),
        (Goal("event", ON_AZURITE, 2, DURABLETASK), True),
        (Goal("event", ON_AZURITE, 1.5, DURABLETASK), False),
        (Goal("sequences", ON_SQLITE, 5, DURABLETASK), None),
        (Goal("another", ON_AZURITE, 5, DURABLETASK), None),
    ],
)
def test_a_goal_is_a_ratio_of_two_systems(goal: Goal, reached: bool | None) -> None:
    assert run(80).reaches(goal) is reached


def test_the_table_shows_the_run_before_in_brackets() -> None:
    text = shown(figures.table_of(run(82.4), run(80)))
    assert "82.4 (80.0)" in text
    assert "4.00 (4.00)" in text
    assert "82.4 (" not in shown(figures.table_of(run(82.4), None))


def test_a_run_can_be_read_again(tmp_path: Path) -> None:
    found = run(80)
    found.left_out[figures.DBOS] = "no network"
    path = figures.save(found, tmp_path, "abc")
    assert figures.load(path) == found
    assert {"time", "commit", "machine"} <= json.loads(path.read_text("utf-8")).keys()


def test_the_newest_runs_are_kept(tmp_path: Path) -> None:
    for day in range(1, 26):
        (tmp_path / f"202601{day:02}-120000.json").write_text("{}", encoding="utf-8")
    path = figures.save(run(80), tmp_path, None)
    kept = figures.runs(tmp_path)
    assert (len(kept), kept[-1]) == (figures.KEPT, path)


def test_the_programs_of_the_peers_are_there() -> None:
    programs = {path.stem for path in peers.PROGRAMS.glob("*.py")}
    assert programs == {"durabletask_in_memory", "dbos_on_sqlite"}
