"""`func exec` and `func start` take the Node.js that they are given."""

from pathlib import Path

import pytest
from func_command import run_func
from node_apps import node_settings, write_node_app
from node_pools import HEADER
from npm_packages import NpmPackages


@pytest.mark.parametrize(
    "command", [["start", "--port", "0"], ["exec", "--no-azurite", "--task-hub", "sqlite"]], ids=["start", "exec"]
)
def test_a_node_that_is_not_there_is_named(
    tmp_path: Path, npm_packages: NpmPackages, connection_string: str, command: list[str]
) -> None:
    app = write_node_app(tmp_path, {"src/functions/f.js": HEADER, "host.json": '{"version": "2.0"}'}, npm_packages)
    more = ["--", "true"] if command[0] == "exec" else []
    done = run_func(*command, "--node", "no-such-node", *more, folder=app, settings=node_settings(connection_string))
    assert done.returncode != 0
    assert "Node.js 'no-such-node' cannot be started." in done.stdout + done.stderr
