"""Measures built .NET isolated apps: start, HTTP in both modes, and events. They are beside the official backend."""

import asyncio
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from rich.table import Table

from bench import scenarios, throughput
from bench.running_host import RunningHost

ORACLE = "DURABLE_HOST_ORACLE"
DOTNET = "DURABLE_HOST_DOTNET"
HTTP_SECONDS = 5
EVENTS = 100
LEAST_REQUESTS = 1000
LONGEST_EVENT = 5.0
"""Milliseconds, for half of the events."""
_STARTED = re.compile(r"^\[(\S+)Z\] Executing 'Functions\.ProcessBudget'", re.MULTILINE)


class DotnetFigures(NamedTuple):
    """Seconds, requests per second of each mode, and seconds of each event."""

    ready: float
    plain: float
    web: float
    events: list[float]


def built_apps(environ: Mapping[str, str]) -> tuple[Path, dict[str, str]]:
    """The folder of the built apps, and the settings that find .NET. Raises RuntimeError if something is missing."""
    oracle = environ.get(ORACLE)
    folder = Path(oracle or "") / "isolated"
    if not oracle or not (folder / "core" / "worker.config.json").is_file():
        raise RuntimeError(f"{ORACLE} does not name a folder with built .NET apps")
    bundled = Path(oracle).absolute() / "dotnet"
    named = environ.get(DOTNET) or (str(bundled) if (bundled / "dotnet").is_file() else shutil.which("dotnet"))
    if not named:
        raise RuntimeError(f"this machine has no .NET: no dotnet on PATH, and {DOTNET} is not set")
    root = Path(named) if Path(named).is_dir() else Path(named).resolve().parent
    return folder, {DOTNET: named, "DOTNET_ROOT": str(root), "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}


async def measure(table: Table, storage: str, folder: Path, say: Callable[[str], None]) -> None:
    """Add the rows of .NET apps. If there are none, report the reason."""
    try:
        apps, settings = built_apps(os.environ)
    except RuntimeError as error:
        say(f".NET is left out: {error}")
        table.add_row(".NET", "left out", "", "")
        return
    say(".NET apps ...")
    copies = {name: _copy(apps / name, folder / name) for name in ("core", "web")}
    ready, plain, events = await _core(copies["core"], storage, folder, settings)
    web = await _web(copies["web"], storage, folder, settings)
    add_rows(table, DotnetFigures(ready, plain, web, events))


def add_rows(table: Table, found: DotnetFigures) -> None:
    """Add the rows, with the goals in the third column."""
    table.add_row(".NET: func start to ready", f"{found.ready:.2f} s", "", "")
    table.add_row(
        ".NET: HTTP hello",
        f"{found.plain:.0f} requests/s",
        f"{LEAST_REQUESTS} requests/s",
        f"{found.plain / LEAST_REQUESTS:.2f}",
    )
    table.add_row(".NET: HTTP hello, ASP.NET Core", f"{found.web:.0f} requests/s", "", "")
    half, most = (scenarios.percentile(found.events, share) * 1000 for share in (0.5, 0.99))
    name = ".NET: external event, 202 to the next activity"
    table.add_row(f"{name}, p50", f"{half:.1f} ms", f"{LONGEST_EVENT:.1f} ms", f"{half / LONGEST_EVENT:.2f}")
    table.add_row(f"{name}, p99", f"{most:.1f} ms", "", "")


async def _core(app: Path, storage: str, folder: Path, settings: Mapping[str, str]) -> tuple[float, float, list[float]]:
    log = folder / "dotnet-core.txt"
    host = await asyncio.to_thread(_host, app, storage, log, settings)
    try:
        url = f"{host.base}/api/hello"
        await throughput.http_load(url, 2, "Hello nobody")  # warm up
        plain = await throughput.http_load(url, HTTP_SECONDS, "Hello nobody")
        async with aiohttp.ClientSession(host.base) as session:
            events = await _events(session, log.with_suffix(".host.txt"))
    finally:
        await asyncio.to_thread(host.stop)
    return host.seconds_to_ready, plain.rate, events


async def _web(app: Path, storage: str, folder: Path, settings: Mapping[str, str]) -> float:
    host = await asyncio.to_thread(_host, app, storage, folder / "dotnet-web.txt", settings)
    try:
        url = f"{host.base}/api/hello/Ada"
        await throughput.http_load(url, 2, "Hello Ada")
        web = await throughput.http_load(url, HTTP_SECONDS, "Hello Ada")
    finally:
        await asyncio.to_thread(host.stop)
    return web.rate


async def _events(session: aiohttp.ClientSession, output: Path) -> list[float]:
    """Seconds from the 202 of each event to the line of the activity that the orchestrator's code calls next."""
    accepted: list[float] = []
    for number in range(EVENTS + 1):
        async with session.post("/api/budget", json={"Title": f"desk {number}", "Amount": 1}) as response:
            instance_id = (await response.json(content_type=None))["Id"]
        await _wait(session, instance_id, lambda status: bool(status["customStatus"]))
        url = f"/runtime/webhooks/durabletask/instances/{instance_id}/raiseEvent/Approval"
        async with session.post(url, json=True) as response:
            assert response.status == 202
            accepted.append(time.time())
        await _wait(session, instance_id, lambda status: status["runtimeStatus"] == "Completed")
    text = await asyncio.to_thread(output.read_text, "utf-8")
    begun = [datetime.fromisoformat(f"{found}+00:00").timestamp() for found in _STARTED.findall(text)]
    return [max(0.0, begin - at) for begin, at in zip(begun, accepted, strict=True)][1:]


async def _wait(session: aiohttp.ClientSession, instance_id: str, is_there: Callable[[dict[str, Any]], bool]) -> None:
    while True:
        async with session.get(f"/runtime/webhooks/durabletask/instances/{instance_id}") as response:
            if is_there(await response.json()):
                return
        await asyncio.sleep(0.005)


def _copy(app: Path, to: Path) -> Path:
    """A copy, because the host writes into the folder of its app."""
    shutil.copytree(app, to)
    for path in (to, *to.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    return to


def _host(app: Path, storage: str, log: Path, settings: Mapping[str, str]) -> RunningHost:
    hub = f"bench{uuid.uuid4().hex[:8]}"
    names = {
        "FUNCTIONS_WORKER_RUNTIME": "dotnet-isolated",
        "AzureFunctionsJobHost__extensions__durableTask__hubName": hub,
    }
    return RunningHost(storage, hub, log, app=app, settings={**settings, **names})
