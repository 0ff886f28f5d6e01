"""Run the host on Azurite and on SQLite beside other engines, and print a table with all figures and the ratios.

The figures are also written as JSON and as a chart, and compared with those of the run before. `--ceilings` runs the
host beside the bare storage requests of each scenario instead, for apps of both SDK generations, Node.js and .NET.
"""

import argparse
import asyncio
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from bench import (
    bare,
    chart,
    dotnet_apps,
    durable_environments,
    figures,
    node_apps,
    plain_workers,
    request_counts,
    retention,
    scenarios,
    side_by_side,
    throughput,
)
from bench.command import run_command
from bench.running_host import RunningHost
from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount
from durable_host.storage.azurite import connection_string, free_connection, start_azurite

ACTIVITIES = 1000
INSTANCES = 200
STEPS = 5
EVENTS = 200
CHAIN = 300
MESSAGES = 2000
BUILD = Path(__file__).parents[1] / "build"
ENVIRONMENTS = BUILD / "durable-environments"
RESULTS = BUILD / "bench"


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.plain_workers:
            tables = asyncio.run(_plain_workers(folder, options.rounds))
        elif options.ceilings or options.node or options.dotnet or options.retention:
            tables = _on_azurite(folder, options)
        else:
            compare(folder, options)
            return
    for table in tables:
        Console(width=140).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="how often the scenarios are run (best counts)")
    parser.add_argument("--small", action="store_true", help="only a little of each scenario, to see that all work")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"folder of the results (default: {RESULTS})")
    parser.add_argument("--ceilings", action="store_true", help="the host beside bare storage requests")
    parser.add_argument("--on-disk", action="store_true", help="let Azurite keep its data on disk")
    parser.add_argument("--plain-workers", action="store_true", help="only the rows of plain workers")
    parser.add_argument("--node", action="store_true", help="only the rows of Node.js beside Python")
    parser.add_argument("--retention", action="store_true", help="only the host beside a background purge")
    parser.add_argument("--dotnet", action="store_true", help="only the rows of .NET isolated apps")
    return parser.parse_args()


async def _plain_workers(folder: Path, rounds: int) -> list[Table]:
    table = Table("scenario", "host", "beside", "ratio", title="func durable serve on SQLite")
    await plain_workers.measure(table, folder, rounds, Console(stderr=True).print)
    return [table]


def _on_azurite(folder: Path, options: argparse.Namespace) -> list[Table]:
    """The tables of the chosen measurement, on an Azurite that it starts."""
    connection = free_connection()
    azurite = start_azurite(connection, data_dir=folder / "azurite" if options.on_disk else None)
    try:
        return asyncio.run(_chosen(connection, folder, options))
    finally:
        azurite.stop()


async def _chosen(connection: Connection, folder: Path, options: argparse.Namespace) -> list[Table]:
    say = Console(stderr=True).print
    if options.node:
        table = Table("scenario", "Node.js", "Python", "ratio", title="Node.js beside Python on Azurite")
        await node_apps.measure(table, connection_string(connection), folder, ENVIRONMENTS, say)
        return [table]
    if options.dotnet:
        table = Table("scenario", "host", "goal", "ratio", title=".NET isolated apps on Azurite")
        await dotnet_apps.measure(table, connection_string(connection), folder, say)
        return [table]
    if options.retention:
        return [*await retention.measure(connection, folder, options.rounds, say)]
    return [await measure(connection, folder / "went-on.txt", options.rounds)]


