"""Calls of 2.x code whose inputs are owed: they are in no history, so the episodes that made them are run again.

Source: docs/protocol/task-hub-storage-additions.md#owed-work
"""

from collections.abc import Mapping

from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.numbered_outbound import carry_out_numbered
from durable_host.durable.engine.sending import SendingOrchestration
from durable_host.durable.model.events import HistoryEvent, SubOrchestrationInstanceCreated, TaskScheduled
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.numbered import CreateSubOrchestration, NumberedAction, ScheduleTask
from durable_host.durable.user_code import NumberedAnswer

Answers = Mapping[int, NumberedAnswer]
"""The answers of the episodes that were run again, by their numbers from 1."""


def messages_from_code(event: HistoryEvent, sender: SendingOrchestration, answers: Answers) -> list[TaskMessage] | None:
    """The messages of a call in the history; None when the code does not make it any more."""
    answer = answers.get(sender.episode)
    for action in () if answer is None else answer.actions:
        if action.id == event.event_id and _fits(event, action):
            try:
                return carry_out_numbered(action, sender, event)[1].messages
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
