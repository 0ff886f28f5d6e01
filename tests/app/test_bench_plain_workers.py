"""`make bench` shows plain workers on this host beside the SDK's in-memory backend, measured by turns in one run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.table import Table

from bench import plain_workers


def test_each_scenario_has_a_row_for_each_place_of_the_backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    targets: list[str] = []

    @contextlib.asynccontextmanager
    async def server(*command: str) -> AsyncIterator[int]:
        yield 1 if "serve" in command else 2

    async def rates(target: str) -> dict[str, float]:
        targets.append(target)
        rate = {"memory": 40.0, "localhost:1": 100.0, "localhost:2": 50.0}[target] - len(targets)
        return {"sequences": rate, "fan-out": 10 * rate}

    monkeypatch.setattr(plain_workers, "_server", server)
    monkeypatch.setattr(plain_workers, "_rates", rates)
    table = Table("scenario", "host", "beside", "ratio")
    asyncio.run(plain_workers.measure(table, tmp_path, 1, lambda _: None))
    assert targets == ["memory", "localhost:2", "localhost:1"] * 3
    scenarios, host, beside, ratios = ([*column.cells] for column in table.columns)
    assert [str(one).partition("right: ")[2] for one in scenarios] == [
        "in-memory backend in the program",
        "in-memory backend, own process",
    ] * 2
    assert host == ["97 orchestrations/s"] * 2 + ["970 activities/s"] * 2
    assert beside == ["39 orchestrations/s", "48 orchestrations/s", "390 activities/s", "480 activities/s"]
    assert ratios == ["2.49", "2.02"] * 2
