"""`make bench` draws its figures. No unit test: matplotlib asks `fc-list` for fonts when a machine uses it first."""

from pathlib import Path

from bench import chart
from bench.figures import DURABLETASK, ON_AZURITE, ON_SQLITE, Figures, Scenario


def test_the_chart_is_a_picture_of_all_scenarios(tmp_path: Path) -> None:
    found = Figures()
    for scenario in (Scenario("sequences", "orchestrations/s"), Scenario("event", "ms", less_is_better=True)):
        for side, value in ((ON_AZURITE, 80), (ON_SQLITE, 160), (DURABLETASK, 50)):
            found.add(scenario, side, value)
    path = tmp_path / "chart.png"
    chart.draw(found, path)
    assert path.read_bytes().startswith(b"\x89PNG")
