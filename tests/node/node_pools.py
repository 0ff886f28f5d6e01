"""Node.js apps in temporary folders, and a worker pool that runs them, without a host."""

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from node_apps import write_node_app
from npm_packages import NpmPackages
from worker_apps import RunningApp

from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.node_worker import NODE_WORKER
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.worker_options import WorkerOptions

HEADER = "const { app, input, output, trigger } = require('@azure/functions');\n"


def node_options(root: Path, **changes: Any) -> WorkerOptions:
    settings = changes.pop("settings", {})
    given: dict[str, Any] = {"executable": Path(shutil.which("node") or "node"), **changes}
    return WorkerOptions(root=root, environment={**os.environ, **settings}, kind=NODE_WORKER, **given)


def files_of(app: Mapping[str, str] | str) -> Mapping[str, str]:
    """A single text is a CommonJS file with the usual import."""
    return {"src/functions/functions.js": HEADER + app} if isinstance(app, str) else app


@asynccontextmanager
async def running_node(
    root: Path,
    app: Mapping[str, str] | str,
    packages: NpmPackages,
    *,
    kind: str = "newest",
    package: Mapping[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[RunningApp]:
    """The app, loaded without an error of the app as a whole."""
    write_node_app(root, files_of(app), packages, kind=kind, **(package or {}))
    pool = WorkerPool(node_options(root, **changes))
    try:
        index = await pool.start()
        assert index.failure is None, f"{index.failure} {index.failure.cause}"  # type: ignore[attr-defined]
        yield RunningApp(pool, index)
    finally:
        await pool.stop(5)


async def node_index(
    root: Path,
    app: Mapping[str, str] | str,
    packages: NpmPackages,
    *,
    package: Mapping[str, Any] | None = None,
    **changes: Any,
) -> IndexResult:
    """What loading the app gives."""
    write_node_app(root, files_of(app), packages, **(package or {}))
    pool = WorkerPool(node_options(root, **changes))
    try:
        return await pool.start()
    finally:
        await pool.stop(2)
