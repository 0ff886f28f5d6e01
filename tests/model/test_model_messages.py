"""When messages are due, and the tables of event kinds."""

from durable_host.durable.model.events import (
    EVENT_CLASS_BY_NAME,
    EVENT_CLASS_BY_NUMBER,
    EVENT_CLASSES,
    EventRaised,
    ExecutionStarted,
    OrchestrationInstance,
    TaskCompleted,
    TaskScheduled,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus

INSTANCE, ENTITY = OrchestrationInstance("abc", "e" * 32), OrchestrationInstance("@counter@k")


def test_due_times():
    assert TaskMessage(TimerFired(timer_id=1, fire_at=5), INSTANCE).due == 5
    assert TaskMessage(ExecutionStarted(orchestration_instance=INSTANCE, scheduled_start_time=7), INSTANCE).due == 7
    assert TaskMessage(TaskCompleted(task_scheduled_id=0), INSTANCE).due is None
    delayed = EventRaised(name="op@0001-01-01T00:00:01.0000000Z")
    assert TaskMessage(delayed, ENTITY).due == 10_000_000
    assert TaskMessage(delayed, INSTANCE).due is None
    assert TaskMessage(EventRaised(name="op@tomorrow"), ENTITY).due is None
    assert TaskMessage(EventRaised(name="op"), ENTITY).due is None


def test_only_requests_are_activities():
    assert TaskMessage(TaskScheduled(event_id=1, name="A"), INSTANCE).is_activity
    assert not TaskMessage(TaskCompleted(task_scheduled_id=1), INSTANCE).is_activity


def test_every_kind_of_event_is_found_by_name_and_number():
    assert len(EVENT_CLASS_BY_NAME) == len(EVENT_CLASS_BY_NUMBER) == len(EVENT_CLASSES) == 20
    assert all(cls.__name__ == cls.event_name for cls in EVENT_CLASSES)


def test_terminal_statuses():
    assert [status.name for status in OrchestrationStatus if status.is_terminal] == [
        "Completed", "Failed", "Canceled", "Terminated",
    ]  # fmt: skip
