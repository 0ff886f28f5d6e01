"""One run: hosts that start, stop and die, instances driven from outside, and the checks at the end."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

import end_checks
import hub_chaos
import hub_oracles
from instance_driver import InstanceDriver
from official_rows import add_official_episode
from programs import ENTITY, Writer
from request_faults import RequestFaults
from simulated_host import HostDied, SimulatedHost, adopt_by_current_host, any_death
from simulated_plan import Plan, plan_of
from stored_hub import TERMINAL, StoredHub
from virtual_loop import VirtualLoop

from durable_host.clock import SystemClock
from durable_host.durable.api import DurableClient
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.testing.memory_storage.memory_account import MemoryAccount
from durable_host.testing.memory_storage.storage_exchange import StorageAnswer, StorageRequest

T = TypeVar("T")
_HUB = "Simulated"
_PATIENCE = 1500.0
_EMPTY_PATIENCE = 120.0


@dataclass
class Outcome:
    """The result of a run. `problems` is empty if everything is right."""

    seed: int
    plan: Plan
    problems: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    requests: int = 0
    faults: int = 0
    deaths: int = 0
    virtual_seconds: float = 0.0


class World:
    """One seed."""

    failures = (TaskHubUnavailable, HostDied)
    hub_name = _HUB

    def __init__(self, seed: int, loop: VirtualLoop, *, traces: bool = False) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.plan = plan_of(self.random)
        clock = SystemClock()
        self.storage = MemoryAccount(clock.now, Random(seed + 1))
        self.storage.queues.disorder = self.plan.disorder
        self.faults = RequestFaults(self.random, loop.time, self.plan.intensity)
        self.hub = StoredHub(self.storage, _HUB)
        self.outcome = Outcome(seed, self.plan)
        self.ran: Counter[tuple[str, str]] = Counter()
        self.mended: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.acknowledged: set[str] = set()
        self.signals: dict[str, str] = {}
        self.drivers: list[InstanceDriver] = []
        self._loop = loop
        self.clock = clock
        self._traces = traces
        self._hosts: dict[int, SimulatedHost] = {}
        self._open = asyncio.Event()
        self._open.set()
        self.is_calm = asyncio.Event()
        self._is_over = False
        self._deaths_left = self.plan.deaths
        self._lost_left = 3

    # For the others

    def note(self, host: str, outcome: str, text: str | Callable[[], str]) -> None:
        """A line of the trace."""
        if self._traces:
            told = text if isinstance(text, str) else text()
            self.outcome.trace.append(f"{self._loop.time():9.3f} {host:3} {outcome:14} {told}")

    def complain(self, problem: str) -> None:
        if problem not in self.outcome.problems:
            self.note("!!", "PROBLEM", problem)
            self.outcome.problems.append(problem)

    def latencies(self) -> tuple[float, float]:
        """Seconds before and after a request takes effect."""
        self.outcome.requests += 1
        draw = self.random.random()
        return (0.001 if draw < 0.5 else draw * 0.01), 0.001

    def loses_worker(self) -> bool:
        rate = self.plan.lost_workers
        if not rate or self._lost_left <= 0 or self.is_calm.is_set() or self.random.random() >= rate:
            return False
        self._lost_left -= 1
        return True

    def may_miss(self, instance_id: str) -> bool:
        """Whether the instance may be unknown although its start was acknowledged."""
        return self.hub.instance(instance_id) is not None

    def activity_runs(self, host: SimulatedHost, function: str, name: str, instance_id: str, task_id: int) -> None:
        """An activity begins: was it decided?"""
        self.note(host.name, "RUNS", f"{function} {name} ({instance_id} {task_id})")
        if not self.plan.is_strict or self.hub.sentinel(instance_id) is None:
            return
        decided = any(
            row.get("EventId") == task_id
            and row["EventType"] in ("TaskScheduled", "GenericEvent")
            and row.get("Name") == function
            for row in self.hub.history(instance_id)
        )
        if decided or self.hub.status(instance_id) in TERMINAL or self._may_be_of_the_past(instance_id):
            return
        self.complain(f"{function} {name} of {instance_id} runs, and no commit has decided it")

    def _may_be_of_the_past(self, instance_id: str) -> bool:
        """Whether the activity may belong to a generation whose history is gone."""
        starts = [row for row in self.hub.history(instance_id) if row["EventType"] == "ExecutionStarted"]
        return any("again" in str(row.get("Input")) or row.get("Generation") for row in starts)

    def took_effect(self, request: StorageRequest, answer: StorageAnswer) -> None:
        """A request has changed the storage."""

    async def ask(self, what: str, instance_id: str, work: Callable[[DurableClient], Awaitable[T]]) -> T:
        """Have a client of one of the hosts do something. Raises its errors, and HostDied."""
        host = await self._some_host()
        self.note(host.name, "ASKED", f"{what} {instance_id}")
        try:
            told = await host.call(lambda: work(host.client))
        except Exception as error:
            self.note(host.name, "REFUSED", f"{what} {instance_id}: {type(error).__name__} {str(error)[:150]}")
            raise
        self.note(host.name, "ACKNOWLEDGED", f"{what} {instance_id}")
        return told

    async def _some_host(self) -> SimulatedHost:
        while True:
            serving = [host for host in self._hosts.values() if host.is_serving]
            if serving:
                return self.random.choice(serving)
            await asyncio.sleep(0.2)

    # The run

    async def live(self) -> None:
        """Run the whole simulation."""
        self._loop.on_task = adopt_by_current_host
        plan = self.plan
        async with asyncio.TaskGroup() as group:
            slots = [group.create_task(self._keep_host(slot)) for slot in range(plan.hosts)]
            drivers = self._instances()
            driving = [group.create_task(driver.run()) for driver in drivers]
            signalling = group.create_task(self._signal())
            chaos = group.create_task(self._chaos())
            await self._ended([*driving, signalling])
            self._calm_down()
            await chaos
            await self._emptied()
            await self._answered()
            self._is_over = True
            await asyncio.gather(*slots)
        await end_checks.check(self)

    async def _answered(self) -> None:
        """No request fails or is slow any more: a host that stops meanwhile cannot know all that it has to finish."""
        while self.faults.under_way or not self._all_serve():  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(3.0)

    def _instances(self) -> list[InstanceDriver]:
        plan, random = self.plan, self.random
        writer = Writer(random, list(plan.kinds), [f"ledger{n}" for n in range(plan.entities)], plan.longest_timer)
        ids = [f"i{number}" for number in range(plan.instances)]
        self.drivers = [InstanceDriver(self, id, writer.write(id)) for id in ids]
        return self.drivers

    async def _keep_host(self, slot: int) -> None:
        """One process after another in this slot."""
        await asyncio.sleep(self.random.uniform(0.0, 3.0) if slot else 0.0)
        number = 0
        while True:
            number += 1
            death = None
            # A host that dies right before all are stopped leaves marks that no other has come to yet.
            if self._deaths_left > 0 and not self.faults.paused and self._open.is_set():
                self._deaths_left -= 1
                death = any_death(self.random, before_commits=not self.plan.is_strict)
            host = SimulatedHost(self, f"{slot}", death)
            try:
                await host.start()
            except Exception as error:
                if not isinstance(error, self.failures) and "TaskHub" not in type(error).__name__:
                    self.complain(f"the start of a host failed: {type(error).__name__}: {error}")
                self.note(host.name, "NO START", f"{type(error).__name__}: {error}")
                await host.end()
                await asyncio.sleep(1.0)
                continue
            self._hosts[slot] = host
            self.note(host.name, "SERVES", f"number {number}")
            await self._life(host)
            del self._hosts[slot]
            if host.is_dead and host.died.is_set():
                self.outcome.deaths += 1
            await host.end()
            if self._is_over:
                return
            if not self._open.is_set():
                await self._open.wait()
            elif not self.is_calm.is_set():
                await asyncio.sleep(self.random.choice((0.0, 0.0, 1.0, 20.0)))

    async def _life(self, host: SimulatedHost) -> None:
        """Run a host until it has died or stopped."""
        random, plan = self.random, self.plan
        restless = random.random() < plan.restlessness
        until = self._loop.time() + (random.uniform(1.0, 25.0) if restless else float("inf"))
        try:
            while not host.died.is_set():
                if self._is_over or not self._open.is_set():
                    await host.stop()
                    self.note(host.name, "STOPPED", "")
                    return
                if self._loop.time() > until and not self.is_calm.is_set():
                    if random.random() < 0.5:
                        await host.stop()
                        self.note(host.name, "STOPPED", "")
                        return
                    host.reload()
                    self.note(host.name, "RELOADED", "")
                    until = self._loop.time() + random.uniform(1.0, 25.0)
                await self._happens_within(host.died, 0.25)
        except HostDied:
            return

    async def _happens_within(self, event: asyncio.Event, seconds: float) -> None:
        waiting = asyncio.ensure_future(event.wait())
        await asyncio.wait([waiting], timeout=seconds)
        waiting.cancel()

    async def _chaos(self) -> None:
        """Disturb the hub as a whole, then stop."""
        random, plan, foreign = self.random, self.plan, None
        if plan.mode == "foreign":
            foreign = asyncio.ensure_future(hub_chaos.foreign_worker(self))
        if plan.stops_midway:
            await self._rest(random.uniform(1.0, plan.chaos_seconds / 2))
            await self._stop_midway()
        if plan.steals_leases:
            await self._rest(random.uniform(1.0, plan.chaos_seconds / 2))
            hub_chaos.steal_leases(self)
        await self._rest(plan.chaos_seconds - self._loop.time())
        self._calm_down()
        if foreign is not None:
            await foreign

    async def _rest(self, seconds: float) -> None:
        if seconds > 0:
            await self._happens_within(self.is_calm, seconds)

    def _calm_down(self) -> None:
        if not self.is_calm.is_set():
            self.note("", "CALM", "")
            self.is_calm.set()
            self.faults.paused = True
            self.faults.end()
            for host in self._hosts.values():
                host.spare()

    async def _stop_midway(self) -> None:
        """Stop all hosts cleanly and without faults, check what they leave, and start them again."""
        if self.is_calm.is_set():
            return
        self.faults.paused = True
        for host in self._hosts.values():
            host.spare()
        while self.faults.under_way or not self._all_serve():  # A host that stopped during a fault has left a mark.
            await asyncio.sleep(0.2)
            for host in self._hosts.values():
                host.spare()
        await asyncio.sleep(3.0 if self.plan.mode == "alone" else 35.0)
        self._open.clear()
        while self._hosts:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.1)
        self.note("", "ALL STOPPED", "")
        for problem in hub_oracles.after_clean_stop(self.hub, self.is_served):
            self.complain(f"after a clean stop: {problem}")
        if self.plan.official_rows:
            self._add_official_rows()
        await asyncio.sleep(self.random.choice((0.0, 5.0)))
        self.faults.paused = self.is_calm.is_set()
        self._open.set()

    def _all_serve(self) -> bool:
        return len(self._hosts) == self.plan.hosts and all(host.is_serving for host in self._hosts.values())

    def is_served(self, instance_id: str) -> bool:
        """Whether no foreign worker has the partition of the instance."""
        names = HubNames.of(_HUB, self.plan.partitions)
        return self.plan.mode != "foreign" or names.queue_of(instance_id) != names.control_queues[-1]

    def _add_official_rows(self) -> None:
        for driver in self.drivers:
            if self.hub.status(driver.id) == "Running" and self.hub.history(driver.id) and self.random.random() < 0.7:
                what = add_official_episode(self.storage, self.hub, driver.id, self.random, self.clock.now())
                driver.official_rows += 1
                self.note("", "OFFICIAL ROWS", f"{driver.id} {what}")

    async def _signal(self) -> None:
        """Signals of clients to the entities."""
        if "signal" not in self.plan.kinds and "call" not in self.plan.kinds:
            return
        for number in range(self.random.randint(0, 4)):
            await asyncio.sleep(self.random.uniform(0.0, 4.0))
            value, entity = f"s{number}", f"ledger{self.random.randrange(self.plan.entities)}"
            self.signals[value] = entity

            def send(client: DurableClient, value: str = value, entity: str = entity) -> Awaitable[None]:
                self.sent[value] += 1
                return client.entities.signal(ENTITY, entity, "add", json.dumps(json.dumps(value)))

            while value not in self.acknowledged:
                try:
                    await self.ask(f"signal {value}", entity, send)
                    self.acknowledged.add(value)
                except self.failures:
                    await asyncio.sleep(1.0)

    async def _ended(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Wait until all instances have ended, with children; complain about those that do not."""
        done, left = await asyncio.wait(tasks, timeout=_PATIENCE)
        for task in done:
            task.result()
        for driver in self.drivers:
            if not driver.has_ended:
                self.complain(f"{driver.id} is stuck: {self.hub.status(driver.id)}")
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        for _ in range(int(_PATIENCE)):
            open_ones = [id for id, row in self.hub.instances().items()
                         if not id.startswith("@") and row.get("RuntimeStatus") not in TERMINAL]  # fmt: skip
            if not open_ones or left:
                return
            await asyncio.sleep(1.0)
        self.complain(f"stuck: {', '.join(open_ones)}")

    async def _emptied(self) -> None:
        """Wait until nothing is left in the queues."""
        for _ in range(int(_EMPTY_PATIENCE + self.plan.longest_timer)):
            if not any(True for _ in self.hub.messages()):
                return
            await asyncio.sleep(1.0)
        if self.outcome.problems:
            return
        purged = {driver.id for driver in self.drivers if driver.was_purged}
        for message in self.hub.messages():
            if message.kind == "ExecutionStarted" and message.target.get("InstanceId") in purged:
                continue  # Without a row it may yet get one: that is waited for.
            self.complain(f"left in {message.queue}: {message.kind} to {message.target.get('InstanceId')}")
