"""Acts on one instance from outside: starts it, sends events, suspends, terminates, rewinds, purges."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from programs import Program, events_in, mistakes, values_of
from stored_hub import TERMINAL

from durable_host.durable.api import DurableClient
from durable_host.durable.api.errors import InstanceEnded, InstanceNotFound, NotFailed
from durable_host.durable.taskhub.port import InstanceExists

if TYPE_CHECKING:
    from simulated_world import World

_LOOK_EVERY = 0.5
_MORE_EVERY = 6.0


class InstanceDriver:
    """One instance from its start to its end. `starts` counts the attempts to start it: one that was not
    acknowledged may have run the program to its end before the next.
    """

    def __init__(self, world: "World", id: str, program: Program) -> None:
        self.id = id
        self.program = program
        self.has_ended = False
        self.was_terminated = False
        self.was_purged = False
        self.official_rows = 0
        self.starts = 0
        self.is_acknowledged = False
        self._world = world
        self._random = world.random
        self.events: list[str] = []

    async def run(self) -> None:
        random, plan = self._random, self._world.plan
        await asyncio.sleep(random.choice((0.0, 0.0, random.uniform(0.0, plan.chaos_seconds / 2))))
        await self._start()
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch())
            helpers = [group.create_task(self._send_events())]
            if random.random() < plan.controls:
                helpers.append(
                    group.create_task(random.choice((self._suspend, self._suspend, self._terminate, self._purge))())
                )
            await watch
            for helper in helpers:
                helper.cancel()

    async def _start(self) -> None:
        given = json.dumps(json.dumps({"steps": self.program.steps, "log": []}))

        def start(client: DurableClient) -> Awaitable[str]:
            self.starts += 1
            return client.start("program", instance_id=self.id, input=given)

        await self._insist("start", start)
        self.is_acknowledged = True

    async def _watch(self) -> None:
        world, program = self._world, self.program
        while True:
            status = world.hub.status(self.id)
            if status in TERMINAL or (status is None and self.was_purged):
                if status == "Failed" and program.fails is not None and program.fails not in world.mended:
                    world.mended.add(program.fails)
                    await self._insist("rewind", lambda client: client.rewind(self.id, "mended"))
                    continue
                self.has_ended = True
                return
            await asyncio.sleep(_LOOK_EVERY)

    async def _send_events(self) -> None:
        """One event for each wait, some of them twice, and some for the races; more where a new generation may have
        lost what was sent to the one before it, or an instance that is rewound what came after its failure.
        """
        random, program = self._random, self.program
        names = [*program.waits, *(name for name in program.races if random.random() < 0.6)]
        random.shuffle(names)
        values = {name: values_of(name) for name in names}
        for name in names:
            await asyncio.sleep(random.choice((0.0, 0.0, 0.5, 4.0)))
            value = next(values[name])
            for _ in range(2 if random.random() < 0.1 else 1):
                await self._send(name, value)
        while program.has_generations or program.fails:
            await asyncio.sleep(_MORE_EVERY)
            for name in program.waits:
                await self._send(name, next(values[name]))

    async def _send(self, name: str, value: str) -> None:
        sent = self._world.sent
        text = json.dumps(value)

        def send(client: DurableClient) -> Awaitable[None]:
            sent[value] += 1
            return client.raise_event(self.id, name, text)

        if await self._insist(f"event {value}", send):
            self._world.acknowledged.add(value)
            self.events.append(value)

    async def _suspend(self) -> None:
        await asyncio.sleep(self._random.uniform(0.0, 6.0))
        await self._insist("suspend", lambda client: client.suspend(self.id, "wait"))
        await asyncio.sleep(self._random.uniform(0.0, 6.0))
        while True:
            # After a kill the suspension may come behind the resumption.
            await self._insist("resume", lambda client: client.resume(self.id, "go on"))
            await asyncio.sleep(1.0)
            while self._world.hub.status(self.id) != "Suspended":  # noqa: ASYNC110 - time is virtual
                await asyncio.sleep(5.0)

    async def _terminate(self) -> None:
        await asyncio.sleep(self._random.uniform(0.0, 8.0))
        self.was_terminated = True
        await self._insist("terminate", lambda client: client.terminate(self.id, "enough"))

    async def _purge(self) -> None:
        await asyncio.sleep(self._random.uniform(1.0, 8.0))
        if self._world.hub.status(self.id) == "Running":
            self.was_purged = True
            while self._world.hub.status(self.id) not in (None, *TERMINAL):
                # A row written at the same time may bring it back.
                await self._insist("purge", lambda client: client.hub.purge_instance(self.id))
                await asyncio.sleep(5.0)

    async def _insist(self, what: str, work: Callable[[DurableClient], Awaitable[Any]]) -> bool:
        """Repeat the request until it is acknowledged; False if it is no longer possible."""
        while True:
            try:
                await self._world.ask(what, self.id, work)
                return True
            except InstanceExists:
                return what == "start"
            except (InstanceEnded, NotFailed):
                if self.has_ended or what in ("rewind", "terminate") or self.program.fails is None:
                    return False
                await asyncio.sleep(0.5)
            except InstanceNotFound:
                if self.is_acknowledged and not self.was_purged and not self._world.may_miss(self.id):
                    self._world.complain(f"{self.id}: its start was acknowledged, and {what} does not find it")
                return False
            except self._world.failures:
                await asyncio.sleep(self._random.choice((0.1, 1.0)))

    # In the end

    def check(self) -> list[str]:
        """What is wrong with the end of the instance."""
        row = self._world.hub.instance(self.id)
        if self.was_purged:
            return []
        if row is None:
            return [f"{self.id} is gone"]
        status, program = row.get("RuntimeStatus"), self.program
        if self.was_terminated and status == "Terminated":
            return []
        if status != "Completed":
            return [f"{self.id} ended as {status}: {str(row.get('Output'))[:300]}"]
        try:
            log = json.loads(self._world.hub.text_of(row, "Output"))
        except (TypeError, ValueError):
            return [f"{self.id} has the output {str(row.get('Output'))[:200]}"]
        found = [f"{self.id}: {one}" for one in mistakes(program.steps, log)]
        if not found:
            taken = events_in(program.steps, log)
            sent = self._world.sent
            spare = self.official_rows
            for value in set(taken):
                if taken.count(value) > sent[value] + spare:
                    found.append(
                        f"{self.id} took the event {value} {taken.count(value)} times, sent {sent[value]} times"
                    )
        wanted = program.statuses[-1] if program.statuses else None
        told = json.loads(row["CustomStatus"]) if row.get("CustomStatus") else None
        if wanted is not None and told != wanted and not program.has_generations:
            found.append(f"{self.id} has the custom status {told}, not {wanted}")
        return found
