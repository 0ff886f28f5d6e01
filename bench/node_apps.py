"""Compares a Node.js app with a Python app on the same Azurite at the same time: start, HTTP, events, sequences."""

import asyncio
import shutil
import statistics
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import aiohttp
from rich.table import Table

from bench import scenarios, throughput
from bench.running_host import APP, RunningHost

NODE_APP = Path(__file__).parent / "node_app"
STARTS = 3
HTTP_SECONDS = 5
EVENTS = 100
SEQUENCES = 40
STEPS = 5
_INSTALL_SECONDS = 300


class Figures(NamedTuple):
    """The results of one app: seconds, requests per second, seconds of each event and of each sequence."""

    ready: float
    hello: float
    events: list[float]
    sequences: list[float]


def installed_app(cache: Path) -> Path:
    """A copy of the app with its packages, created once in `cache`. Raises RuntimeError if that is not possible."""
    target = cache / "node-app"
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise RuntimeError("this machine has no Node.js with npm")
    cache.mkdir(parents=True, exist_ok=True)
    shutil.copytree(NODE_APP, target, dirs_exist_ok=True)
    if not (target / "node_modules").is_dir():
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund"],
            cwd=target, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode:
            shutil.rmtree(target / "node_modules", ignore_errors=True)
            raise RuntimeError(f"npm install failed:\n{done.stdout}{done.stderr}")
    return target


async def measure(table: Table, storage: str, folder: Path, cache: Path, say: Callable[[str], None]) -> None:
    """Add rows with Node.js on the left and Python on the right. If there is no Node.js, report the reason."""
    try:
        node_app = await asyncio.to_thread(installed_app, cache)
    except RuntimeError as error:
        say(f"Node.js is left out: {error}")
        table.add_row("Node.js", "left out", "", "")
        return
    say("Node.js beside Python ...")
    ready: dict[str, list[float]] = {"node": [], "python": []}
    for _ in range(STARTS - 1):
        for runtime, app in (("node", node_app), ("python", APP)):
            ready[runtime].append(await _start_alone(runtime, app, storage, folder))
    node = await _figures("node", node_app, storage, folder)
    python = await _figures("python", APP, storage, folder)
    ready["node"].append(node.ready)
    ready["python"].append(python.ready)
    add_rows(table, node._replace(ready=min(ready["node"])), python._replace(ready=min(ready["python"])))


def add_rows(table: Table, node: Figures, python: Figures) -> None:
    """Add the rows of the two apps. The ratio is Node.js to Python."""
    title = "Node.js (right: Python): "
    ratio = node.ready / python.ready
    table.add_row(f"{title}func start to ready", f"{node.ready:.2f} s", f"{python.ready:.2f} s", f"{ratio:.2f}")
    table.add_row(
        f"{title}HTTP hello",
        f"{node.hello:.0f} requests/s",
        f"{python.hello:.0f} requests/s",
        f"{node.hello / python.hello:.2f}",
    )
    for share in (0.5, 0.99):
        ours, theirs = (scenarios.percentile(each.events, share) * 1000 for each in (node, python))
        name = f"{title}external event, 202 to code going on, p{share * 100:.0f}"
        table.add_row(name, f"{ours:.1f} ms", f"{theirs:.1f} ms", f"{ours / theirs:.2f}")
    ours, theirs = (statistics.median(each.sequences) * 1000 for each in (node, python))
    name = f"{title}{STEPS} activities in sequence, median"
    table.add_row(name, f"{ours:.1f} ms", f"{theirs:.1f} ms", f"{ours / theirs:.2f}")


async def _figures(runtime: str, app: Path, storage: str, folder: Path) -> Figures:
    log = folder / f"{runtime}.txt"
    host = await asyncio.to_thread(_host, runtime, app, storage, log)
    try:
        await throughput.http_load(f"{host.base}/api/hello", 1)  # warm up
        hello = await throughput.http_load(f"{host.base}/api/hello", HTTP_SECONDS)
        async with aiohttp.ClientSession() as session:
            client = scenarios.Client(host, session)
            await _sequence(client, "warm-up")
            events = await scenarios.events(client, EVENTS, log)
            sequences = [await _sequence(client, f"five-{number}") for number in range(SEQUENCES)]
    finally:
        await asyncio.to_thread(host.stop)
    return Figures(host.seconds_to_ready, hello.rate, events, sequences)


async def _sequence(client: scenarios.Client, instance_id: str) -> float:
    """Seconds of one orchestration of five activities, from the start request to Completed."""
    begun = time.perf_counter()
    await client.start("sequence", {"count": STEPS}, instance_id)
    await client.wait(instance_id, 0.005)
    return time.perf_counter() - begun


async def _start_alone(runtime: str, app: Path, storage: str, folder: Path) -> float:
    host = await asyncio.to_thread(_host, runtime, app, storage, folder / f"{runtime}-start.txt")
    await asyncio.to_thread(host.stop)
    return host.seconds_to_ready


def _host(runtime: str, app: Path, storage: str, log: Path) -> RunningHost:
    hub = f"bench{uuid.uuid4().hex[:8]}"
    return RunningHost(storage, hub, log, app=app, settings={"FUNCTIONS_WORKER_RUNTIME": runtime})
