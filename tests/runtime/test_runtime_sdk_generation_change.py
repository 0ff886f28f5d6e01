"""Starts that wait in a queue while an app is upgraded from the 1.x SDK to 2.x."""

import pytest

from durable_host.durable.model import identity
from durable_host.durable.model.events import EventRaised, ExecutionStarted, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.sdk_generation_change import started_by_v2


@pytest.mark.parametrize(
    ("is_of_v2", "sent", "seen"),
    [
        (False, '"{\\"item\\": \\"chair\\"}"', '{"item": "chair"}'),
        (False, '"\\"text\\""', '"text"'),
        (False, '"text"', '"text"'),
        (False, '{"item": "chair"}', '{"item": "chair"}'),
        (False, None, None),
        (True, '"{\\"item\\": \\"chair\\"}"', '"{\\"item\\": \\"chair\\"}"'),
        (True, '"5"', '"5"'),
    ],
)
def test_input_of_a_queued_start_loses_the_encoding_of_1x(is_of_v2: bool, sent: str | None, seen: str | None) -> None:
    target = OrchestrationInstance("i1", identity.new_execution(is_of_v2=is_of_v2))
    event = started_by_v2(TaskMessage(ExecutionStarted(orchestration_instance=target, input=sent), target)).event
    assert isinstance(event, ExecutionStarted)
    assert event.input == seen


def test_other_messages_stay_as_they_are() -> None:
    message = TaskMessage(EventRaised(name="go", input='"5"'), OrchestrationInstance("i1"))
    assert started_by_v2(message) is message
