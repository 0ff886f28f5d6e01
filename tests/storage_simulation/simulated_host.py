"""A host process: the product's runtime, client and Azure hub over a network that fails, and that can be killed."""

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from modelled_storage import open_account
from program_app import ProgramApp
from request_faults import Fault
from request_labels import describe, label_of

from durable_host.clock import SystemClock
from durable_host.config.durable import DurableOptions
from durable_host.durable.api import DurableClient
from durable_host.durable.runtime.runtime import DurableRuntime
from durable_host.durable.taskhub.azure import AzureTaskHub, AzureTaskHubOptions
from durable_host.host.replaceable_user_code import ReplaceableUserCode
from durable_host.testing.memory_storage.storage_exchange import StorageAnswer, StorageRequest, refused_answer

if TYPE_CHECKING:
    from simulated_world import World

T = TypeVar("T")
_log = logging.getLogger("simulation")
_ADDRESS: Any = SimpleNamespace(host="simulated", port=80, is_ssl=False, ssl=None)
CURRENT: contextvars.ContextVar["SimulatedHost | None"] = contextvars.ContextVar("host", default=None)


class HostDied(Exception):
    """The process of this host was killed before it answered."""


class Death:
    """When a host is killed: at request number `nth` of those with `label` (None: of all), before or after its
    effect.
    """

    def __init__(self, label: str | None, nth: int, *, after: bool) -> None:
        self.label = label
        self.left = nth
        self.after = after

    def comes(self, label: str) -> bool:
        if self.label is not None and self.label != label:
            return False
        self.left -= 1
        return self.left == 0


