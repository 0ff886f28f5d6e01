"""The host on Azurite and on SQLite beside other engines: the same scenarios in turn, so that load affects all."""

import asyncio
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench import durable_environments, peers, scenarios, throughput
from bench import figures as systems
from bench.figures import Figures, Goal, Scenario
from bench.running_host import APP, RunningHost
from durable_host.config.connection import Connection
from durable_host.storage.azurite import connection_string, free_connection, start_azurite

STEPS = 5
SIZES = {"steps": STEPS, "samples": 3, "instances": 200, "activities": 1000, "large": 4000, "chain": 300, "events": 50}
SMALL = {"steps": STEPS, "samples": 1, "instances": 10, "activities": 20, "large": 40, "chain": 60, "events": 3}
HTTP_SECONDS = 2.0
ROUNDS = 2
WARM_UP = 5
"""Sequences before the figures are taken, as many as in the programs of the peers."""
QUIET_AFTER = 2.0
"""Seconds until the work of a start is over and memory can be read."""

SEQUENCES = Scenario(f"sequences of {STEPS} activities", "orchestrations/s")
FAN_OUT = Scenario("fan-out of 1,000 activities", "activities/s")
LARGE = Scenario("fan-out of 4,000 activities", "activities/s")
CHAIN = Scenario("a step in a chain of 300 activities", "ms", less_is_better=True)
EVENT = Scenario("call that raises an event to the next activity, p50", "ms", less_is_better=True)
EVENT_99 = Scenario("call that raises an event to the next activity, p99", "ms", less_is_better=True)
HTTP = Scenario("HTTP hello, 64 connections", "requests/s")
HTTP_99 = Scenario("HTTP hello, p99", "ms", less_is_better=True)
HTTP_CPU = Scenario("HTTP hello, CPU time of server and worker", "µs", less_is_better=True)
START = Scenario("start to ready", "s", less_is_better=True)
COLD = Scenario("start to ready, Azurite included", "s", less_is_better=True)
MEMORY = Scenario("memory of host and worker, idle", "MB", less_is_better=True)
_PROVIDER = "AzureFunctionsJobHost__extensions__durableTask__storageProvider__"
_OF_PEERS = {"sequences": SEQUENCES, "fan-out": FAN_OUT, "large": LARGE, "chain": CHAIN, "event": EVENT}

GOALS = (
    Goal(SEQUENCES.name, systems.ON_AZURITE, 1.8, systems.DURABLETASK),
    Goal(SEQUENCES.name, systems.ON_SQLITE, 5, systems.DURABLETASK),
    Goal(HTTP.name, systems.ON_AZURITE, 0.7, systems.BARE),
    Goal(HTTP_99.name, systems.ON_AZURITE, 2, systems.BARE),
)


@dataclass(frozen=True)
class Run:
    """What a run needs to know: where its files go, how much to do, and where it reports progress."""

    folder: Path
    environments: Path
    sizes: Mapping[str, int]
    rounds: int
    http_seconds: float
    say: Callable[[str], None]


async def measure(run: Run) -> Figures:
    """Run everything. A peer that cannot be installed or fails is left out, with the reason."""
    found = Figures()
    app = await asyncio.to_thread(durable_environments.app_environment, run.environments)
    python = await _peers(run, found)
    connection = free_connection()
    azurite = await asyncio.to_thread(start_azurite, connection)
    try:
        for number in range(run.rounds):
            run.say(f"round {number + 1} of {run.rounds} ...")
            await _host(run, found, systems.ON_AZURITE, connection, app, number)
            await _host(run, found, systems.ON_SQLITE, connection, app, number)
            if python is not None:
                await _peer(run, found, python, "durabletask_in_memory", systems.DURABLETASK)
                await _peer(run, found, python, "dbos_on_sqlite", systems.DBOS)
    finally:
        azurite.stop()
    await _cold_start(run, found, app)
    return found


