"""The app `bundle`: everything in one file of esbuild, the durable package in it, the core left external."""

import subprocess
from pathlib import Path

import pytest
from host_process import HostProcess, hub_settings
from node_apps import copy_node_app
from npm_packages import NpmPackages


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str, npm_packages: NpmPackages):
    root = copy_node_app("bundle", tmp_path_factory.mktemp("bundle") / "app", npm_packages)
    bundle(root)
    # A bundle needs no packages.
    (root / "node_modules").unlink()
    host = HostProcess(root, {**hub_settings(connection_string), "FUNCTIONS_WORKER_RUNTIME": "node"})
    yield host.start()
    host.end()


def bundle(root: Path) -> None:
    command = ["src/app.ts", "--bundle", "--platform=node", "--sourcemap", "--external:@azure/functions-core"]
    program = root / "node_modules" / "esbuild" / "bin" / "esbuild"
    subprocess.run(["node", str(program), *command, "--outfile=dist/app.js"], cwd=root, check=True, capture_output=True)


def started(host: HostProcess, name: str) -> str:
    response = host.post(f"/api/start/{name}", data="hello")
    assert response.status_code == 202, response.text
    return response.json()["id"]


def test_bundled_orchestration_runs(host: HostProcess) -> None:
    instance_id = started(host, "Bundled")
    path = f"/runtime/webhooks/durabletask/instances/{instance_id}/raiseEvent/More"
    assert host.post(path, json={"n": 1}).status_code == 202
    assert host.wait_status(instance_id, "Completed")["output"] == ["HELLO", {"n": 1}]


def test_stack_has_the_lines_of_the_source(host: HostProcess) -> None:
    finished = host.wait_status(started(host, "Broken"), "Failed")
    assert "cannot break it" in finished["output"]
    host.wait_for(r"src/steps\.ts:7:")
