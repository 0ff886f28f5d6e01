"""Kills the host at random times under load and checks the results of the work: `python -m bench.soak --kills 200`.

Sequences, fan-outs, timers, entity calls, successive approvals, client signals and tokens through a queue-triggered
function run all the time. The host gets `kill -9` zero to five seconds after it is ready, and is restarted. At the end,
each run is right, wrong, lost (it has not ended) or doubled. A run whose client got no answer to an event is in doubt
and not judged, because the event may count or not. The exit code is 1 if anything is not right.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from bench.histories import doubled
from bench.running_host import RunningHost, free_port
from bench.scenarios import percentile
from bench.soak_kills_load import KINDS, Hub, Run, entity_value
from durable_host.config.connection import Connection
from durable_host.storage import Entity, StorageAccount
from durable_host.storage.azurite import connection_string, free_connection, start_azurite

APP = Path(__file__).parent / "crash_app"
LONGEST_LIFE = 5.0
LONGEST_STEP = 0.5
"""Duration of an activity in seconds, long enough to be hit by kills."""
PATIENCE = 120.0
"""If no run ends for this many seconds after the last kill, the remaining runs are lost."""
MOST_OPEN = 100
"""Maximum number of concurrent runs. More than the machine can process between two kills would only pile up."""
SHOWN = 20


@dataclass
class Verdict:
    """The results of the runs of one kind."""

    right: int = 0
    wrong: int = 0
    lost: int = 0
    doubled: int = 0
    in_doubt: int = 0
    examples: list[str] = field(default_factory=list[str])


class Soak:
    """Successive hosts on one hub, and their load."""

    def __init__(self, connection: Connection, folder: Path, kills: int, rate: float) -> None:
        self._connection = connection
        self._folder = folder
        self._kills = kills
        self._rate = rate
        self._hub = f"soak{uuid.uuid4().hex[:8]}"
        self._port = free_port()
        self.runs: list[Run] = []
        self._room = asyncio.Semaphore(MOST_OPEN)
        self._last_end = 0.0
        self.ran_file = folder / "ran.txt"
        self.ran_file.write_text("", encoding="utf-8")
        self.deaths: list[int] = []
        self.readies: list[int] = []

    def _start(self) -> RunningHost:
        return RunningHost(
            connection_string(self._connection),
            self._hub,
            self._folder / "soak.txt",
            app=APP,
            port=self._port,
            settings={
                "RUNS": str(self.ran_file),
                "LONGEST_STEP": str(LONGEST_STEP),
                "QUEUE": f"{self._hub}-senders",
                "AzureFunctionsJobHost__extensions__durableTask__hubName": self._hub,
                "AzureFunctionsJobHost__logging__logLevel__default": "Warning",
            },
        )

    async def run(self) -> list[Entity]:
        """Run the load and the kills, and wait for the remaining runs. Returns all history rows at the end."""
        async with aiohttp.ClientSession() as session, StorageAccount(self._connection) as account:
            hub = Hub(session, account, f"http://127.0.0.1:{self._port}", self._hub)
            await account.queues.create(hub.queue)
            host = await asyncio.to_thread(self._start)
            hub.up.set()
            try:
                async with asyncio.TaskGroup() as group:
                    load = group.create_task(self._load(hub, group))
                    for number in range(self._kills):
                        await asyncio.sleep(random.uniform(0, LONGEST_LIFE))
                        hub.up.clear()
                        self.deaths.append(time.time_ns())
                        await asyncio.to_thread(host.kill)
                        host = await asyncio.to_thread(self._start)
                        self.readies.append(time.time_ns())
                        hub.up.set()
                        if (number + 1) % 10 == 0:
                            print(f"{number + 1} kills, {len(self.runs)} runs", file=sys.stderr, flush=True)
                    load.cancel()
                await self._read_entities(hub)
            finally:
                await asyncio.to_thread(host.stop)
            return [row async for row in account.tables.query_all(f"{self._hub}History")]

    async def _load(self, hub: Hub, group: asyncio.TaskGroup) -> None:
        """Start runs while the host is up and not too many are active."""
        number = 0
        while True:
            await self._room.acquire()
            await hub.up.wait()
            kind = list(KINDS)[number % len(KINDS)]
            run = Run(kind, f"run{number}")
            self.runs.append(run)
            group.create_task(self._one(hub, run))
            number += 1
            await asyncio.sleep(random.expovariate(self._rate))

    async def _one(self, hub: Hub, run: Run) -> None:
        """Wait until the run has ended, or until no run has ended for long enough after the last kill."""
        work = asyncio.ensure_future(KINDS[run.kind](hub, run))
        while not work.done() and not self._is_over(hub):
            await asyncio.wait([work], timeout=1.0)
        if work.done():
            self._last_end = time.monotonic()
        else:
            work.cancel()
        self._room.release()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    def _is_over(self, hub: Hub) -> bool:
        if len(self.deaths) < self._kills or not hub.up.is_set():
            self._last_end = time.monotonic()
        return time.monotonic() - self._last_end > PATIENCE

    async def _read_entities(self, hub: Hub) -> None:
        """Read the counts of entities after all runs have ended."""
        for run in self.runs:
            if run.kind in ("client signals", "orchestration to entity"):
                value = entity_value(await hub.row(f"@counter@{run.name}"))
                if run.kind == "client signals":
                    run.result = value
                elif run.result == run.expected and value != run.expected:
                    run.result = f"the entity counts {value}"

    def ran(self) -> list[tuple[str, int]]:
        """The names of what ran, and the times in nanoseconds."""
        lines = self.ran_file.read_text(encoding="utf-8").splitlines()
        return [(name, int(at)) for name, _, at in (line.partition("\t") for line in lines)]


def judge(runs: Sequence[Run], ran: Sequence[tuple[str, int]]) -> dict[str, Verdict]:
    """A verdict for each kind."""
    senders = Counter(name for name, _ in ran if name.startswith("sender "))
    verdicts = {kind: Verdict() for kind in KINDS}
    for run in runs:
        verdict = verdicts[run.kind]
        result = run.result
        if run.kind == "collect" and isinstance(result, list):
            # The function runs at least once; everything that it sent in each run counts.
            extra = Counter(result) - Counter({n: senders[f"sender {run.name} {n}"] for n in range(len(run.expected))})
            result = sorted(set(result)) if not extra else result
        if run.in_doubt:
            verdict.in_doubt += 1
        elif result == run.expected:
            verdict.right += 1
        elif result is None or (run.kind == "client signals" and result < run.expected):
            verdict.lost += 1
            verdict.examples.append(f"{run.name}: lost ({result})")
        elif (isinstance(result, list) and len(set(map(str, result))) < len(result)) or (
            isinstance(result, int) and result > run.expected
        ):
            verdict.doubled += 1
            verdict.examples.append(f"{run.name}: {result} for {run.expected}")
        else:
            verdict.wrong += 1
            verdict.examples.append(f"{run.name}: {result} for {run.expected}")
    return verdicts


def seconds_to_next_step(soak: Soak) -> list[float]:
    """For each run that was active at a kill: seconds from the ready host to its next activity. A wait that the next
    kill interrupts does not count.
    """
    steps: dict[str, list[int]] = defaultdict(list)
    for name, at in soak.ran():
        steps[name.split(" ")[0]].append(at)
    found: list[float] = []
    ends = [*soak.deaths[1:], sys.maxsize]
    for death, ready, end in zip(soak.deaths, soak.readies, ends, strict=True):
        for times in steps.values():
            before = [at for at in times if at < death]
            after = [at for at in times if at > death]
            if before and after and min(after) < end:
                found.append(max(0.0, (min(after) - ready) / 1e9))
    return found


def table_of(verdicts: dict[str, Verdict]) -> Table:
    table = Table("kind", "right", "wrong", "lost", "doubled", "in doubt", title="after kill -9 under load")
    for kind, one in verdicts.items():
        table.add_row(kind, *map(str, (one.right, one.wrong, one.lost, one.doubled, one.in_doubt)))
    return table


def report(soak: Soak, rows: Sequence[Entity]) -> int:
    """Print the verdict and return the exit code."""
    histories: dict[str, list[Entity]] = defaultdict(list)
    for row in rows:
        if row["RowKey"] != "sentinel":
            histories[row["PartitionKey"]].append(row)
    in_histories = [f"{instance}: {what}" for instance, found in histories.items() for what in doubled(found)]
    ran = soak.ran()
    verdicts = judge(soak.runs, ran)
    console = Console(width=110)
    console.print(table_of(verdicts))
    again = sum(times - 1 for name, times in Counter(name for name, _ in ran).items() if not name.startswith("sender "))
    console.print(f"{len(soak.deaths)} kills, {len(soak.runs)} runs, {len(ran)} activities, {again} of them ran again")
    console.print(f"answers that stand twice or timers that fired early in {len(histories)} histories: ", end="")
    console.print(str(len(in_histories)))
    if times := seconds_to_next_step(soak):
        middle = percentile(times, 0.5) if len(times) > 1 else times[0]
        console.print(f"ready host to next step of waiting work: p50 {middle:.2f} s, max {max(times):.2f} s")
    examples = [f"{kind}: {line}" for kind, one in verdicts.items() for line in one.examples] + in_histories
    for line in examples[:SHOWN]:
        console.print(line, markup=False)
    console.print("verdict: " + ("right" if not examples else f"{len(examples)} faults"))
    return 1 if examples else 0


def soak_kills(kills: int, rate: float, folder: Path) -> int:
    """Kill the host `kills` times. Writes its output and all runs to `folder`, and returns the exit code."""
    connection = free_connection()
    azurite = start_azurite(connection)
    try:
        soak = Soak(connection, folder, kills, rate)
        rows = asyncio.run(soak.run())
    finally:
        azurite.stop()
    code = report(soak, rows)
    kept = {"runs": [vars(run) for run in soak.runs], "deaths": soak.deaths, "readies": soak.readies}
    (folder / "runs.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return code
