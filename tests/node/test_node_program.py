"""Which Node.js runs an app, and how it is started."""

import subprocess
from pathlib import Path

import pytest
from node_pools import HEADER, running_node
from npm_packages import NpmPackages
from worker_apps import eventually

import durable_host.worker_node
from durable_host.invocation.datum import string
from durable_host.invocation.errors import InterpreterUnusable
from durable_host.invocation.node_worker import CONFIGURED, NODE_WORKER
from durable_host.invocation.worker_kind import DebuggerAddress


def program(folder: Path, name: str = "node") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    ("explicit", "configured", "expected"),
    [("a", "b", "a/node"), (None, "b", "b/node"), (None, None, "path/node")],
    ids=["option", "setting", "path"],
)
def test_the_named_node_comes_before_that_on_path(
    tmp_path: Path, explicit: str | None, configured: str | None, expected: str
) -> None:
    programs = {name: str(program(tmp_path / name)) for name in ("a", "b", "path")}
    environ = {"PATH": str(tmp_path / "path")}
    if configured is not None:
        environ[CONFIGURED] = programs[configured]
    found = NODE_WORKER.find(tmp_path, explicit=explicit and programs[explicit], environ=environ)
    assert found.path == tmp_path / expected


def test_without_node_on_path_the_hosts_own_one_runs(tmp_path: Path) -> None:
    found = NODE_WORKER.find(tmp_path, explicit=None, environ={"PATH": str(tmp_path)})
    assert (found.source, found.path.is_file()) == ("the Node.js that comes with this host", True)


def test_a_node_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InterpreterUnusable, match="no-such-node") as raised:
        NODE_WORKER.find(tmp_path, explicit="no-such-node", environ={"PATH": str(tmp_path)})
    assert "--node" in (raised.value.cause or "")
    assert "Node.js 20" in (raised.value.remedy or "")


@pytest.mark.differs("node-inspect")
@pytest.mark.parametrize(
    ("arguments", "kept", "debugger"),
    [
        (["--max-old-space-size=100"], ("--max-old-space-size=100",), None),
        (["--inspect"], (), DebuggerAddress(9229)),
        (["--inspect=9230", "--trace-warnings"], ("--trace-warnings",), DebuggerAddress(9230)),
        (["--inspect-brk=0.0.0.0:1234"], (), DebuggerAddress(1234, "0.0.0.0", wait=True)),
        (["--inspect-wait=localhost"], (), DebuggerAddress(9229, "localhost", wait=True)),
    ],
)
def test_inspect_becomes_the_debugger_of_the_first_process(
    arguments: list[str], kept: tuple[str, ...], debugger: DebuggerAddress | None
) -> None:
    assert NODE_WORKER.arguments(arguments) == (kept, debugger)


@pytest.mark.differs("node-proxy")
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"http_proxy": "http://p:1"}, "127.0.0.1,localhost"),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "a,localhost"}, "a,localhost,127.0.0.1"),
        ({}, None),
        ({"http_proxy": ""}, None),
    ],
)
def test_calls_to_the_host_do_not_go_through_a_proxy(environ: dict[str, str], expected: str | None) -> None:
    assert NODE_WORKER.environment(environ).get("no_proxy") == expected


@pytest.mark.parametrize("options", ["--inspect=9229", "--inspect-port=5"])
def test_a_port_of_the_inspector_that_the_user_names_is_left_alone(options: str) -> None:
    assert not any("-port" in one for one in NODE_WORKER.command(Path("node"), (), {"NODE_OPTIONS": options}))
    assert NODE_WORKER.command(Path("node"), (options,), {}).count("--inspect-port=127.0.0.1:0") == (
        0 if "-port" in options else 1
    )


async def test_the_hosts_own_node_runs_apps(tmp_path: Path, npm_packages: NpmPackages) -> None:
    own = NODE_WORKER.find(tmp_path, explicit=None, environ={"PATH": str(tmp_path)}).path
    code = HEADER.replace("const {", "import {").replace("} = require('@azure/functions')", "} from '@azure/functions'")
    code += "app.storageQueue('f', { queueName: 'q', connection: '', handler: () => process.versions.node,\n"
    code += "  return: output.storageQueue({ queueName: 'o', connection: '' }) });\n"
    package = {"main": "src/*.ts", "type": "module"}
    files = {"src/a.ts": "const typed: number = 1;\n" + code}
    async with running_node(tmp_path, files, npm_packages, package=package, executable=own) as app:
        version = await app.text("f", string("")) or ""
        assert version.startswith("24.")
        assert app.index.node_version == version


async def test_several_processes_share_the_calls(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = "app.storageQueue('f', { queueName: 'q', connection: '', handler: () => process.pid,\n"
    code += "  return: output.storageQueue({ queueName: 'o', connection: '' }) });\n"
    async with running_node(tmp_path, code, npm_packages, process_count=2) as app:
        await eventually(lambda: len(app.pool.current.processes()) == 2)
        pids = {await app.text("f", string("")) for _ in range(20)}
        assert pids == {str(pid) for pid in app.pool.pids}


@pytest.mark.differs("node-versions")
@pytest.mark.parametrize(
    ("version", "day", "note"),
    [
        ("20.1.0", "2025-09-30", None),
        ("20.1.0", "2025-12-01", "Node.js v20 will reach EOL on 2026-04"),
        ("20.1.0", "2026-05-02", "Node.js v20 reached EOL on 2026-04"),
        ("24.0.0", "2026-05-02", None),
        ("23.4.0", "2026-05-02", "Incompatible Node.js version v23.4.0"),
    ],
)
def test_a_version_whose_support_ends_is_noted(version: str, day: str, note: str | None) -> None:
    module = Path(durable_host.worker_node.__file__).with_name("node_versions.js")
    code = f"console.log(require('{module}').versionNote('{version}', new Date('{day}')) ?? '')"
    shown = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout.strip()
    assert shown.startswith(note) if note else shown == ""


@pytest.mark.parametrize(
    "statement",
    [
        "import core from '@azure/functions-core';",
        "const core = (await import('@azure/functions-core')).default;",
    ],
    ids=["static", "dynamic"],
)
async def test_the_core_can_be_imported_by_modules(tmp_path: Path, npm_packages: NpmPackages, statement: str) -> None:
    own = NODE_WORKER.find(tmp_path, explicit=None, environ={"PATH": str(tmp_path)}).path
    code = f"""
    import {{ app }} from '@azure/functions';
    {statement}
    app.http(core.Disposable.name, {{ handler: () => ({{}}) }});
    if (core.getProgrammingModel().name !== '@azure/functions') throw new Error('other core');
    """
    package = {"main": "a.mjs"}
    async with running_node(tmp_path, {"a.mjs": code}, npm_packages, package=package, executable=own) as app:
        assert [function.name for function in app.index.functions] == ["Disposable"]
