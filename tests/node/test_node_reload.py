"""Changes of a Node.js app while it runs."""

import asyncio
import json
from pathlib import Path

import pytest
from node_pools import HEADER, node_options, running_node
from npm_packages import NpmPackages
from worker_apps import http

from durable_host.host.watched_files import WatchRules
from durable_host.invocation.node_worker import NODE_WORKER

HELLO = HEADER + "app.http('f', { handler: () => ({ body: 'old' }) });\n"


@pytest.mark.parametrize(
    ("path", "main", "matters"),
    [
        ("src/functions/a.js", "src/functions/*.js", True),
        ("dist/a.mjs", "dist/*", True),
        ("a.cjs", "a.cjs", True),
        ("src/a.ts", "dist/*.js", False),
        ("src/a.ts", "src/*.ts", True),
        ("dist/a.js.map", "dist/*.js", False),
        ("package.json", "a.js", False),
        (".env", "a.js", False),
        ("host.json", "a.js", True),
        ("local.settings.json", "a.js", True),
        ("node_modules/x/index.js", "a.js", False),
        ("node_modules/.package-lock.json", "a.js", True),
        ("function_app.py", "a.js", False),
    ],
)
def test_files_that_reload_the_app(tmp_path: Path, path: str, main: str, matters: bool) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"main": main}))
    rules = WatchRules(tmp_path, sources=NODE_WORKER.sources(tmp_path))
    assert rules.matters(tmp_path / path) is matters


@pytest.mark.differs("node-installations")
def test_the_end_of_an_installation_is_watched(tmp_path: Path) -> None:
    (tmp_path / "node_modules" / "x").mkdir(parents=True)
    rules = WatchRules(tmp_path, sources=NODE_WORKER.sources(tmp_path))
    assert rules.folders() == [tmp_path, tmp_path / "node_modules"]


async def test_the_changed_app_runs_in_a_new_process(tmp_path: Path, npm_packages: NpmPackages) -> None:
    async with running_node(tmp_path, {"src/functions/f.js": HELLO}, npm_packages) as app:
        (tmp_path / "src" / "functions" / "f.js").write_text(HELLO.replace("old", "new"))
        index = await app.pool.reload()
        assert index.failure is None
        reply = (await app.call("f", http())).return_value
        assert reply is not None
        assert reply.value.body == b"new"


async def test_a_reload_waits_for_files_that_a_compiler_writes(tmp_path: Path, npm_packages: NpmPackages) -> None:
    async with running_node(tmp_path, {"src/functions/f.js": HELLO}, npm_packages) as app:
        file = tmp_path / "src" / "functions" / "f.js"
        file.unlink()
        reloading = asyncio.create_task(app.pool.reload())
        await asyncio.sleep(0)
        file.write_text(HELLO)
        assert (await reloading).failure is None


async def test_an_app_that_no_longer_loads_continues_as_it_was(tmp_path: Path, npm_packages: NpmPackages) -> None:
    async with running_node(tmp_path, {"src/functions/f.js": HELLO}, npm_packages) as app:
        (tmp_path / "src" / "functions" / "f.js").write_text("const = 1;")
        assert (await app.pool.reload(node_options(tmp_path))).failure is not None
        reply = (await app.call("f", http())).return_value
        assert reply is not None
        assert reply.value.body == b"old"
