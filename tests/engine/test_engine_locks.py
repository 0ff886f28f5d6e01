"""Locks that an orchestrator takes on entities and releases."""

from durable_host.durable.engine.decisions import LockDecision
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.walker import Walker
from durable_host.durable.model.actions import CallActivity, LockEntities, ReleaseEntities, WhenAll
from durable_host.durable.model.events import EventRaised, OrchestratorStarted, TaskCompleted, TaskFailed, TaskScheduled
from durable_host.durable.user_code import Step

GATED = EngineOptions(keeps_gates=True)


def test_a_release_that_waits_is_of_the_lock_that_the_code_released() -> None:
    """The code releases one lock after a failed member of a `Task.all`, and takes another, before the rest ends."""
    history = [
        OrchestratorStarted(timestamp=1),
        EventRaised(timestamp=2, name="first", input=None),
        *(TaskScheduled(timestamp=2, event_id=number, name="Work") for number in (1, 2)),
        TaskFailed(timestamp=3, task_scheduled_id=1, reason="no"),
        TaskCompleted(timestamp=4, task_scheduled_id=2),
    ]
    steps = [
        Step(0, LockEntities("first", ("@account@a",))),
        Step(1, WhenAll((CallActivity("Work", None), CallActivity("Work", None)))),
        Step(4, ReleaseEntities()),
        Step(4, LockEntities("second", ("@account@b",))),
    ]
    walker = Walker("instance", "execution", GATED)
    walker.walk(history, steps)
    locks = [walker.pending[number] for number in sorted(walker.pending)]
    assert [(lock.entities, lock.request_id, lock.is_release) for lock in locks if isinstance(lock, LockDecision)] == [
        (("@account@a",), "first", False),
        (("@account@a",), "first", True),
        (("@account@b",), "second", False),
    ]
