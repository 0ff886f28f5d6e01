"""Several real hosts on one task hub, under load while they are killed, stopped and started."""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from fault_world import APP, LIMIT, FaultWorld, Run, activities_in
from host_process import HostProcess, until

from bench.storage_proxy import StorageProxy
from durable_host.config.connection import Connection
from durable_host.durable.taskhub.azure.names import fnv1a32
from durable_host.durable.taskhub.azure.partition_plan import PartitionRow
from durable_host.storage import StorageAccount

LONGEST_STEP = "0.4"
PARTITIONS = 4
PATTERNS = ["chain", "fan", "timers", "generations", "parents", "approvals", "calls", "large"]
"""The first four have an activity that can be held, on a partition each. A signal whose client got no answer may count
or not, so `signals` has no result that is known.
"""
BEGIN_MORE_SECONDS = 5.0


class HostFleet(FaultWorld):
    """`hosts` share the hub; calls of clients go to any of them that runs. Events are put into the queues directly, so
    that each one is sent exactly once whichever host dies. Each host records the activities that begin there.
    """

    def __init__(self, azurite: Connection, proxy: StorageProxy, folder: Path, count: int) -> None:
        super().__init__(azurite, proxy, folder)
        self._hold_file = folder / "hold"
        self.settings |= {"LONGEST_STEP": LONGEST_STEP, "HOLD": str(self._hold_file)}
        self.files = [folder / f"runs{number}.txt" for number in range(count)]
        self.hosts = [HostProcess(APP, {**self.settings, "RUNS": str(file)}) for file in self.files]
        self.up: list[HostProcess] = []
        self.runs: list[Run] = []
        self.lost: list[dict[str, int]] = []
        """For each host that was killed: the activities that it ran, and how often each of them had begun by then."""
        self._numbers = itertools.count()
        self._is_over = threading.Event()
        self._driving: Future[None] | None = None

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        host = random.choice(self.up)
        return self._session.request(method, host.base_url + path, timeout=60, **options)

    # Hosts

    def start(self, *hosts: HostProcess) -> None:
        """Start these hosts at the same time."""
        with ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(HostProcess.start, hosts))
        self.up += hosts

    def kill_in_activities(self, *hosts: HostProcess) -> None:
        """Begin runs until an activity runs in each of the hosts, `kill -9` them, and start them again."""
        last_begun = 0.0

        def runs_in_each() -> bool:
            nonlocal last_begun
            if all(self._begun(host) - before[host] for host in hosts):
                return True
            if time.monotonic() > last_begun + BEGIN_MORE_SECONDS:
                self.begin(1)  # While partitions move, other hosts may have taken all activities so far.
                last_begun = time.monotonic()
            return False

        with self.held():
            before = {host: self._begun(host) for host in hosts}
            self._until(runs_in_each, "no activity begins in a host that is to be killed")
            self._take_down(hosts)
            for host in hosts:
                host.kill()
                self._note_lost(host, before[host])
        self.start(*hosts)

    def stop(self, host: HostProcess) -> None:
        """Stop it cleanly."""
        self._take_down([host])
        assert host.stop() == 0, host.output

    def _take_down(self, hosts: Sequence[HostProcess]) -> None:
        self.up = [host for host in self.up if host not in hosts]

    def _begun(self, host: HostProcess) -> Counter[str]:
        return activities_in(self.files[self.hosts.index(host)])

    def _note_lost(self, host: HostProcess, before: Counter[str]) -> None:
        runs = self.activity_runs()
        self.lost.append({name: runs[name] for name in self._begun(host) - before})

    def owners(self) -> list[str]:
        """The worker that owns each partition."""

        async def read(account: StorageAccount) -> list[PartitionRow]:
            return [PartitionRow.read(row) async for row in account.tables.query_all(f"{self.hub}Partitions")]

        return [row.current_owner or "" for row in sorted(self.of_storage(read), key=lambda row: row.queue)]

    def wait_owners(self, count: int) -> None:
        """Wait until this number of hosts share the partitions."""
        self._until(lambda: len(set(self.owners())) == count and "" not in self.owners(), f"not {count} owners")

    def _until(self, condition: Callable[[], bool], failure: str) -> None:
        """Wait for the condition while the load is driven. The error shows the state of everything."""

        def is_true() -> bool:
            assert self._driving is not None
            if self._driving.done():
                self._driving.result()
            return condition()

        try:
            until(is_true, LIMIT)
        except AssertionError:
            raise AssertionError(f"{failure}\n{self._state()}") from None

    def _state(self) -> str:
        lines = [f"owners {self.owners()}, {self.messages_left()} messages left", *map(str, self.runs)]
        for host in self.hosts:
            lines += [
                f"{'up' if host in self.up else 'down'}, {self._begun(host).total()} activities began:",
                host.output,
            ]
        return "\n".join(lines)

    # Load

    def begin(self, each: int) -> None:
        """Start `each` more runs of every pattern, on all partitions. They continue in the background."""
        self.runs += [
            Run(pattern, self._name(pattern, position % PARTITIONS), from_outside=True)
            for _ in range(each)
            for position, pattern in enumerate(PATTERNS)
        ]

    def _name(self, pattern: str, partition: int) -> str:
        names = (f"{pattern}{number}" for number in self._numbers)
        return next(name for name in names if fnv1a32(name) % PARTITIONS == partition)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Activities that begin do not end in this context."""
        self._hold_file.touch()
        try:
            yield
        finally:
            self._hold_file.unlink()

    @contextmanager
    def load(self) -> Iterator[None]:
        """Drive the runs that are begun in this context. At its end, wait until all have ended."""
        with ThreadPoolExecutor(1) as pool:
            self._driving = pool.submit(self._drive_all)
            try:
                yield
            finally:
                self._is_over.set()
            self._driving.result()

    def _drive_all(self) -> None:
        while True:
            is_over = self._is_over.is_set()
            self.drive(self.runs)
            if is_over:
                return
            time.sleep(0.1)

    def activity_runs(self) -> Counter[str]:
        return sum(map(activities_in, self.files), Counter[str]())


@contextmanager
def host_fleet(azurite: Connection, folder: Path, count: int) -> Iterator[HostFleet]:
    """No host is started yet."""
    with StorageProxy(azurite) as proxy:
        fleet = HostFleet(azurite, proxy, folder, count)
        try:
            fleet.of_storage(lambda account: account.queues.create(fleet.queue))
            yield fleet
        finally:
            for host in fleet.hosts:
                host.end()
