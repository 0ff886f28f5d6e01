"""Runs a program of plain workers on `func durable serve` with SQLite and on the SDK's in-memory backend in turn."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from rich.table import Table

from bench.running_host import free_port
from bench.worker_program import ACTIVITIES, INSTANCES, STEPS

_ROWS = {
    "sequences": (f"{INSTANCES} orchestrations of {STEPS} activities", "orchestrations/s"),
    "fan-out": (f"fan-out of {ACTIVITIES} activities", "activities/s"),
}
_PROGRAM = "bench.worker_program"


async def measure(table: Table, folder: Path, rounds: int, say: Callable[[str], None]) -> None:
    """Take the best of at least three rounds each, all in turn, so that other load on the machine affects all alike."""
    ours: dict[str, float] = {}
    inside: dict[str, float] = {}
    beside: dict[str, float] = {}
    for run in range(max(3, rounds)):
        say(f"plain workers, round {run + 1} ...")
        _keep_best(inside, await _rates("memory"))
        async with _server(sys.executable, "-m", _PROGRAM, "memory-server") as port:
            _keep_best(beside, await _rates(f"localhost:{port}"))
        serve = (
            sys.executable,
            "-m",
            "durable_host",
            "durable",
            "serve",
            "--path",
            str(folder / f"hub{run}.db"),
            "--port",
        )
        async with _server(*serve) as port:
            _keep_best(ours, await _rates(f"localhost:{port}"))
    for name, (title, unit) in _ROWS.items():
        for rival, place in ((inside, "in-memory backend in the program"), (beside, "in-memory backend, own process")):
            table.add_row(
                f"plain workers, {title}; right: {place}",
                f"{ours[name]:.0f} {unit}",
                f"{rival[name]:.0f} {unit}",
                f"{ours[name] / rival[name]:.2f}",
            )


def _keep_best(best: dict[str, float], rates: dict[str, float]) -> None:
    for name, rate in rates.items():
        best[name] = max(rate, best.get(name, 0.0))


async def _rates(target: str) -> dict[str, float]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _PROGRAM, target, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await program.communicate()
    if program.returncode:
        raise RuntimeError(f"the program of plain workers ended with {program.returncode}")
    return json.loads(output)


@contextlib.asynccontextmanager
async def _server(*command: str) -> AsyncIterator[int]:
    """Run a server in a child process and yield its port, which is the last argument of the command."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(*command, str(port), stdout=asyncio.subprocess.DEVNULL)
    try:
        for _ in range(1000):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.02)
        yield port
    finally:
        process.terminate()
        await process.wait()
