"""What a run measured: figures by scenario and system, as a table, as JSON, and beside those of the run before."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

ON_AZURITE = "host on Azurite"
ON_SQLITE = "host on SQLite"
DURABLETASK = "durabletask in memory"
DBOS = "DBOS on SQLite"
BARE = "bare aiohttp"
SYSTEMS = (ON_AZURITE, ON_SQLITE, DURABLETASK, DBOS, BARE)
KEPT = 20


@dataclass(frozen=True)
class Scenario:
    """What is measured. With `less_is_better`, the best of several rounds is the smallest value."""

    name: str
    unit: str
    less_is_better: bool = False

    def best(self, values: Iterable[float]) -> float:
        return min(values) if self.less_is_better else max(values)


@dataclass(frozen=True)
class Goal:
    """One system reaches at least (at most, where less is better) `ratio` times what another one does."""

    scenario: str
    system: str
    ratio: float
    of: str


@dataclass
class Figures:
    """All values of a run. Each is the best of its rounds."""

    scenarios: list[Scenario] = field(default_factory=list[Scenario])
    values: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    left_out: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, scenario: Scenario, system: str, value: float) -> None:
        """Record one round."""
        if scenario not in self.scenarios:
            self.scenarios.append(scenario)
        row = self.values.setdefault(scenario.name, {})
        row[system] = scenario.best([value, *([row[system]] if system in row else [])])

    def ratio(self, goal: Goal) -> float | None:
        row = self.values.get(goal.scenario, {})
        if goal.system not in row or not row.get(goal.of):
            return None
        return row[goal.system] / row[goal.of]

    def reaches(self, goal: Goal) -> bool | None:
        """None when one of the two was not measured."""
        ratio = self.ratio(goal)
        if ratio is None:
            return None
        less = any(each.name == goal.scenario and each.less_is_better for each in self.scenarios)
        return ratio <= goal.ratio if less else ratio >= goal.ratio


def table_of(figures: Figures, before: Figures | None) -> Table:
    """One row per scenario and one column per system. A value in brackets is the one of the run before."""
    table = Table("scenario", "unit", title="durable_host and others, side by side in one run")
    for system in SYSTEMS:
        table.add_column(system, justify="right")
    for scenario in figures.scenarios:
        row = figures.values[scenario.name]
        old = before.values.get(scenario.name, {}) if before else {}
        table.add_row(scenario.name, scenario.unit, *(_cell(row.get(one), old.get(one)) for one in SYSTEMS))
    return table


def _cell(value: float | None, before: float | None) -> str:
    if value is None:
        return ""
    return short(value) if before is None else f"{short(value)} ({short(before)})"


def short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def goals_table(figures: Figures, goals: Iterable[Goal]) -> Table:
    """Which ratios the run reached."""
    table = Table("goal", "reached", "", title="Ratios of this run")
    for goal in goals:
        ratio = figures.ratio(goal)
        text = f"{goal.scenario}: {goal.system} / {goal.of}, goal {goal.ratio:g}"
        verdict = {True: "yes", False: "no", None: ""}[figures.reaches(goal)]
        table.add_row(text, "not measured" if ratio is None else f"{ratio:.2f}", verdict)
    return table


def save(figures: Figures, folder: Path, commit: str | None) -> Path:
    """Write the run as JSON and return its path. The newest twenty are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    document = {
        "time": now.isoformat(timespec="seconds"),
        "commit": commit,
        "machine": {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
        **asdict(figures),
    }
    path = folder / f"{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for old in runs(folder)[:-KEPT]:
        old.unlink()
    return path


def runs(folder: Path) -> list[Path]:
    """The saved runs, oldest first."""
    return sorted(folder.glob("*.json"))


def load(path: Path) -> Figures:
    document = json.loads(path.read_text(encoding="utf-8"))
    scenarios = [Scenario(**each) for each in document["scenarios"]]
    return Figures(scenarios=scenarios, values=document["values"], left_out=document["left_out"])