def compare(folder: Path, options: argparse.Namespace) -> None:
    """Run the host beside the other engines, and keep the figures."""
    say = Console(stderr=True).print
    run = side_by_side.Run(
        folder=folder,
        environments=ENVIRONMENTS,
        sizes=side_by_side.SMALL if options.small else side_by_side.SIZES,
        rounds=options.rounds,
        http_seconds=0.3 if options.small else side_by_side.HTTP_SECONDS,
        say=say,
    )
    found = asyncio.run(side_by_side.measure(run))
    results = options.results / "small" if options.small else options.results
    earlier = figures.runs(results)
    before = figures.load(earlier[-1]) if earlier else None
    path = figures.save(found, results, _commit())
    chart.draw(found, path.with_suffix(".png"))
    console = Console(width=160)
    console.print(figures.table_of(found, before))
    if before is not None:
        console.print(f"In brackets: {earlier[-1].name}")
    console.print(figures.goals_table(found, side_by_side.GOALS))
    for system, reason in found.left_out.items():
        console.print(f"{system} was left out: {reason}")
    console.print(f"Results: {path}\nChart:   {path.with_suffix('.png')}", soft_wrap=True)


async def measure(connection: Connection, log: Path, rounds: int) -> Table:
    table = Table("scenario", "host", "ceiling", "ratio", title="durable_host on Azurite")
    say = Console(stderr=True).print
    say("starting the host ...")
    host = await asyncio.to_thread(RunningHost, connection_string(connection), f"bench{uuid.uuid4().hex[:8]}", log)
    try:
        await asyncio.sleep(2)  # let start-up work settle before memory is read
        idle = host.megabytes()
        async with aiohttp.ClientSession() as session:
            client = scenarios.Client(host, session)
            await measure_durable(table, client, connection, log, rounds, say)
        await measure_throughput(table, host, connection, say)
        say("storage requests ...")
        sequence, fan_out = await request_counts.measure(connection, log.parent, STEPS, ACTIVITIES)
        table.add_row(f"storage requests of {STEPS} activities in sequence", f"{sequence:.1f}", "12", "")
        table.add_row(f"storage requests of a fan-out of {ACTIVITIES}", str(fan_out), "250", "")
        table.add_row("func start to ready", f"{host.seconds_to_ready:.2f} s", "2.5 s", "")
        table.add_row("memory of host and worker, idle", f"{idle:.0f} MB", "220 MB", "")
        table.add_row("memory after the scenarios", f"{host.megabytes():.0f} MB", "", "")
    finally:
        await asyncio.to_thread(host.stop)
    await measure_v2(table, connection, log.with_name("v2.txt"), rounds, say)
    await node_apps.measure(table, connection_string(connection), log.parent, ENVIRONMENTS, say)
    await dotnet_apps.measure(table, connection_string(connection), log.parent, say)
    await plain_workers.measure(table, log.parent, rounds, say)
    return table


async def measure_v2(table: Table, connection: Connection, log: Path, rounds: int, say: Callable[[str], None]) -> None:
    """Run the durable scenarios with the 2.x SDK. If it cannot be installed, report the reason."""
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    try:
        python = await asyncio.to_thread(durable_environments.v2_environment, ENVIRONMENTS)
    except RuntimeError as error:
        say(f"the 2.x SDK is left out: {error}")
        table.add_row("2.x SDK", "left out", "", "")
        return
    say(f"starting the host with azure-functions-durable {durable_environments.V2_SDK} ...")
    storage, hub = connection_string(connection), f"bench{uuid.uuid4().hex[:8]}"
    host = await asyncio.to_thread(RunningHost, storage, hub, log, python=str(python))
    try:
        async with aiohttp.ClientSession() as session:
            client = scenarios.Client(host, session)
            await measure_durable(table, client, connection, log, rounds, say, prefix="2.x SDK: ")
    finally:
        await asyncio.to_thread(host.stop)