class SimulatedHost:
    """From `start` to `stop` or to its death. Tasks that are made in it die with it."""

    def __init__(self, world: "World", name: str, death: Death | None = None) -> None:
        self.name = name
        self.is_dead = False
        self.died = asyncio.Event()
        self.is_serving = False
        self.requests: Counter[str] = Counter()
        self._world = world
        self._death = death
        self._tasks: set[asyncio.Task[Any]] = set()
        self._under_way: dict[int, StorageRequest] = {}
        self._context = contextvars.copy_context()
        self._context.run(CURRENT.set, self)
        plan = world.plan
        options = DurableOptions(
            hub_name=world.hub_name,
            max_concurrent_activity_functions=plan.activity_slots,
            max_concurrent_orchestrator_functions=plan.orchestrator_slots,
            max_concurrent_entity_functions=plan.orchestrator_slots,
        )
        clock = SystemClock()
        self.hub = AzureTaskHub(
            open_account(self, is_development=plan.is_development),
            None,
            AzureTaskHubOptions(
                hub_name=world.hub_name,
                partition_count=plan.partitions,
                max_polling_interval=plan.polling_interval,
                worker_id=f"simulated:{name}",
            ),
            clock,
        )
        self.app = ProgramApp(world, self)
        self._code = ReplaceableUserCode(self.app.code())
        self.runtime = DurableRuntime(
            self.hub,
            self._code,
            options,
            clock,
            activity_window=128 if plan.is_development else None,
            session_capacity=plan.session_capacity,
        )
        self.client = DurableClient(self.hub, self._code, options, clock, self.runtime.live)

    # Life

    async def start(self) -> None:
        """Begin to serve. Raises what the product raises, and HostDied."""
        await self.call(self.runtime.start)
        self.is_serving = True

    async def stop(self) -> None:
        """A clean stop. Raises HostDied."""
        self.is_serving = False
        await self.call(lambda: self.runtime.stop(5.0))
        await self.call(self.hub.close)
        await self.end()

    def reload(self) -> None:
        """The app has changed: its functions run in a new worker from now on."""
        self.app.reloaded()
        self._code.code = self.app.code()

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run something in this host. Raises HostDied."""
        if self.is_dead:
            raise HostDied
        task = self._context.run(asyncio.ensure_future, _awaited(work))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.cancelled():
            raise HostDied
        if self.is_dead:
            task.exception()
            raise HostDied
        return task.result()

    def spare(self) -> None:
        """Do not kill this host any more."""
        self._death = None

    def kill(self) -> None:
        """Die as by `kill -9`: some requests on the network still arrive, others do not."""
        if self.is_dead:
            return
        self.is_dead = True
        self.is_serving = False
        for request in self._under_way.values():
            if self._world.random.random() < 0.5:
                self._world.note(self.name, "the dying host's", describe(request))
                self._world.storage.answer(request)
        self._under_way.clear()
        self._world.note(self.name, "KILLED", "")
        self.died.set()

    async def end(self) -> None:
        """Remove what is left of the process."""
        self.is_dead = True
        self.is_serving = False
        for _ in range(50):
            left = [task for task in self._tasks if not task.done()]
            if not left:
                return
            for task in left:
                task.cancel()
            await asyncio.sleep(0)
        _log.warning("tasks of host %s do not end: %s", self.name, left)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """A task was made in this host."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Network

    async def carry(self, request: StorageRequest) -> StorageAnswer:
        if self.is_dead:
            raise asyncio.CancelledError
        world = self._world
        label = label_of(request)
        self.requests[label] += 1
        dies = self._death is not None and self._death.comes(label)
        if dies and not self._death.after:  # type: ignore[union-attr]
            world.note(self.name, "dies before", lambda: describe(request))
            self.kill()
            raise asyncio.CancelledError
        fault = None if dies else world.faults.of(self.name, request, label)
        before, after = world.latencies()
        if fault is None:
            answer = await self._effect(request, before, "")
            if dies:
                self.kill()
                raise asyncio.CancelledError
            await asyncio.sleep(after)
            self._check()
            return answer
        world.faults.under_way += 1
        try:
            return await self._faulty(request, fault, before)
        finally:
            world.faults.under_way -= 1

    async def _faulty(self, request: StorageRequest, fault: Fault, latency: float) -> StorageAnswer:
        kind = fault.kind
        if kind in ("refused", "broken", "silent", "answered", "late"):
            self._world.note(self.name, str(fault), lambda: describe(request))
            if kind == "late":
                asyncio.get_running_loop().call_later(fault.delay, self._arrives, request)
            await asyncio.sleep(30.0 if kind == "silent" else latency)
        else:
            answer = await self._effect(request, fault.delay if kind == "slow" else latency, str(fault))
            if kind.startswith("slow"):
                await asyncio.sleep(fault.delay if kind == "slow after" else 0.0)
                self._check()
                return answer
            await asyncio.sleep(30.0 if kind == "silent after" else 0.0)
        self._check()
        if kind == "refused":
            raise aiohttp.ClientConnectorError(_ADDRESS, ConnectionRefusedError(111, "Connection refused"))
        if kind.startswith("silent"):
            raise aiohttp.ServerTimeoutError("Timeout on reading data from socket")
        if kind.startswith("answered"):
            return refused_answer(request.service, fault.status, fault.code)
        raise aiohttp.ServerDisconnectedError

    async def _effect(self, request: StorageRequest, latency: float, fault: str) -> StorageAnswer:
        number = id(request)
        self._under_way[number] = request
        try:
            await asyncio.sleep(latency)
            self._check()
        finally:
            self._under_way.pop(number, None)
        answer = self._world.storage.answer(request)
        self._world.note(self.name, f"{answer.status} {fault}".strip(), lambda: describe(request))
        self._world.took_effect(request, answer)
        return answer

    def _arrives(self, request: StorageRequest) -> None:
        answer = self._world.storage.answer(request)
        self._world.note(self.name, f"{answer.status} late", lambda: describe(request))

    def _check(self) -> None:
        if self.is_dead:
            raise asyncio.CancelledError


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def adopt_by_current_host(task: asyncio.Task[Any], context: contextvars.Context) -> None:
    """For `VirtualLoop.on_task`."""
    host = context.get(CURRENT)
    if host is not None:
        host.adopt(task)


def any_death(random: Random, *, before_commits: bool) -> Death:
    """Somewhere in the life of a host: half of the deaths beside a request that matters; most of them right before a
    commit, where `before_commits` asks for it.
    """
    if before_commits and random.random() < 0.8:
        return Death("commit", random.randint(1, 12), after=False)
    if random.random() < 0.4:
        return Death(None, random.randint(1, 250), after=random.random() < 0.5)
    labels = (
        "commit",
        "commit",
        "row.write",
        "put.control",
        "put.work",
        "delete.control",
        "history.read",
        "get.control",
    )
    return Death(random.choice(labels), random.randint(1, 20), after=random.random() < 0.6)
