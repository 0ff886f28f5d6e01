"""Fetches activity requests while slots are free, runs them, and sends the results.

Source: docs/protocol/task-hub-storage-queues.md#work-item-queue,
    docs/protocol/task-hub-storage-processing.md#official-commit-order,
    docs/protocol/durable-failures.md#failed-activities,
    docs/protocol/durable-activities.md#delivery,
    docs/protocol/durable-failures.md#unknown-functions
"""

import asyncio
import logging
from collections.abc import Awaitable

from durable_host.clock import Clock
from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.activity_results import activity_result, missing_activity_result
from durable_host.durable.engine.decisions import HTTP_ACTIVITY
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.inputs import activity_trigger_text
from durable_host.durable.engine.missing_functions import reason_not_served
from durable_host.durable.model.events import TaskScheduled, TraceContext
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime import tracing
from durable_host.durable.runtime.diagnostics import REFUSED, Diagnostics
from durable_host.durable.runtime.http_activity import HttpActivity
from durable_host.durable.runtime.lost_work import LostWork, WorkItemGivenUp, WorkItemId
from durable_host.durable.runtime.storage_faults import MAX_REFUSALS, StorageFaults
from durable_host.durable.taskhub.port import ReceivedMessage, TaskHub, TaskHubRefused, TaskHubUnavailable
from durable_host.durable.user_code import (
    ActivityOutcome,
    UserCode,
    WorkItemAborted,
    continues_v1,
    numbers_its_actions,
    runs_activity_requests,
)

_log = logging.getLogger("Host.Triggers.DurableTask")

_SOURCE = "activity requests"
ABORT_DELAY = 0.5


