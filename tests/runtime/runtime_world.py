"""A runtime over an embedded hub, with user code run by the real SDK in this process."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import azure.durable_functions as df

from durable_host.clock import Clock, SystemClock
from durable_host.config.durable import DurableOptions
from durable_host.durable.api import DurableClient
from durable_host.durable.model.events import TaskScheduled
from durable_host.durable.model.instance import InstanceState, InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.runtime import DurableRuntime
from durable_host.durable.sdk.v1 import V1UserCode
from durable_host.durable.taskhub.port import Checkpoint, EpisodeCommit, ReceivedMessage
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.invocation.errors import FunctionFailed
from durable_host.worker.orchestrations_v1 import OrchestrationSessions

PATIENCE = 60.0


class App:
    """The functions of a test, by name; implements `sdk.v1.Calls` on this process's own SDK.

    `before_episode` and `before_activity` are awaited first and may raise or wait. With `numbers_its_actions` the
    code says that it is of the 2.x protocol, as far as entities are concerned.
    """

    numbers_its_actions = False

    def __init__(self) -> None:
        self.orchestrators: dict[str, Any] = {}
        self.activities: dict[str, Callable[..., Any]] = {}
        self.entities: dict[str, Any] = {}
        self.turns: list[tuple[str, int]] = []
        self.running: set[str] = set()
        self.most_running = 0
        self.overlaps = 0
        self.before_episode: Callable[[str], Any] | None = None
        self.before_activity: Callable[[str, str], Any] | None = None
        self.before_entity: Callable[[str], Any] | None = None
        self.alone_now = 0
        self.sessions = OrchestrationSessions()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator["App"]:
        self.alone_now += 1
        try:
            yield self
        finally:
            self.alone_now -= 1

    def orchestrator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.orchestrators[function.__name__] = df.Orchestrator.create(function)
        return function

    def activity(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.activities[function.__name__] = function
        return function

    def entity(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.entities[function.__name__] = df.Entity.create(function)
        return function

    def code(self) -> V1UserCode:
        code: Any = V1UserCode(
            self,
            orchestrators={name: name for name in self.orchestrators},
            activities={name: name for name in self.activities},
            entities={name: name for name in self.entities},
        )
        code.numbers_its_actions = self.numbers_its_actions
        return code

    async def orchestrate(
        self, function: str, payload: dict[str, Any], *, key: str, instance_id: str | None
    ) -> dict[str, Any]:
        instance_id = instance_id or ""
        self.overlaps += instance_id in self.running
        self.running.add(instance_id)
        self.most_running = max(self.most_running, len(self.running))
        self.turns.append((instance_id, payload["until"]))
        try:
            await asyncio.sleep(0)
            if self.before_episode is not None:
                await self.before_episode(instance_id)
            return self.sessions.handle(payload, self.orchestrators[function])
        finally:
            self.running.discard(instance_id)

    def forget_session(self, key: str) -> None:
        self.sessions.forget(key)

    async def run_turn(self, function: str, request: str, *, key: str, turn: Any) -> str | None:
        raise AssertionError("The 1.x SDK has no turns as text.")

    def session_worker(self, key: str) -> object | None:
        return self

    def unlogged(self) -> "App":
        return self

    async def run_activity(
        self, function: str, trigger: str, *, instance_id: str, task_id: int, trace: Any = None
    ) -> str | None:
        await asyncio.sleep(0)
        if self.before_activity is not None:
            await self.before_activity(function, instance_id)
        try:
            return json.dumps(self.activities[function](json.loads(trigger)))
        except Exception as error:
            raise FunctionFailed(type(error).__name__, str(error), "Traceback") from error

    async def run_entity(
        self, function: str, trigger: str, *, instance_id: str, trace: Any = None, operations: Any = None
    ) -> str | None:
        if self.before_entity is not None:
            await self.before_entity(instance_id)

        class Context:
            body = trigger

        return self.entities[function](Context())


class RecordingHub(SqliteTaskHub):
    """Counts and remembers what tests look at; `faults` are raised by the named methods, one a call."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.outstanding = 0
        self.most_outstanding = 0
        self.commits: list[EpisodeCommit] = []
        self.rows_read: list[str] = []
        self.touched: list[str] = []
        self.restored: list[TaskMessage] = []
        self.withdrawn: list[tuple[str, str, frozenset[int]]] = []
        self.faults: dict[str, list[Exception]] = {}

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        self._fail("commit")
        checkpoint = await super().commit(episode)
        self.commits.append(episode)
        self.outstanding += sum(isinstance(message.event, TaskScheduled) for message in episode.outbound)
        self.most_outstanding = max(self.most_outstanding, self.outstanding)
        return checkpoint

    async def complete_activity(self, request: ReceivedMessage, result: TaskMessage) -> None:
        self._fail("complete_activity")
        await super().complete_activity(request, result)
        self.outstanding -= 1

    async def load_history(self, instance_id: str) -> Any:
        self._fail(f"load_history {instance_id}")
        return await super().load_history(instance_id)

    async def next_control_messages(self) -> list[ReceivedMessage]:
        self._fail("next_control_messages")
        return await super().next_control_messages()

    async def get_instance(self, instance_id: str, **options: Any) -> InstanceState | None:
        self.rows_read.append(instance_id)
        return await super().get_instance(instance_id, **options)

    async def touch_instance(self, instance_id: str, last_updated_time: int) -> None:
        self.touched.append(instance_id)
        await super().touch_instance(instance_id, last_updated_time)

    async def restore_timer(self, message: TaskMessage) -> None:
        self.restored.append(message)

    async def withdraw_timers(self, instance_id: str, execution_id: str, timer_ids: Iterable[int]) -> None:
        timers = frozenset(timer_ids)
        self.withdrawn.append((instance_id, execution_id, timers))
        await super().withdraw_timers(instance_id, execution_id, timers)

    def _fail(self, method: str) -> None:
        if errors := self.faults.get(method):
            raise errors.pop(0)


