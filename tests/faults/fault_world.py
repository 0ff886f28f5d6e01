"""Many runs of the patterns in `bench/crash_app` on one real host whose storage is behind the faulty proxy."""

import asyncio
import base64
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from host_process import HostProcess, hub_settings, until
from progress import Progress

from bench.histories import doubled
from bench.storage_calls import Kind, StorageCall
from bench.storage_proxy import StorageProxy
from durable_host.clock import SystemClock
from durable_host.config.connection import Connection
from durable_host.durable.model import identity
from durable_host.durable.model.events import EventRaised, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure import AzureTaskHub, AzureTaskHubOptions
from durable_host.durable.taskhub.azure.partition_plan import PartitionRow
from durable_host.storage import Entity, StorageAccount
from durable_host.storage.azurite import connection_string
from durable_host.timestamp import TICKS_PER_SECOND

APP = Path(__file__).parents[2] / "bench" / "crash_app"
MANAGEMENT = "/runtime/webhooks/durabletask"
CALLERS = 12
LOOK_AGAIN = (0.3, 2.0)
"""Seconds between reads of all rows, which keep Azurite busy: at first, and when nothing changes for long."""
LIMIT = 90.0
LONGEST_HIDDEN = 660.0
"""A message that was received nine times before it could be processed is hidden for more than eight minutes, and one
of a frozen family is received every two seconds."""

EXPECTED: dict[str, Any] = {
    "approvals": [0, 1, 2],
    "chain": [0, 1, 2],
    "fan": [0, 1, 2, 3],
    "calls": 2,
    "timers": [True, 0],
    "parents": 0,
    "generations": 2,
    "large": 70_000,
    "signals": 3,
}
"""The result of one run of each pattern. `signals` has no orchestration: three signals of a client to an entity."""

RUNS = {"chain": 3, "fan": 4, "timers": 1, "parents": 1, "generations": 3}
"""How many activities one run of a pattern runs."""


@dataclass
class Run:
    """One run. `sent` counts the events or signals that were acknowledged.

    `is_unsure` is true after a request without an answer that says whether it had an effect.
    """

    pattern: str
    family: str
    fault: str = ""
    started: bool = False
    sent: int = 0
    from_outside: bool = False
    busy: bool = False
    is_unsure: bool = False
    status: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_done(self) -> bool:
        if self.pattern == "signals":
            return self.sent == 3 and self.status.get("value") == 3
        return self.status.get("runtimeStatus") in ("Completed", "Failed", "Terminated")

    @property
    def result(self) -> Any:
        return self.status.get("value" if self.pattern == "signals" else "output")

    @property
    def seen(self) -> int:
        """How many events or signals have been processed, as far as the state shows."""
        if self.pattern == "signals":
            return self.status.get("value", 0)
        waits = self.status.get("customStatus")
        return 3 if self.is_done else int(waits.removeprefix("waits ")) if waits else 0


