"""`make bench`: the rows of Node.js beside Python, or the reason why there are none."""

import asyncio
import json
from pathlib import Path

import pytest
from npm_packages import NpmPackages
from rich.table import Table

from bench import node_apps
from bench.node_apps import Figures


def table() -> Table:
    return Table("scenario", "host", "ceiling", "ratio")


def rows(table: Table) -> list[list[object]]:
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


def test_rows_are_left_out_where_npm_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(node_apps.shutil, "which", lambda _: None)
    found, said = table(), []
    asyncio.run(node_apps.measure(found, "", tmp_path, tmp_path / "cache", said.append))
    assert said == ["Node.js is left out: this machine has no Node.js with npm"]
    assert rows(found) == [["Node.js", "left out", "", ""]]


def test_both_apps_are_in_each_row() -> None:
    found = table()
    node = Figures(1.0, 2000, [0.001] * 100, [0.05] * 10)
    node_apps.add_rows(found, node, Figures(2.0, 1000, [0.002] * 100, [0.1] * 10))
    assert [row[1:] for row in rows(found)] == [
        ["1.00 s", "2.00 s", "0.50"],
        ["2000 requests/s", "1000 requests/s", "2.00"],
        ["1.0 ms", "2.0 ms", "0.50"],
        ["1.0 ms", "2.0 ms", "0.50"],
        ["50.0 ms", "100.0 ms", "0.50"],
    ]


def test_app_has_the_functions_of_the_python_app(tmp_path: Path, npm_packages: NpmPackages, start_node_host) -> None:
    package = json.loads((node_apps.NODE_APP / "package.json").read_text())
    source = (node_apps.NODE_APP / "src" / "functions" / "bench.js").read_text()
    log = tmp_path / "log.txt"
    host = start_node_host(
        {"src/functions/bench.js": source}, package=package, settings={"BENCH_LOG": str(log), "BENCH_HUB": "Bench"}
    )
    assert host.get("/api/hello").text == "Hello"
    base = "/runtime/webhooks/durabletask"
    assert host.post(f"{base}/orchestrators/sequence/five", json={"count": 5}).status_code == 202
    assert host.wait_status("five", "Completed")["output"] == 0
    assert host.post(f"{base}/orchestrators/wait_for_go/go", json={}).status_code == 202
    assert host.post(f"{base}/instances/go/raiseEvent/Go", json="go").status_code == 202
    host.wait_status("go", "Completed")
    name, nanoseconds = log.read_text().split()
    assert name == "go"
    assert int(nanoseconds) > 1_700_000_000 * 10**9