Hub = TypeVar("Hub", bound=RecordingHub)


class World:
    """One host: hub, runtime and client."""

    def __init__(
        self,
        app: App,
        hub: RecordingHub,
        clock: Clock,
        options: DurableOptions,
        *,
        window: int | None,
        capacity: int,
    ) -> None:
        self.app = app
        self.hub = hub
        self.clock = clock
        code = app.code()
        self.runtime = DurableRuntime(hub, code, options, clock, activity_window=window, session_capacity=capacity)
        self.client = DurableClient(hub, code, options, clock, self.runtime.live)

    async def start(self, name: str, instance_id: str, input: Any = None) -> str:
        """Start as the SDK does: the input is encoded twice."""
        text = None if input is None else json.dumps(json.dumps(input))
        return await self.client.start(name, instance_id=instance_id, input=text)

    async def result(self, instance_id: str) -> InstanceState:
        """State of the instance once it has ended."""
        state = await self.client.wait_for_completion(instance_id, PATIENCE, PATIENCE)
        assert state is not None
        assert state.runtime_status.is_terminal, f"{instance_id} is {state.runtime_status.name}"
        return state

    async def output(self, instance_id: str) -> Any:
        state = await self.result(instance_id)
        assert state.output is not None
        return json.loads(state.output)

    async def until(self, holds: Callable[[], Any]) -> None:
        """Run until `holds` returns true."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def lose_end(self, instance_id: str) -> None:
        """Have the row of an instance that has ended say that it runs, as a crash before its last write leaves it."""
        last = self.hub.commits[-1]
        stale = InstanceUpdate(
            execution_id=last.execution_id,
            last_updated_time=1,
            runtime_status=OrchestrationStatus.Running,
            output="old",
        )
        await self.hub.commit(
            EpisodeCommit(
                instance_id=instance_id,
                execution_id=last.execution_id,
                checkpoint=(await self.hub.load_history(instance_id)).checkpoint,
                first_ordinal=0,
                events=(),
                outbound=(),
                update=stale,
                consumed=(),
                expected_row=await self.hub.get_instance(instance_id),
            )
        )

    async def crash(self) -> None:
        """End like a killed process: nothing is released, nothing is written."""
        main = self.runtime._main
        assert main is not None
        self.runtime._main = None
        main.cancel()
        await asyncio.gather(main, return_exceptions=True)
        await self.hub.close()


class Hosts:
    """Starts hosts, one after the other, on one and the same hub file. `clock` is that of all that get no other."""

    def __init__(self, path: Path | str, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock
        self._worlds: list[World] = []

    def hub(self, kind: type[Hub], clock: Clock | None = None) -> Hub:
        """A hub of this class. In virtual time it runs SQLite in the thread of the event loop."""
        clock = clock or self._clock or SystemClock()
        return kind(self._path, "TestHub", clock, inline=not isinstance(clock, SystemClock))

    async def start(
        self,
        app: App,
        *,
        options: DurableOptions | None = None,
        clock: Clock | None = None,
        window: int | None = None,
        capacity: int = 500,
        prepare: Callable[[RecordingHub], None] | None = None,
        hub: RecordingHub | None = None,
    ) -> World:
        clock = clock or self._clock or SystemClock()
        hub = hub or self.hub(RecordingHub, clock)
        if prepare is not None:
            prepare(hub)
        world = World(app, hub, clock, options or runtime_options(), window=window, capacity=capacity)
        await world.runtime.start()
        self._worlds.append(world)
        return world

    async def close(self) -> None:
        for world in self._worlds:
            await world.runtime.stop(1.0)
            await world.hub.close()


@contextlib.asynccontextmanager
async def hosts_on(path: Path | str, clock: Clock | None = None) -> AsyncIterator[Hosts]:
    hosts = Hosts(path, clock)
    try:
        yield hosts
    finally:
        await hosts.close()


def runtime_options(**changes: Any) -> DurableOptions:
    values = {
        "hub_name": "TestHub",
        "max_concurrent_activity_functions": 20,
        "max_concurrent_orchestrator_functions": 20,
        "max_concurrent_entity_functions": 20,
    }
    return DurableOptions(**(values | changes))


def codes(world: World) -> Sequence[str]:
    return [finding.code for finding in world.runtime.diagnostics.recent()]