class FaultWorld:
    """One host, its proxy, and what tests ask of both. Reads of storage go past the proxy."""

    def __init__(self, azurite: Connection, proxy: StorageProxy, folder: Path) -> None:
        self.azurite = azurite
        self.proxy = proxy
        self.runs_file = folder / "runs.txt"
        settings = hub_settings(connection_string(proxy.connection))
        self.hub = settings["AzureFunctionsJobHost__extensions__durableTask__hubName"]
        self.queue = f"{self.hub.lower()}-senders"
        settings |= {"RUNS": str(self.runs_file), "QUEUE": self.queue}
        settings["AzureFunctionsJobHost__logging__logLevel__default"] = "Warning"
        for work in ("Activity", "Orchestrator", "Entity"):
            settings[f"AzureFunctionsJobHost__extensions__durableTask__maxConcurrent{work}Functions"] = "500"
        self.settings = settings
        self.host = HostProcess(APP, settings)
        self._options = AzureTaskHubOptions(hub_name=self.hub)
        self._session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=CALLERS + 2)
        self._session.mount("http://", adapter)

    # The host

    def restart(self) -> None:
        """Start again after a kill."""
        self.host.kill()
        self.host.start()

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, self.host.base_url + path, timeout=60, **options)

    def start_instance(self, pattern: str, family: str, data: Any = None) -> requests.Response:
        body = "" if data is None else json.dumps(json.dumps(data))
        return self.request("POST", f"{MANAGEMENT}/orchestrators/{pattern}/{family}", data=body)

    def raise_event(self, family: str, data: Any) -> requests.Response:
        return self.request("POST", f"{MANAGEMENT}/instances/{family}/raiseEvent/Approval", json=data)

    def signal(self, family: str) -> requests.Response:
        return self.request("POST", f"{MANAGEMENT}/entities/counter/{family}?op=add", json="1")

    def status(self, instance_id: str) -> dict[str, Any]:
        response = self.request("GET", f"{MANAGEMENT}/instances/{instance_id}")
        return response.json() if response.ok else {}

    def wait_output(self, instance_id: str, limit: float = LIMIT) -> Any:
        """The output once the instance has ended."""
        status: dict[str, Any] = {}

        def ended() -> bool:
            nonlocal status
            status = self.status(instance_id)
            return status.get("runtimeStatus") in ("Completed", "Failed", "Terminated")

        until(ended, limit, self.host)
        assert status["runtimeStatus"] == "Completed", status
        return status["output"]

    def wait_custom_status(self, instance_id: str, wanted: Any) -> None:
        until(lambda: self.status(instance_id).get("customStatus") == wanted, LIMIT, self.host)

    def entity_value(self, key: str) -> int:
        response = self.request("GET", f"{MANAGEMENT}/entities/counter/{key}")
        return response.json() if response.status_code == 200 else 0

    # Storage, past the proxy

    def add_partition_of(self, worker: str) -> None:
        """Add a partition to those of the hub, owned by a worker that never releases it."""
        expires_at = SystemClock().now() + 24 * 3600 * TICKS_PER_SECOND
        row = PartitionRow(f"{self.hub.lower()}-control-99", current_owner=worker, expires_at=expires_at)

        async def add(account: StorageAccount) -> None:
            await account.tables.create_table(f"{self.hub}Partitions")
            await account.tables.insert(f"{self.hub}Partitions", row.write())

        self.of_storage(add)

    def of_storage(self, work: Callable[[StorageAccount], Any]) -> Any:
        async def run() -> Any:
            async with StorageAccount(self.azurite) as account:
                return await work(account)

        return asyncio.run(run())

    def history(self) -> dict[str, list[Entity]]:
        """All history rows by instance, without sentinels."""

        async def read(account: StorageAccount) -> dict[str, list[Entity]]:
            found: dict[str, list[Entity]] = {}
            async for row in account.tables.query_all(f"{self.hub}History"):
                if row["RowKey"] != "sentinel":
                    found.setdefault(row["PartitionKey"], []).append(row)
            return found

        return self.of_storage(read)

    def messages_left(self) -> int:
        """Messages in the queues of the hub, hidden ones included."""

        async def count(account: StorageAccount) -> int:
            queues = await account.queues.list(f"{self.hub.lower()}-")
            return sum([await account.queues.message_count(queue) for queue in queues])

        return self.of_storage(count)

    def wait_until_nothing_comes(self, family: str | None = None) -> None:
        """Wait until no message is left, of this family or at all: second copies are hidden for a while."""

        def left() -> list[Any]:
            known = self.proxy.messages()
            if family is None:
                return known or [self.messages_left()] * (self.messages_left() > 0)
            return [one for one in known if family in StorageCall(Kind.OTHER, "", one[0]).families]

        progress = Progress(LONGEST_HIDDEN)
        while found := left():
            if progress.has_stopped(found):
                told = f"{self.messages_left()} messages in the queues, known ones: {found}"
                raise AssertionError(f"{told}\n{self.host.output[-4000:]}")
            time.sleep(0.2)

    def wait_ends(self, instances: Iterable[str]) -> None:
        """Wait until all of these instances are Completed, without a request to the host."""
        runs = [Run("", instance) for instance in instances]

        def completed() -> bool:
            self.look(runs)
            return all(run.status.get("runtimeStatus") == "Completed" for run in runs)

        until(completed, LIMIT, self.host)

    def _send_from_outside(self, family: str, number: int) -> requests.Response:
        """Put an event into the control queue, as a client in another process does: the host has to poll for it."""
        event = EventRaised(timestamp=SystemClock().now(), name="Approval", input=str(number))
        message = TaskMessage(event, OrchestrationInstance(family), id=identity.new())
        self.of_storage(lambda account: AzureTaskHub(account, options=self._options).send(message))
        answer = requests.Response()
        answer.status_code = 202
        return answer

    def put_for_sender(self, text: str) -> None:
        encoded = base64.b64encode(text.encode()).decode()
        self.of_storage(lambda account: account.queues.put(self.queue, encoded))

    def activity_runs(self) -> Counter[str]:
        """How often each activity ran, by its input."""
        return activities_in(self.runs_file)

    # Many runs

    def drive(self, runs: Sequence[Run]) -> None:
        """Start the runs and send what they wait for, each event only when it is waited for; until each has ended or
        is frozen, or nothing changes any more.
        """
        progress = Progress(LIMIT)
        pause, last = LOOK_AGAIN[0], None
        with ThreadPoolExecutor(CALLERS) as pool:
            while open_runs := [run for run in runs if not self._has_ended(run)]:
                self.look(open_runs)
                for run in open_runs:
                    if not run.busy and (step := self._next_step(run)) is not None:
                        run.busy = True
                        pool.submit(self._take, run, step)
                state = [(run.started, run.sent, run.status) for run in runs]
                if progress.has_stopped(state):
                    return
                pause = min(pause * 1.5, LOOK_AGAIN[1]) if state == last else LOOK_AGAIN[0]
                last = state
                time.sleep(pause)

    def _has_ended(self, run: Run) -> bool:
        return not run.busy and (run.is_done or run.family in self.proxy.frozen)

    def look(self, runs: Sequence[Run]) -> None:
        """Read the rows of all instances at once."""

        async def read(account: StorageAccount) -> dict[str, Entity]:
            return {row["PartitionKey"]: row async for row in account.tables.query_all(f"{self.hub}Instances")}

        rows = self.of_storage(read)
        for run in runs:
            if run.pattern == "signals":
                row = rows.get(f"@counter@{run.family}")
                if row is not None and row.get("Input"):
                    state = json.loads(json.loads(row["Input"]).get("state") or "0")
                    run.status = {"value": state}
            elif (row := rows.get(run.family)) is not None:
                output = row.get("Output")
                run.status = {
                    "runtimeStatus": row["RuntimeStatus"],
                    "customStatus": json.loads(row.get("CustomStatus") or "null"),
                    "output": json.loads(output) if output and row["RuntimeStatus"] == "Completed" else output,
                }

    def _next_step(self, run: Run) -> Callable[[], requests.Response] | None:
        """What the client does next; None while it waits."""
        if run.pattern == "signals":
            return (lambda: self.signal(run.family)) if run.sent < 3 else None
        if not run.started:
            return lambda: self.start_instance(run.pattern, run.family)
        if run.pattern == "approvals" and run.sent < 3 and run.status.get("customStatus") == f"waits {run.sent}":
            send = self._send_from_outside if run.from_outside else self.raise_event
            return lambda: send(run.family, run.sent)
        return None

    def _take(self, run: Run, step: Callable[[], requests.Response]) -> None:
        """Make the call. It counts when it was acknowledged; a start that exists already was started."""
        try:
            run.is_unsure = True
            response = step()
            run.is_unsure = response.status_code >= 500
            was_start = run.pattern != "signals" and not run.started
            if response.status_code == 202 or (was_start and response.status_code == 409):
                if was_start:
                    run.started = True
                else:
                    run.sent += 1
        except requests.RequestException:
            pass
        finally:
            run.busy = False

    def wrong(self, runs: Sequence[Run], *, each_activity_once: bool) -> list[str]:
        """A line for each run whose result is wrong, or whose history holds something twice."""
        histories: dict[frozenset[str], list[list[Entity]]] = {}
        for instance, rows in self.history().items():
            histories.setdefault(StorageCall(Kind.OTHER, "", frozenset([instance])).families, []).append(rows)
        ran: dict[str, dict[str, int]] = {}
        for name, times in self.activity_runs().items():
            ran.setdefault(name.split("-")[0].split()[0], {})[name] = times
        lines: list[str] = []
        for run in runs:
            found = [] if run.is_done else ["has not ended"]
            if run.result != EXPECTED[run.pattern]:
                found.append(f"{run.result!r} for {EXPECTED[run.pattern]!r}")
            for rows in histories.get(frozenset([run.family]), []):
                found += doubled(rows)
            activities = ran.get(run.family, {})
            if run.is_done and len(activities) != RUNS.get(run.pattern, 0):
                found.append(f"ran {sorted(activities)}")
            if each_activity_once:
                found += [f"activity '{name}' ran {times} times" for name, times in activities.items() if times > 1]
            if found:
                lines.append(f"{run.family} ({run.fault}): {'; '.join(found)}")
        return lines


def activities_in(runs_file: Path) -> Counter[str]:
    """How often each activity ran, by its input, according to a file that the app has written."""
    if not runs_file.exists():
        return Counter()
    lines = runs_file.read_text(encoding="utf-8").splitlines()
    return Counter(line.partition("\t")[0] for line in lines if not line.startswith("sender "))


@contextlib.contextmanager
def fault_world(azurite: Connection, folder: Path, neighbour: str | None = None) -> Iterator[FaultWorld]:
    """`neighbour` is the name of another worker, which owns an empty partition, so that the hub's work goes through
    messages.
    """
    with StorageProxy(azurite) as proxy:
        world = FaultWorld(azurite, proxy, folder)
        try:
            world.of_storage(lambda account: account.queues.create(world.queue))
            if neighbour is not None:
                world.add_partition_of(neighbour)
            world.host.start()
            yield world
        finally:
            world.host.end()
