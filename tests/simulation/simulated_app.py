"""An app on the real SDK in this process, whose activities take virtual time and whose worker may die."""

import asyncio
import json
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import azure.durable_functions as df
from faulty_hub import Faults

from durable_host.durable.sdk.v1 import V1UserCode
from durable_host.invocation.errors import FunctionFailed, WorkerLost
from durable_host.testing import VirtualClock
from durable_host.worker.orchestrations_v1 import OrchestrationSessions

FAILURES_BEFORE_SUCCESS = 2


class SimulatedApp:
    """Implements `sdk.v1.Calls`. `ran` counts activities by name and input."""

    def __init__(self, clock: VirtualClock, faults: Faults, random: Random) -> None:
        self.ran: Counter[tuple[str, str]] = Counter()
        self.overlaps = 0
        self._clock = clock
        self._faults = faults
        self._random = random
        self._sessions = OrchestrationSessions()
        self._running: set[str] = set()
        self._orchestrators = {function.__name__: df.Orchestrator.create(function) for function in ORCHESTRATORS}

    def restarted(self) -> None:
        """The process was restarted: there are no live sessions."""
        self._sessions = OrchestrationSessions()
        self._running.clear()

    def code(self) -> V1UserCode:
        return V1UserCode(
            self,  # pyright: ignore[reportArgumentType]
            orchestrators={name: name for name in self._orchestrators},
            activities={name: name for name in ("double", "flaky")},
            entities={"Counter": "Counter"},
        )

    async def orchestrate(
        self, function: str, payload: dict[str, Any], *, key: str, instance_id: str | None
    ) -> dict[str, Any]:
        self.overlaps += str(instance_id) in self._running
        self._running.add(str(instance_id))
        try:
            await asyncio.sleep(0)
            self._lose_worker()
            answer = self._sessions.handle(payload, self._orchestrators[function])
            self._lose_worker()
            return answer
        finally:
            self._running.discard(str(instance_id))

    def forget_session(self, key: str) -> None:
        self._sessions.forget(key)

    async def run_activity(
        self, function: str, trigger: str, *, instance_id: str, task_id: int, trace: Any = None
    ) -> str | None:
        await self._clock.sleep(self._random.choice([0.0, 0.0, 0.1, 5.0]))
        self._lose_worker()
        value = json.loads(trigger)
        self.ran[function, str(value)] += 1
        self._lose_worker()
        if function == "flaky" and self.ran[function, str(value)] <= FAILURES_BEFORE_SUCCESS:
            raise FunctionFailed("ValueError", "not yet", "Traceback")
        return json.dumps(value if function == "flaky" else value * 2)

    async def run_entity(self, function: str, trigger: str, *, instance_id: str, trace: Any = None) -> str | None:
        self._lose_worker()

        class Context:
            body = trigger

        answer = _ENTITY(Context())
        self._lose_worker()
        return answer

    def _lose_worker(self) -> None:
        if self._random.random() < self._faults.lost_worker:
            self._sessions = OrchestrationSessions()
            raise WorkerLost("simulated: the worker ended")


def counter(context):
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        value += context.get_input()
    context.set_state(value)
    context.set_result(value)


_ENTITY = df.Entity.create(counter)


def chain(context):
    results = []
    for number in range(context.get_input()):
        results.append((yield context.call_activity("double", f"{context.instance_id}-{number}")))
    return results


def fan_out(context):
    tasks = [context.call_activity("double", f"{context.instance_id}-{n}") for n in range(context.get_input())]
    return (yield context.task_all(tasks))


def approval(context):
    """A race of an event and a timer."""
    context.set_custom_status("waiting")
    expiry = context.create_timer(context.current_utc_datetime + timedelta(minutes=context.get_input()))
    event = context.wait_for_external_event("Approval")
    winner = yield context.task_any([event, expiry])
    if winner is event:
        expiry.cancel()
        return "approved"
    return "expired"


def family(context):
    """Sub-orchestrations, one after another and side by side."""
    first = yield context.call_sub_orchestrator("chain", 2, f"{context.instance_id}-first")
    others = [
        context.call_sub_orchestrator("fan_out", 2, f"{context.instance_id}-second"),
        context.call_sub_orchestrator("chain", 1, f"{context.instance_id}-third"),
    ]
    return [first, *(yield context.task_all(others))]


def stubborn(context):
    """An activity that fails twice."""
    return (yield context.call_activity_with_retry("flaky", df.RetryOptions(5000, 20), context.instance_id))


def eternal(context):
    left = context.get_input()
    yield context.call_activity("double", f"{context.instance_id}-{left}")
    if left > 1:
        context.continue_as_new(left - 1)
        return None
    return "over"


def patient(context):
    for _ in range(3):
        yield context.create_timer(context.current_utc_datetime + timedelta(minutes=4))
    return "waited"


def counting(context):
    """Entity calls, one after another; each answer is one more."""
    entity = df.EntityId("Counter", context.instance_id)
    values = []
    for _ in range(context.get_input()):
        values.append((yield context.call_entity(entity, "add", 1)))
    return values


ORCHESTRATORS = (chain, fan_out, approval, family, stubborn, eternal, patient, counting)
