"""`make bench`: the rows of .NET apps, or the reason why there are none."""

import asyncio
from pathlib import Path

import pytest
from rich.table import Table

from bench import dotnet_apps
from bench.dotnet_apps import DotnetFigures, built_apps


def rows(table: Table) -> list[list[object]]:
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


def test_rows_are_left_out_where_no_apps_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DURABLE_HOST_ORACLE", raising=False)
    found, said = Table("scenario", "host", "goal", "ratio"), list[str]()
    asyncio.run(dotnet_apps.measure(found, "", tmp_path, said.append))
    assert said == [".NET is left out: DURABLE_HOST_ORACLE does not name a folder with built .NET apps"]
    assert rows(found) == [[".NET", "left out", "", ""]]


def test_rows_are_left_out_where_dotnet_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "isolated" / "core").mkdir(parents=True)
    (tmp_path / "isolated" / "core" / "worker.config.json").touch()
    monkeypatch.setattr(dotnet_apps.shutil, "which", lambda _: None)
    with pytest.raises(RuntimeError, match=r"this machine has no \.NET"):
        built_apps({"DURABLE_HOST_ORACLE": str(tmp_path)})


def test_the_rows_have_the_goals() -> None:
    found = Table("scenario", "host", "goal", "ratio")
    dotnet_apps.add_rows(found, DotnetFigures(1.0, 1500, 400, [0.004] * 100))
    assert [row[1:] for row in rows(found)] == [
        ["1.00 s", "", ""],
        ["1500 requests/s", "1000 requests/s", "1.50"],
        ["400 requests/s", "", ""],
        ["4.0 ms", "5.0 ms", "0.80"],
        ["4.0 ms", "", ""],
    ]
