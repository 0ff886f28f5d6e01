"""`make bench` where the 2.x SDK is not available: its rows are left out, with the reason."""

import asyncio
from pathlib import Path

import pytest
from rich.table import Table

from bench import __main__ as bench
from bench import durable_environments
from durable_host.storage.azurite import free_connection


def test_rows_of_the_2x_sdk_are_left_out_where_python_3_13_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "ENVIRONMENTS", tmp_path / "environments")
    monkeypatch.setattr(durable_environments, "interpreters", dict)
    table = Table("scenario", "host", "ceiling", "ratio")
    said: list[str] = []
    asyncio.run(bench.measure_v2(table, free_connection(), tmp_path / "log.txt", 1, said.append))
    assert said == ["the 2.x SDK is left out: the 2.x SDK needs Python 3.13, which this machine does not have"]
    assert [next(iter(column.cells)) for column in table.columns] == ["2.x SDK", "left out", "", ""]
