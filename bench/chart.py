"""The figures of a run as a picture: one panel per scenario, one bar per system."""

from pathlib import Path

from bench.figures import SYSTEMS, Figures, short

COLUMNS = 3
COLOURS: dict[str, str] = dict(zip(SYSTEMS, ("#0b6bcb", "#0aa5a5", "#b85c00", "#8a4fbf", "#7d8590"), strict=True))


def draw(figures: Figures, path: Path) -> None:
    """Write the PNG."""
    from matplotlib.figure import Figure  # takes a third of a second, also in every process that collects the tests

    rows = -(-len(figures.scenarios) // COLUMNS)
    picture = Figure(figsize=(5.2 * COLUMNS, 2.3 * rows), layout="constrained", facecolor="white")
    panels = list(picture.subplots(rows, COLUMNS, squeeze=False).flat)
    for panel, scenario in zip(panels, figures.scenarios, strict=False):
        row = figures.values[scenario.name]
        systems = [system for system in SYSTEMS if system in row]
        bars = panel.barh(systems, [row[each] for each in systems], color=[COLOURS[each] for each in systems])
        panel.bar_label(bars, fmt=lambda value: f" {short(value)}", fontsize=8)
        better = "less is better" if scenario.less_is_better else "more is better"
        panel.set_title(f"{scenario.name}\n{scenario.unit}, {better}", fontsize=9)
        panel.invert_yaxis()
        panel.margins(x=0.2)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(figures.scenarios) :]:
        panel.set_visible(False)
    picture.savefig(path, dpi=110)
