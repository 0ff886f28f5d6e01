"""The scenarios with DBOS and a SQLite file. Prints the figures."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbos import DBOS  # pyright: ignore[reportMissingImports]

PATIENCE = 60


@DBOS.step()
def echo(number: int) -> int:
    return number


@DBOS.step()
async def echo_beside(number: int) -> int:
    return number


@DBOS.step()
def stamp() -> int:
    return time.time_ns()


@DBOS.workflow()
def sequence(count: int) -> int:
    value = 0
    for _ in range(count):
        value = echo(value)
    return value


@DBOS.workflow()
async def fan_out(count: int) -> int:
    return len(await asyncio.gather(*(echo_beside(number) for number in range(count))))


@DBOS.workflow()
def approval() -> int:
    DBOS.recv("Go", timeout_seconds=PATIENCE)
    return stamp()


def measure(sizes: dict[str, int]) -> dict[str, float]:
    def run(workflow: Callable[..., Any], count: int, instances: int) -> float:
        begun = time.perf_counter()
        for handle in [DBOS.start_workflow(workflow, count) for _ in range(instances)]:
            handle.get_result()
        return time.perf_counter() - begun

    async def run_beside(count: int) -> float:
        begun = time.perf_counter()
        handle = await DBOS.start_workflow_async(fan_out, count)
        await handle.get_result()
        return time.perf_counter() - begun

    def event() -> float:
        handle = DBOS.start_workflow(approval)
        time.sleep(0.1)  # until it waits
        begun = time.time_ns()
        DBOS.send(handle.workflow_id, "go", "Go")
        return (handle.get_result() - begun) / 1e6

    run(sequence, sizes["steps"], 5)  # warm up
    return {
        "sequences": max(
            sizes["instances"] / run(sequence, sizes["steps"], sizes["instances"]) for _ in range(sizes["samples"])
        ),
        "fan-out": sizes["activities"] / asyncio.run(run_beside(sizes["activities"])),
        "chain": run(sequence, sizes["chain"], 1) / sizes["chain"] * 1000,
        "event": statistics.median(event() for _ in range(min(10, sizes["events"]))),
    }


def main() -> None:
    sizes, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
    database = f"sqlite:///{folder / f'dbos-{time.time_ns()}.db'}"
    DBOS(
        config={
            "name": "bench",
            "system_database_url": database,
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    figures = measure(sizes)
    DBOS.destroy()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
