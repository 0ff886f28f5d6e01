"""The names of messages in the log, and which messages may arrive twice."""

import pytest

from durable_host.chaos.message_words import InstanceNames, may_arrive_twice, words_for
from durable_host.durable.model import events as e
from durable_host.durable.model.messages import TaskMessage

ORDER = e.OrchestrationInstance("order-7", "e1")
COUNTER = e.OrchestrationInstance("@counter@a")
CALLER = e.OrchestrationInstance("order-7", "e1")
ENTITY = e.OrchestrationInstance("@counter@a", "")
SIGNAL = '{"op":"add","signal":true,"id":"1"}'
CALL = '{"op":"add","id":"1"}'
LOCK = '{"op":null,"id":"1","lockset":[{"name":"counter","key":"a"}]}'


def message(event: e.HistoryEvent, target: e.OrchestrationInstance = ORDER, **fields: object) -> TaskMessage:
    return TaskMessage(event, target, **fields)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("one", "words", "may_be_twice"),
    [
        (message(e.EventRaised(name="Approval")), "event 'Approval' for instance 'order-7'", True),
        (message(e.EventRaised(name="Go"), sender=CALLER), "event 'Go' for instance 'order-7'", True),
        (
            message(e.EventRaised(name="1"), sender=ENTITY),
            "answer of entity '@counter@a' for instance 'order-7'",
            False,
        ),
        (message(e.EventRaised(name="op", input=SIGNAL), COUNTER), "signal 'add' for entity '@counter@a'", True),
        (
            message(e.EventRaised(name="op", input=SIGNAL), COUNTER, sender=CALLER),
            "signal 'add' for entity '@counter@a'",
            False,
        ),
        (
            message(e.EventRaised(name="op", input=CALL), COUNTER, sender=CALLER),
            "call 'add' for entity '@counter@a'",
            False,
        ),
        (message(e.EventRaised(name="op", input=LOCK), COUNTER, sender=CALLER), "lock of entity '@counter@a'", False),
        (message(e.EventRaised(name="release"), COUNTER, sender=CALLER), "release of entity '@counter@a'", False),
        (message(e.EventRaised(name="op", input="?"), COUNTER), "message 'op' for entity '@counter@a'", False),
        (
            message(e.ExecutionStarted(orchestration_instance=ORDER, name="Process")),
            "start of instance 'order-7' (Process)",
            False,
        ),
        (
            message(e.TaskScheduled(event_id=3, name="Charge")),
            "activity 'Charge' (task 3) of instance 'order-7'",
            False,
        ),
        (message(e.TaskCompleted(task_scheduled_id=3)), "result of task 3 of instance 'order-7'", False),
        (message(e.TaskFailed(task_scheduled_id=3)), "result of task 3 of instance 'order-7'", False),
        (
            message(e.SubOrchestrationInstanceCompleted(task_scheduled_id=3)),
            "result of sub-orchestration 3 of instance 'order-7'",
            False,
        ),
        (message(e.TimerFired(timer_id=4, fire_at=1)), "timer 4 of instance 'order-7'", False),
        (message(e.ExecutionTerminated()), "message ExecutionTerminated for instance 'order-7'", False),
    ],
)
def test_a_message_is_named_by_what_it_is_and_whom_it_is_for(one: TaskMessage, words: str, may_be_twice: bool) -> None:
    assert words_for(one, InstanceNames()) == words
    assert may_arrive_twice(one) is may_be_twice


@pytest.mark.parametrize(
    ("child", "name"), [("0f4c40c49a3b4d7ea0f66f7f6a5e2c11:3", "order-7/3"), ("shipping-of-order-7", None)]
)
def test_a_child_with_a_random_id_is_named_after_its_parent(child: str, name: str | None) -> None:
    names = InstanceNames()
    target = e.OrchestrationInstance(child, "e2")
    parent = e.ParentInstance("Process", ORDER, 3)
    names.learn(message(e.ExecutionStarted(orchestration_instance=target, parent_instance=parent, name="Ship"), target))
    assert names.name(child) == (name or child)
    grandchild = e.OrchestrationInstance("1f4c40c49a3b4d7ea0f66f7f6a5e2c11:0", "e3")
    parent = e.ParentInstance("Ship", target, 0)
    names.learn(message(e.ExecutionStarted(orchestration_instance=grandchild, parent_instance=parent), grandchild))
    assert names.name(grandchild.instance_id) == f"{name or child}/0"
