"""What only Node.js apps notice on this host, as far as no other file is about it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from host_process import HostProcess
from node_pools import running_node
from npm_packages import NpmPackages


@pytest.mark.differs("node-load-order")
async def test_entry_points_are_loaded_by_depth_and_name(tmp_path: Path, npm_packages: NpmPackages) -> None:
    line = "require('@azure/functions').app.get('{name}', {{ handler: () => ({{}}) }});\n"
    names = {"src/b.js": "second", "src/a.js": "first", "src/a/c.js": "fourth", "src/a/b.js": "third"}
    files = {path: line.format(name=name) for path, name in names.items()}
    async with running_node(tmp_path / "app", files, npm_packages, package={"main": "src/**/*.js"}) as app:
        assert [function.name for function in app.index.functions] == ["first", "second", "third", "fourth"]


@pytest.mark.differs("node-runtime")
def test_app_without_the_setting_runs_with_a_warning(start_node_host: Callable[..., HostProcess]) -> None:
    app = {"src/functions/a.js": "require('@azure/functions').app.get('hello', { handler: () => ({ body: 'hi' }) });"}
    host = start_node_host(app, settings={"FUNCTIONS_WORKER_RUNTIME": ""})
    assert host.get("/api/hello").text == "hi"
    host.wait_for("FUNCTIONS_WORKER_RUNTIME is not set")