async def _peers(run: Run, found: Figures) -> Path | None:
    run.say("the environment of the other engines ...")
    try:
        return await asyncio.to_thread(peers.environment, run.environments)
    except RuntimeError as error:
        found.left_out[systems.DURABLETASK] = found.left_out[systems.DBOS] = str(error)
        return None


async def _peer(run: Run, found: Figures, python: Path, program: str, system: str) -> None:
    run.say(f"{system} ...")
    try:
        values = await peers.measure(python, program, run.folder, dict(run.sizes))
    except RuntimeError as error:
        found.left_out[system] = str(error)
        return
    for name, value in values.items():
        found.add(_OF_PEERS[name], system, value)


async def _host(run: Run, found: Figures, system: str, connection: Connection, app: Path, number: int) -> None:
    run.say(f"{system} ...")
    on_sqlite = system == systems.ON_SQLITE
    log = run.folder / f"{'sqlite' if on_sqlite else 'azurite'}-{number}.txt"
    settings = {_PROVIDER + "type": "sqlite", _PROVIDER + "path": str(log.with_suffix(".db"))} if on_sqlite else None
    host = await asyncio.to_thread(
        RunningHost, connection_string(connection), _new_hub(), log, settings=settings, python=str(app)
    )
    try:
        await asyncio.sleep(QUIET_AFTER)
        idle = host.megabytes()
        async with aiohttp.ClientSession() as session:
            await _durable(run, found, system, scenarios.Client(host, session), log)
        if not on_sqlite:
            await _http(run, found, host)
        found.add(START, system, host.seconds_to_ready)
        found.add(MEMORY, system, idle)
    finally:
        await asyncio.to_thread(host.stop)


async def _durable(run: Run, found: Figures, system: str, client: scenarios.Client, log: Path) -> None:
    sizes = run.sizes
    await scenarios.sequences(client, WARM_UP, STEPS, -1)
    await scenarios.fan_out(client, 20, -1)
    for number in range(sizes["samples"]):
        seconds = await scenarios.sequences(client, sizes["instances"], STEPS, number)
        found.add(SEQUENCES, system, sizes["instances"] / seconds)
    found.add(FAN_OUT, system, sizes["activities"] / await scenarios.fan_out(client, sizes["activities"], 0))
    found.add(LARGE, system, sizes["large"] / await scenarios.fan_out(client, sizes["large"], 1))
    found.add(CHAIN, system, sum(await scenarios.chain(client, sizes["chain"])) / 2)
    latencies = [1000 * seconds for seconds in await scenarios.approvals(client, sizes["events"], log, 0)]
    found.add(EVENT, system, scenarios.percentile(latencies, 0.5))
    found.add(EVENT_99, system, scenarios.percentile(latencies, 0.99))


async def _http(run: Run, found: Figures, host: RunningHost) -> None:
    run.say("HTTP ...")
    process, workers = host.processes()
    served = throughput.HttpServer(f"{host.base}/api/hello", (process, *workers))
    async with throughput.plain_server() as bare:
        servers = {systems.BARE: bare, systems.ON_AZURITE: served}
        for system, samples in (await throughput.http_side_by_side(servers, run.http_seconds)).items():
            found.add(HTTP, system, samples.rate)
            found.add(HTTP_99, system, scenarios.percentile(samples.latencies, 0.99) * 1000)
            if samples.cpu:
                found.add(HTTP_CPU, system, samples.cpu_per_request)


async def _cold_start(run: Run, found: Figures, python: Path) -> None:
    """The host starts Azurite itself."""
    run.say("a start with Azurite ...")
    app = await asyncio.to_thread(shutil.copytree, APP, run.folder / "app")  # Azurite keeps its data in the app
    host = await asyncio.to_thread(
        RunningHost,
        connection_string(free_connection()),
        _new_hub(),
        run.folder / "cold.txt",
        app=app,
        python=str(python),
        options=(),
    )
    found.add(COLD, systems.ON_AZURITE, host.seconds_to_ready)
    await asyncio.to_thread(host.stop)


def _new_hub() -> str:
    return f"bench{uuid.uuid4().hex[:8]}"
