"""Recovers 2.x calls whose inputs are owed. The history does not store inputs, so the episodes that made them run
again.

Source: docs/protocol/task-hub-storage-additions.md#owed-work
"""

from collections.abc import Mapping

import msgspec

from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.numbered_outbound import carry_out_numbered
from durable_host.durable.engine.sending import SendingOrchestration
from durable_host.durable.model.events import HistoryEvent, SubOrchestrationInstanceCreated, TaskScheduled
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.numbered import CreateSubOrchestration, NumberedAction, ScheduleTask
from durable_host.durable.user_code import NumberedAnswer

Answers = Mapping[int, NumberedAnswer]
"""The answers of the repeated episodes, by episode number (from 1)."""


def messages_from_code(
    event: HistoryEvent, sender: SendingOrchestration, answers: Answers, number: int
) -> list[TaskMessage] | None:
    """Return the messages of a call in the history, or None if the code no longer makes it.

    `number` is the number in the messages: 1.x code may have made the call under another one.
    """
    answer = answers.get(sender.episode)
    for action in () if answer is None else answer.actions:
        if action.id == event.event_id and _fits(event, action):
            try:
                return carry_out_numbered(msgspec.structs.replace(action, id=number), sender, event)[1].messages
            except OrchestrationFault:
                return None
    return None


def _fits(event: HistoryEvent, action: NumberedAction) -> bool:
    match event, action:
        case TaskScheduled(), ScheduleTask():
            return action.name == event.name
        case SubOrchestrationInstanceCreated(), CreateSubOrchestration():
            return action.instance_id == event.instance_id
        case _:
            return False