class ActivityRunner:
    """Fetches and runs activity requests, at most `slots` at once."""

    def __init__(
        self,
        hub: TaskHub,
        code: UserCode,
        clock: Clock,
        diagnostics: Diagnostics,
        faults: StorageFaults,
        lost: LostWork,
        *,
        slots: int,
        http: HttpActivity,
    ) -> None:
        self._hub = hub
        self._code = code
        self._clock = clock
        self._diagnostics = diagnostics
        self._faults = faults
        self._lost = lost
        self._http = http
        self._slots = slots
        self._slot_free = asyncio.Event()
        self._running = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def running(self) -> int:
        """The number of activities that are running."""
        return self._running

    async def serve(self, group: asyncio.TaskGroup) -> None:
        """Fetch requests until cancelled. The activities run as tasks of `group`."""
        self._fetching = group.create_task(self._fetch(group))
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._fetching.cancel()
            await asyncio.wait((self._fetching,))

    async def _fetch(self, group: asyncio.TaskGroup) -> None:
        """Fetch requests, leave the next ones to another task, and run the first one.

        So a request that was waited for begins at once, and not after everything else that the event loop has to do.
        """
        first, *others = await self._next_requests()
        self._running += 1 + len(others)
        self._quiet.clear()
        for request in others:
            group.create_task(self._run(request))
        self._fetching = group.create_task(self._fetch(group))
        await self._run(first)

    async def _next_requests(self) -> list[ReceivedMessage]:
        failures = 0
        while True:
            while self._running >= self._slots:
                self._slot_free.clear()
                await self._slot_free.wait()
            try:
                requests = await self._hub.next_activities(self._slots - self._running)
            except Exception as error:
                failures += 1
                if not isinstance(error, TaskHubUnavailable):
                    _log.exception("The next activities could not be received: %s", error)
                await self._faults.wait(_SOURCE, failures, error)
                continue
            if failures:
                self._faults.recovered(_SOURCE)
            return requests

    async def drain(self) -> None:
        """Wait until all running activities have ended."""
        await self._quiet.wait()

    async def close(self) -> None:
        await self._http.close()

    async def _run(self, request: ReceivedMessage) -> None:
        try:
            result = await self._result_of(request)
            await self._complete(request, result)
        except WorkItemAborted as aborted:
            _log.info("An activity of '%s' runs again: %s", request.message.target.instance_id, aborted)
            await self._release(request, ABORT_DELAY)
        except TaskHubRefused as error:
            self._diagnostics.report(
                Diagnostic(
                    code=REFUSED,
                    instance_id=request.message.target.instance_id,
                    severity="error",
                    text=f"The result of an activity was refused: {error} The activity runs again later.",
                    timestamp=self._clock.now(),
                )
            )
            await self._release(request, None)
        except Exception as error:
            _log.exception(
                "The activity request %s of instance '%s' failed in the host and will be retried later: %s",
                request.id,
                request.message.target.instance_id,
                error,
            )
            await self._release(request, None)
        finally:
            self._running -= 1
            self._slot_free.set()
            if not self._running:
                self._quiet.set()

    async def _result_of(self, request: ReceivedMessage) -> TaskMessage:
        """Run the activity and return the message with its result. Activity code runs nowhere else."""
        message = request.message
        scheduled = message.event
        assert isinstance(scheduled, TaskScheduled)
        name, instance_id = scheduled.name, message.target.instance_id
        if name == HTTP_ACTIVITY:
            with tracing.activity(message, scheduled) as traced:
                outcome = traced.activity(await self._http.run(scheduled.input, instance_id))
            if outcome.error is not None:
                return self._http.failure(message, outcome, now=self._clock.now())
        elif not self._code.has_activity(name):
            reason = reason_not_served(name, self._code.activity_names())
            no_such = f"Activity function '{name}' does not exist."
            self._diagnostics.report(
                Diagnostic(
                    code=codes.MISSING_FUNCTION,
                    instance_id=instance_id,
                    severity="warning",
                    text=f"{reason or no_such} The task fails.",
                    timestamp=self._clock.now(),
                    function=name,
                )
            )
            return missing_activity_result(message, now=self._clock.now(), reason=reason)
        else:
            # A request that 1.x code left in the queue has an empty version; a request of 2.x code has none.
            is_of_v1 = continues_v1(self._code) and scheduled.version == ""
            is_bare = numbers_its_actions(self._code) and not is_of_v1
            text = scheduled.input or "null" if is_bare else activity_trigger_text(scheduled.input)
            with tracing.activity(message, scheduled) as traced:
                outcome = traced.activity(await self._outcome(request, scheduled, text, traced.context))
        return activity_result(message, outcome, now=self._clock.now())

    async def _outcome(
        self, request: ReceivedMessage, scheduled: TaskScheduled, text: str, trace: TraceContext | None
    ) -> ActivityOutcome:
        target, task_id = request.message.target, scheduled.event_id
        item = WorkItemId("activity", scheduled.name, target.instance_id, target.execution_id, task_id)

        def run(code: UserCode) -> Awaitable[ActivityOutcome]:
            if runs_activity_requests(code):
                return code.run_activity_request(request.message, trace)
            return code.run_activity(scheduled.name, text, instance_id=target.instance_id, task_id=task_id, trace=trace)

        try:
            return await self._lost.run(item, run, deliveries=request.dequeue_count)
        except WorkItemGivenUp as given_up:
            failure = given_up.failure if numbers_its_actions(self._code) else None
            return ActivityOutcome(error=given_up.text, details=given_up.details, failure=failure)

    async def _complete(self, request: ReceivedMessage, result: TaskMessage) -> None:
        """Send the result, waiting out an outage, so that the activity does not have to run again.

        If storage rejects the result, the activity fails instead. Raises TaskHubRefused if that is rejected too.
        """
        failures = refusals = 0
        while True:
            try:
                await self._hub.complete_activity(request, result)
            except TaskHubUnavailable as error:
                failures += 1
                if isinstance(error, TaskHubRefused):
                    refusals += 1
                    if refusals == MAX_REFUSALS and error.is_about_data:
                        outcome = ActivityOutcome(error=f"Its result cannot be stored: {error}")
                        result = activity_result(request.message, outcome, now=self._clock.now())
                        continue
                    if refusals >= MAX_REFUSALS:
                        self._faults.forget(request.id)
                        raise
                await self._faults.wait(request.id, failures, error)
            else:
                if failures:
                    self._faults.recovered(request.id)
                return

    async def _release(self, request: ReceivedMessage, delay: float | None) -> None:
        """Release the request to the hub. Retry until that works, because nothing else can run the request before."""
        failures = 0
        while True:
            try:
                await self._hub.abandon([request], delay=delay)
            except Exception as error:
                failures += 1
                if not isinstance(error, TaskHubUnavailable):
                    _log.exception("The activity request %s could not be released: %s", request.id, error)
                await self._faults.wait(request.id, failures, error)
            else:
                self._faults.forget(request.id)
                return
