"""What happens to the messages of a batch, and to those that were released before."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from durable_host.clock import SystemClock
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model import identity
from durable_host.durable.model.events import EventRaised, ExecutionStarted, OrchestrationInstance, ParentInstance
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.intake import Intake
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.taskhub.port import ReceivedMessage, TaskHub, TaskHubUnavailable


class _Hub:
    """Gives back what was kept, and writes down what it is given."""

    def __init__(self, kept: Sequence[ReceivedMessage]) -> None:
        self._kept = list(kept)
        self.released: list[ReceivedMessage] = []

    async def recall(self, instance_id: str) -> list[ReceivedMessage]:
        kept, self._kept = self._kept, []
        return kept

    async def abandon(self, messages: Sequence[ReceivedMessage], /, *, delay: float | None = None) -> None:
        self.released += messages


def received(id: str, message: TaskMessage) -> ReceivedMessage:
    return ReceivedMessage(id, message, 1, 0, None)


def start(id: str, timestamp: int = 100, parent: str | None = None, execution: str = "e") -> ReceivedMessage:
    instance = OrchestrationInstance("a", execution)
    above = None
    if parent is not None:
        above = ParentInstance("Parent", OrchestrationInstance(parent, "p"), task_schedule_id=0)
    event = ExecutionStarted(
        orchestration_instance=instance, name="F", timestamp=timestamp, parent_instance=above, generation=0
    )
    return received(id, TaskMessage(event, instance, id=identity.of_start(instance)))


@pytest.mark.parametrize(
    ("kept", "fate"),
    [
        (start("copy"), "useless"),
        (start("older", timestamp=50, execution="before"), "useless"),
        (start("newer", timestamp=150, execution="after"), "released"),
        (start("of another parent", parent="other", execution="x"), "released"),
        (received("event", TaskMessage(EventRaised(name="E", timestamp=1), OrchestrationInstance("a"))), "work"),
    ],
    ids=lambda one: one.id if isinstance(one, ReceivedMessage) else one,
)
async def test_a_message_released_before_the_start_is_processed(kept: ReceivedMessage, fate: str) -> None:
    """Each is processed, deleted or released again; otherwise nobody would ever receive it."""
    hub = _Hub([kept])
    intake = Intake(cast("TaskHub", hub), cast("Any", None), SystemClock(), cast("Any", None))
    batch = [start("first")]
    work, useless = await intake.sort(InstanceSession("a"), OrchestrationState("a"), batch)
    fates = {"work": work, "useless": useless, "released": hub.released}
    assert [name for name, messages in fates.items() for one in messages if one is kept] == [fate]
    assert (kept in batch) == (fate != "released")


def event(id: str, identity: str | None) -> ReceivedMessage:
    return received(id, TaskMessage(EventRaised(name="E", timestamp=1), OrchestrationInstance("a"), id=identity))


class _PendingHub(_Hub):
    """Has the row of an instance that has not begun, and fails to release the message `fails_at`."""

    fails_at = "2"

    async def get_instance(self, instance_id: str, **_: object) -> InstanceState:
        return InstanceState(instance_id=instance_id, execution_id="e", name="F")

    async def abandon(self, messages: Sequence[ReceivedMessage], /, *, delay: float | None = None) -> None:
        if messages[0].id == self.fails_at:
            raise TaskHubUnavailable("The queue service does not answer.")
        await super().abandon(messages, delay=delay)


async def test_messages_that_were_released_before_a_release_failed_are_no_longer_in_the_batch() -> None:
    hub = _PendingHub([])
    intake = Intake(cast("TaskHub", hub), cast("Any", None), SystemClock(), cast("Any", None))
    session = InstanceSession("a")
    session.state = OrchestrationState("a")
    batch = [event("1", "x"), event("2", "y")]
    with pytest.raises(TaskHubUnavailable):
        await intake.keep_for_start(session, batch, list(batch))
    assert [one.id for one in hub.released] == ["1"]
    assert [one.id for one in batch] == ["2"]


async def test_copies_of_a_message_that_were_released_one_by_one_are_received_once() -> None:
    first, copy, in_batch = event("1", "x"), event("2", "x"), event("3", "x")
    others = [event("4", None), event("5", None)]
    hub = _Hub([first, copy, *others])
    intake = Intake(cast("TaskHub", hub), cast("Any", None), SystemClock(), cast("Any", None))
    begin = start("first")
    batch = [begin, in_batch]
    work, useless = await intake.sort(InstanceSession("a"), OrchestrationState("a"), batch)
    assert {one.id for one in work} == {"1", "4", "5", "first"}
    assert useless == [copy, in_batch]
    assert {one.id for one in batch} == {"1", "2", "3", "4", "5", "first"}
    assert hub.released == []


async def test_a_message_of_the_batch_that_is_recalled_too_is_taken_once_and_not_deleted_apart() -> None:
    """Its release had failed halfway."""
    begin, both = start("first"), event("1", "x")
    hub = _Hub([both])
    intake = Intake(cast("TaskHub", hub), cast("Any", None), SystemClock(), cast("Any", None))
    batch = [both, begin]
    work, useless = await intake.sort(InstanceSession("a"), OrchestrationState("a"), batch)
    assert work == batch == [both, begin]
    assert useless == []
