"""Apps of the scripted worker in a worker pool, without a host."""

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from scripted_apps import write_scripted_app
from worker_apps import RunningApp

from durable_host.function_rpc.dotnet_worker import DOTNET_WORKER
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.worker_options import WorkerOptions


def dotnet_options(root: Path, **changes: Any) -> WorkerOptions:
    settings = changes.pop("settings", {})
    given: dict[str, Any] = {"executable": Path(sys.executable), **changes}
    return WorkerOptions(root=root, environment={**os.environ, **settings}, kind=DOTNET_WORKER, **given)


@asynccontextmanager
async def running_dotnet(
    root: Path, functions: Sequence[Mapping[str, Any]], *, changes: Mapping[str, Any] | None = None, **app: Any
) -> AsyncIterator[RunningApp]:
    """The app, loaded. `changes` are those of the options; `app` is for `write_scripted_app`."""
    write_scripted_app(root, functions, **app)
    pool = WorkerPool(dotnet_options(root, **(changes or {})))
    try:
        yield RunningApp(pool, await pool.start())
    finally:
        await pool.stop(5)
