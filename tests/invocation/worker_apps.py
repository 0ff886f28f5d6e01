"""Small apps in temporary folders, and a worker pool that runs them."""

import asyncio
import logging
import os
import sys
import textwrap
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import azure.functions

from durable_host.invocation.datum import Datum, HttpData, HttpReply, string
from durable_host.invocation.metadata import FunctionMetadata, IndexResult
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.requests import InvocationRequest, InvocationResponse
from durable_host.invocation.worker_options import WorkerOptions

SITE_PACKAGES = Path(azure.functions.__file__).parents[2]
PYENV = Path.home() / ".pyenv" / "versions"
HEADER = "import azure.functions as func\napp = func.FunctionApp()\n"


def write_app(root: Path, files: Mapping[str, str] | str) -> Path:
    """Write dedented files; a single text is function_app.py with the usual header."""
    if isinstance(files, str):
        files = {"function_app.py": HEADER + textwrap.dedent(files)}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
    return root


def options(root: Path, **changes: Any) -> WorkerOptions:
    settings = changes.pop("settings", {})
    given: dict[str, Any] = {"executable": Path(sys.executable), **changes}
    return WorkerOptions(root=root, environment={**os.environ, **settings}, **given)


class RunningApp:
    """A started pool with short ways to call its functions."""

    def __init__(self, pool: WorkerPool, index: IndexResult) -> None:
        self.pool = pool
        self.index = index

    def function(self, name: str) -> FunctionMetadata:
        return next(function for function in self.index.functions if function.name == name)

    async def call(
        self, function: str, trigger: Datum | None = None, *, timeout: float | None = None, **fields: Any
    ) -> InvocationResponse:
        inputs: dict[str, Datum] = dict(fields.pop("inputs", {}))
        inputs[self.function(function).trigger.name] = trigger if trigger is not None else string("")
        invocation_id = fields.pop("invocation_id", None) or str(uuid.uuid4())
        request = InvocationRequest(function=function, invocation_id=invocation_id, inputs=inputs, **fields)
        return await self.pool.invoke(request, timeout=timeout)

    async def get(self, function: str, **fields: Any) -> HttpReply:
        response = await self.call(function, http(**fields))
        assert response.return_value is not None
        assert response.return_value.kind == "http"
        return response.return_value.value

    async def text(self, function: str, trigger: Datum | None = None, **fields: Any) -> str | None:
        """What the function returned, as text."""
        response = await self.call(function, trigger, **fields)
        return response.return_value.as_text() if response.return_value is not None else None


@asynccontextmanager
async def running(
    root: Path, files: Mapping[str, str] | str | None = None, **changes: Any
) -> AsyncIterator[RunningApp]:
    """The app of `root`, loaded without an error of the app as a whole."""
    if files is not None:
        write_app(root, files)
    pool = WorkerPool(options(root, **changes))
    try:
        index = await pool.start()
        assert index.failure is None, f"{index.failure} {index.failure.cause}"  # type: ignore[attr-defined]
        yield RunningApp(pool, index)
    finally:
        await pool.stop(5)


async def index_of(root: Path, files: Mapping[str, str] | str, **changes: Any) -> IndexResult:
    pool = WorkerPool(options(write_app(root, files), **changes))
    try:
        return await pool.start()
    finally:
        await pool.stop(2)


def http(method: str = "GET", path: str = "/api/f", body: bytes = b"", **fields: Any) -> Datum:
    url = f"http://localhost:7071{path}"
    return Datum(
        "http",
        HttpData(method, url, fields.get("headers", {}), fields.get("query", {}), fields.get("params", {}), body),
    )


def messages(caplog: Any, logger: str, level: int = logging.DEBUG) -> list[str]:
    """Texts that one logger got."""
    return [record.getMessage() for record in caplog.records if record.name == logger and record.levelno >= level]


async def eventually(condition: Callable[[], Any]) -> None:
    """Wait for something that another process brings about."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
