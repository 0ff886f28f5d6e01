"""The worker role of one task hub: receives messages, runs orchestrations, activities and entities, commits."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal, cast

from durable_host.clock import Clock
from durable_host.config.durable import DurableOptions
from durable_host.durable.engine.entity import EntityOptions
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.runtime.activities import ActivityRunner
from durable_host.durable.runtime.diagnostics import Diagnostics
from durable_host.durable.runtime.dispatcher import WorkItemDispatcher
from durable_host.durable.runtime.entities import EntityRunner
from durable_host.durable.runtime.http_activity import HttpActivity
from durable_host.durable.runtime.live_instances import LiveInstances
from durable_host.durable.runtime.lost_work import LostWork
from durable_host.durable.runtime.orchestrations import OrchestrationRunner
from durable_host.durable.runtime.recovery import Recovery
from durable_host.durable.runtime.session_cache import DEFAULT_CAPACITY, SessionCache
from durable_host.durable.runtime.session_watchdog import LONG_RUN, SessionWatchdog
from durable_host.durable.runtime.storage_faults import MAX_REFUSALS, StorageFaults
from durable_host.durable.runtime.work_items import GuardedWorkItem
from durable_host.durable.taskhub.port import TaskHub, TaskHubRefused, TaskHubUnavailable
from durable_host.durable.user_code import UserCode, replays_each_turn
from durable_host.errors import EXIT_STORAGE, HostError
from durable_host.supervision import keep_running
from durable_host.timestamp import TICKS_PER_SECOND

_log = logging.getLogger("Host.Triggers.DurableTask")

DEFAULT_GRACE = 8.0
_RECOVERY_GRACE = 4.0
MAX_FAILURES = 5


class RuntimeFailed(HostError):
    """The durable runtime failed repeatedly because of an internal error."""

    code = "DH6206"


class HubDenied(RuntimeFailed):
    """The storage of the task hub denies every request, for example because a key was changed or a role removed."""

    code = "DH2002"
    exit_code = EXIT_STORAGE


class DurableRuntime:
    """Serves a task hub from `start` to `stop`. Pass `live` to the DurableClient of the same hub.

    `activity_window` limits the outstanding activities of one instance (see EngineOptions). `session_capacity` is the
    number of instances whose state is kept in memory. After an internal error the runtime starts over; `on_failure` is
    called if that does not help. `http` creates the activity that sends the HTTP requests of orchestrators.
    """

    def __init__(
        self,
        hub: TaskHub,
        user_code: UserCode,
        options: DurableOptions,
        clock: Clock,
        *,
        activity_window: int | None = None,
        session_capacity: int = DEFAULT_CAPACITY,
        on_failure: Callable[[RuntimeFailed], None] | None = None,
        http: Callable[[], HttpActivity] = HttpActivity,
    ) -> None:
        self.live = LiveInstances()
        self.diagnostics = Diagnostics()
        self._hub = hub
        self._code = user_code
        self._options = options
        self._clock = clock
        self._activity_window = activity_window
        self._session_capacity = session_capacity
        self._on_failure = on_failure
        self._http = http
        self._faults = StorageFaults(clock, hub.name)
        self._lost = LostWork(user_code, clock, self.diagnostics)
        self._recovery = Recovery(hub, self._faults, self._wake)
        self._receivers: list[asyncio.Task[None]] = []
        self._main: asyncio.Task[None] | None = None
        self._has_served = False
        self._build()

    def _build(self) -> None:
        """Create the parts that hold work in progress, with none."""
        hub, user_code, options, clock, lost = self._hub, self._code, self._options, self._clock, self._lost
        activity_window = self._activity_window
        self._sessions = SessionCache(hub, user_code, self.live, self._session_capacity)
        orchestrations = OrchestrationRunner(
            hub, user_code, engine_options(options, activity_window), clock, self._sessions, self.diagnostics, lost
        )
        entities = EntityRunner(hub, user_code, entity_options(options), clock, self._sessions, self.diagnostics, lost)

        def guarded(runner: OrchestrationRunner | EntityRunner) -> GuardedWorkItem:
            return GuardedWorkItem(runner.run, runner.fail, hub, clock, self._sessions, self.diagnostics, self._faults)

        release = self._sessions.release
        slots = options.max_concurrent_orchestrator_functions
        gathers = replays_each_turn(user_code)
        self._orchestrations = WorkItemDispatcher(
            "orchestration", slots, guarded(orchestrations), release, clock, gathers=gathers
        )
        slots = options.max_concurrent_entity_functions
        self._entities = WorkItemDispatcher("entity", slots, guarded(entities), release, clock)
        self._activities = ActivityRunner(
            hub,
            user_code,
            clock,
            self.diagnostics,
            self._faults,
            lost,
            slots=options.max_concurrent_activity_functions,
            http=self._http(),
        )
        self._watchdog = SessionWatchdog(
            self._sessions.all,
            clock,
            self.diagnostics,
            is_in_code=lost.is_in_code,
            long_run=getattr(user_code, "long_run", LONG_RUN),
        )

    async def start(self) -> None:
        """Start the worker role, and return when the hub is served. Raises `TaskHubUnavailable`, `RuntimeFailed`."""
        await self._hub.start()
        self._has_served = False
        serving = asyncio.Event()
        main = self._main = asyncio.create_task(self._serve(serving), name="durable runtime")
        begun = asyncio.create_task(serving.wait())
        await asyncio.wait((main, begun), return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if main.done() and not serving.is_set():
            await self.stop(0)
            main.result()

    async def stop(self, grace: float = DEFAULT_GRACE) -> None:
        """Finish running work for at most `grace` seconds and release the rest to the hub. Idempotent."""
        main, self._main = self._main, None
        if main is None:
            return
        if not main.done():
            try:
                async with asyncio.timeout(min(grace, _RECOVERY_GRACE)):
                    await self.recovered()
            except TimeoutError:
                if grace > 0:
                    _log.warning(
                        "The host stops before it has finished the work that an earlier process left in the task hub "
                        "'%s'. The next host will finish it.",
                        self._hub.name,
                    )
        for receiver in self._receivers:
            receiver.cancel()
        self._orchestrations.close_intake()
        self._entities.close_intake()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.gather(*self._receivers, return_exceptions=True)
                await asyncio.gather(self._orchestrations.drain(), self._entities.drain(), self._activities.drain())
        main.cancel()
        await asyncio.gather(main, return_exceptions=True)
        await self._sessions.flush()
        await self._activities.close()
        await self._hub.stop()

    async def end_at_once(self) -> None:
        """End without releasing or saving anything, as a killed process does. `start` begins again."""
        main, self._main = self._main, None
        if main is not None:
            main.cancel()
            await asyncio.gather(main, return_exceptions=True)
        await self._activities.close()
        self.live.forget_all()
        self._build()

    async def recovered(self) -> None:
        """Wait until the work that a crashed process left is finished. Another worker may not know how to do that."""
        await self._hub.owed_listed()
        await self._recovery.checked()
        await asyncio.gather(self._orchestrations.woken_processed(), self._entities.woken_processed())

    async def in_flight(self) -> int:
        """Return the number of orchestrations that had not ended at the start. Waits until they are counted."""
        return await self._recovery.in_flight()

    @property
    def session_count(self) -> int:
        """The number of instances whose state is in memory."""
        return len(self._sessions)

    @property
    def session_capacity(self) -> int:
        """The most instances whose state is kept in memory."""
        return self._session_capacity

    @property
    def running_activities(self) -> int:
        return self._activities.running

    @property
    def is_busy(self) -> bool:
        """Whether work of this process runs or waits for its turn. Messages in storage are not counted."""
        waits = (not one.is_idle or one.gathering is not None for one in self._sessions.all())
        return self._activities.running > 0 or any(waits)

    @property
    def running_work_items(self) -> list[str]:
        """The instances whose orchestrator or entity is running."""
        return [one.instance_id for one in (*self._orchestrations.running, *self._entities.running)]

    async def _serve(self, serving: asyncio.Event) -> None:
        """Serve until cancelled. If errors persist, raise RuntimeFailed and pass it to `on_failure`."""
        try:
            await keep_running("durable runtime", lambda: self._serve_once(serving), _log, most_failures=MAX_FAILURES)
        except Exception as error:
            failed = RuntimeFailed(
                f"The durable runtime failed {MAX_FAILURES} times and is not restarted.",
                cause=f"Last error: {type(error).__name__}: {error}",
                remedy="Start the host again: nothing in the task hub is lost. Then report the error.",
            )
            if serving.is_set() and self._on_failure is not None:
                self._on_failure(failed)
            raise failed from error

    async def _serve_once(self, serving: asyncio.Event) -> None:
        if self._has_served:
            await self._start_over()
        self._has_served = True
        try:
            await self._serve_in_group(serving)
        except Exception as error:
            raise _innermost(error) from None

    async def _start_over(self) -> None:
        """Release all work to the hub and receive it again, with nothing left in memory."""
        await self._activities.close()
        self.live.forget_all()
        self._build()
        await self._hub.stop()
        failures = 0
        while True:
            try:
                await self._hub.start()
            except TaskHubUnavailable as error:
                failures += 1
                if isinstance(error, TaskHubRefused) and failures >= MAX_REFUSALS:
                    raise
                await self._faults.wait("start", failures, error)
            else:
                self._faults.recovered("start")
                return

    async def _serve_in_group(self, serving: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            self._orchestrations.start_slots(group)
            self._entities.start_slots(group)
            self._receivers = [
                group.create_task(self._receive(), name="control messages"),
                group.create_task(self._activities.serve(group), name="activity requests"),
                group.create_task(self._wake_owed(), name="unsettled commits"),
            ]
            for name, loop in (
                ("writing of deferred times", self._sessions.write_deferred_times),
                ("sweep of idle sessions", self._sessions.sweep_idle),
                ("watchdog", self._watchdog.run),
                ("recovery", self._recovery.run),
            ):
                group.create_task(keep_running(name, loop, _log), name=name)
            serving.set()

    async def _receive(self) -> None:
        failures = 0
        while True:
            try:
                messages = await self._hub.next_control_messages()
            except Exception as error:
                if isinstance(error, TaskHubRefused) and error.is_final and self._on_failure is not None:
                    self._on_failure(_denied(self._hub.name, error))
                    return
                failures += 1
                if not isinstance(error, TaskHubUnavailable):
                    _log.exception("Control messages could not be received: %s", error)
                await self._faults.wait("control messages", failures, error)
                continue
            if failures:
                failures = 0
                self._faults.recovered("control messages")
            for received in messages:
                session = self._sessions.get(received.message.target.instance_id)
                (self._entities if session.is_entity else self._orchestrations).deliver(session, received)

    async def _wake_owed(self) -> None:
        """Load the instances whose last commit still owes messages."""
        while True:
            for instance_id in await self._hub.next_owed():
                self._wake(instance_id)

    def _wake(self, instance_id: str) -> None:
        session = self._sessions.get(instance_id)
        (self._entities if session.is_entity else self._orchestrations).wake(session)


def _denied(hub: str, error: TaskHubRefused) -> HubDenied:
    return HubDenied(
        f"The storage of the task hub '{hub}' denies access.",
        cause=str(error),
        remedy="Correct the key, the signature or the role assignments and start the host again: nothing is lost.",
    )


def engine_options(options: DurableOptions, activity_window: int | None = None) -> EngineOptions:
    """Return the engine's settings from host.json."""
    return EngineOptions(
        max_orchestration_actions=options.max_orchestration_actions,
        store_inputs=options.store_inputs_in_orchestration_history,
        default_version=options.default_version,
        version_match=cast('Literal["None", "Strict", "CurrentOrOlder"]', options.version_match_strategy),
        version_failure=cast('Literal["Reject", "Fail"]', options.version_failure_strategy),
        activity_window=activity_window,
        entity_reorder_window=round(options.entity_message_reorder_window * TICKS_PER_SECOND),
        keeps_gates=options.keeps_gates,
    )


def entity_options(options: DurableOptions) -> EntityOptions:
    """Return the settings of entities from host.json."""
    return EntityOptions(
        reorder_window=round(options.entity_message_reorder_window * TICKS_PER_SECOND),
        max_batch_size=options.max_entity_operation_batch_size,
        default_version=options.default_version,
    )


def _innermost(error: Exception) -> Exception:
    """Return the first error inside nested exception groups."""
    inner: Sequence[Exception] = getattr(error, "exceptions", ())
    return _innermost(inner[0]) if inner else error