async def measure_durable(
    table: Table,
    client: scenarios.Client,
    connection: Connection,
    log: Path,
    rounds: int,
    say: Callable[[str], None],
    prefix: str = "",
) -> None:
    """Run fan-out, sequences and events, each next to the bare storage requests at the same time, and the chain."""
    await scenarios.fan_out(client, 20, -1)  # warm up
    for run in range(rounds):
        say(f"fan-out of {ACTIVITIES} ...")
        _, ceiling = await bare.on_bare_hub(connection, lambda hub: bare.fan_out(hub, ACTIVITIES))
        seconds = await scenarios.fan_out(client, ACTIVITIES, run)
        _add_rates(table, f"{prefix}fan-out of {ACTIVITIES} activities", ACTIVITIES, "activities", seconds, ceiling)
        say(f"{INSTANCES} orchestrations of {STEPS} activities ...")
        _, ceiling = await bare.on_bare_hub(connection, lambda hub: bare.sequences(hub, INSTANCES, STEPS))
        seconds = await scenarios.sequences(client, INSTANCES, STEPS, run)
        title = f"{prefix}{INSTANCES} orchestrations of {STEPS} activities"
        _add_rates(table, title, INSTANCES, "orchestrations", seconds, ceiling)
    say(f"{EVENTS} external events ...")
    floors, _ = await bare.on_bare_hub(connection, lambda hub: bare.events(hub, EVENTS))
    _add_latencies(table, prefix, await scenarios.events(client, EVENTS, log), floors)
    say(f"a chain of {CHAIN} activities ...")
    first, last = await scenarios.chain(client, CHAIN)
    table.add_row(f"{prefix}chain of {CHAIN}: a step of the first 50", f"{first:.1f} ms", "", "")
    table.add_row(f"{prefix}chain of {CHAIN}: a step of the last 50", f"{last:.1f} ms", "", f"{last / first:.2f}")


def _add_rates(table: Table, title: str, count: int, unit: str, seconds: float, ceiling: float) -> None:
    """Add the rate at which the host did `count` of something in `seconds`, and the rate of the bare requests."""
    rates = [f"{figures.short(count / duration)} {unit}/s" for duration in (seconds, ceiling)]
    table.add_row(title, *rates, f"{ceiling / seconds:.2f}")


def _add_latencies(table: Table, prefix: str, latencies: list[float], floors: list[float]) -> None:
    for share in (0.5, 0.99):
        reached, floor = (scenarios.percentile(each, share) * 1000 for each in (latencies, floors))
        title = f"{prefix}external event, 202 to code going on, p{share * 100:.0f}"
        table.add_row(title, f"{reached:.1f} ms", f"{floor:.1f} ms", f"{reached / floor:.2f}")


async def measure_throughput(
    table: Table, host: RunningHost, connection: Connection, say: Callable[[str], None]
) -> None:
    """Compare HTTP with plain aiohttp, and the queue trigger with a bare receive and delete."""
    say(f"HTTP hello over {throughput.CONNECTIONS} connections ...")
    process, workers = host.processes()
    served = throughput.HttpServer(f"{host.base}/api/hello", (process, *workers))
    async with throughput.plain_server() as plain:
        servers = {"host": served, "bare": plain}
        found = await throughput.http_side_by_side(servers, side_by_side.HTTP_SECONDS)
    ours, bare_ones = found["host"], found["bare"]
    ratio = f"{ours.rate / bare_ones.rate:.2f}"
    table.add_row("HTTP hello", f"{ours.rate:.0f} requests/s", f"{bare_ones.rate:.0f} requests/s", ratio)
    p99 = [scenarios.percentile(each.latencies, 0.99) * 1000 for each in (ours, bare_ones)]
    table.add_row("HTTP hello, p99", f"{p99[0]:.0f} ms", f"{p99[1]:.0f} ms", "")
    say(f"{MESSAGES} queue messages ...")
    async with StorageAccount(connection, max_connections=8) as account:
        ceiling = await throughput.bare_queue(account, f"{host.queue}-bare", MESSAGES)
        rate = await throughput.triggered_queue(account, host.queue, MESSAGES)
    table.add_row("queue trigger", f"{rate:.0f} messages/s", f"{ceiling:.0f} messages/s", f"{rate / ceiling:.2f}")


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None


if __name__ == "__main__":
    run_command(main)
