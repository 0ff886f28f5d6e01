"""Turns a decision into its history event and messages.

A call that cannot be made (an unknown function, an invalid instance ID of a child) is still recorded in the history, so
that every host sees its number as used. Its failure is sent as a message from the would-be callee, so that a replay on
any host sees an ordinary failed task.

Source: docs/protocol/task-hub-storage-processing.md#decisions,
    docs/protocol/durable-failures.md#unknown-functions
"""

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.completion import FIRE_AND_FORGET
from durable_host.durable.engine.decisions import (
    HTTP_ACTIVITY,
    Decision,
    LockDecision,
    SendDecision,
    SubOrchestrationDecision,
    TaskDecision,
    TimerDecision,
)
from durable_host.durable.engine.entity_messages import request_json, response_json
from durable_host.durable.engine.entity_texts import lock_text, release_text
from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.inputs import json_string, stored_activity_input
from durable_host.durable.engine.matching import NO_ENTITY
from durable_host.durable.engine.missing_functions import missing_function_text
from durable_host.durable.engine.refusals import Refusal, refuse_child, refuse_entity
from durable_host.durable.engine.sending import Scheduled, SendingOrchestration
from durable_host.durable.engine.sent_events import message_of_sent
from durable_host.durable.model import identity
from durable_host.durable.model.actions import CallActivity, CallHttp, CallSubOrchestrator
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    OrchestrationInstance,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    TaskScheduled,
)
from durable_host.durable.model.ids import is_too_long, is_well_formed
from durable_host.durable.model.messages import TaskMessage

TIMER_TOO_LONG = "The Azure Storage provider supports a maximum of {days} days for time-based delays"
_TIMER_SLACK = 36_000_000_000


def carry_out(decision: Decision, sender: SendingOrchestration) -> Scheduled:
    """Return the history event and messages of one new decision. Raises OrchestrationFault."""
    match decision:
        case TaskDecision():
            return _activity(decision, sender)
        case TimerDecision():
            return _timer(decision, sender)
        case SubOrchestrationDecision():
            return _sub_orchestration(decision, sender)
        case SendDecision():
            return _entity_message(decision, sender)
        case LockDecision():
            return _lock_message(decision, sender)
        case _:
            raise TypeError(f"not a decision: {decision!r}")


def _activity(decision: TaskDecision, sender: SendingOrchestration) -> Scheduled:
    _check_retry_interval(decision.action, sender)
    name = decision.name
    stored = stored_activity_input(decision.action)
    event = TaskScheduled(
        event_id=decision.id,
        timestamp=sender.now,
        name=name,
        version="",
        input=stored if sender.options.store_inputs else None,
        parent_trace_context=sender.trace,
    )
    id = sender.identity(TaskScheduled, decision.id, name, unstored=stored)
    if name != HTTP_ACTIVITY and not sender.code.has_activity(name):
        text = missing_function_text("activity", name, sender.code.activity_names())
        failed = TaskFailed(timestamp=sender.now, task_scheduled_id=decision.id, reason=text)
        reply = TaskMessage(failed, sender.instance, sender.instance, sender.episode, id=identity.answer_to(id))
        return Scheduled(event, [reply], Refusal(codes.MISSING_FUNCTION, text), request=id)
    if decision.failure is not None:
        reason, details = decision.failure
        failed = TaskFailed(timestamp=sender.now, task_scheduled_id=decision.id, reason=reason, details=details)
        reply = TaskMessage(failed, sender.instance, sender.instance, sender.episode, id=identity.answer_to(id))
        return Scheduled(event, [reply], request=id)
    request = TaskScheduled(
        event_id=decision.id,
        timestamp=sender.now,
        name=name,
        version="",
        input=stored,
        parent_trace_context=sender.trace,
    )
    message = TaskMessage(
        event=request,
        target=sender.instance,
        sender=sender.instance,
        episode=sender.episode,
        tags=dict(sender.started.tags or {}),
        id=id,
    )
    return Scheduled(event, [message], request=id)


def _timer(decision: TimerDecision, sender: SendingOrchestration) -> Scheduled:
    check_delay(decision.fire_at - decision.made_at, sender)
    return sender.timer(decision.id, decision.fire_at)


def _sub_orchestration(decision: SubOrchestrationDecision, sender: SendingOrchestration) -> Scheduled:
    action = decision.action
    _check_retry_interval(action, sender)
    version = action.version if action.version is not None else sender.options.default_version or None
    stored = action.input
    event = SubOrchestrationInstanceCreated(
        event_id=decision.id,
        timestamp=sender.now,
        name=action.name,
        version=version,
        instance_id=decision.instance_id,
        input=stored if sender.options.store_inputs else None,
    )
    refusal = refuse_child(decision, sender.started, sender.instance.instance_id, sender.code)
    failure = decision.failure if refusal is None else (refusal.text, None)
    if failure is not None:
        reason, details = failure
        failed = SubOrchestrationInstanceFailed(
            timestamp=sender.now, task_scheduled_id=decision.id, reason=reason, details=details
        )
        id = sender.identity(SubOrchestrationInstanceFailed, decision.id, reason)
        child = refused_sender(decision.instance_id, sender.instance)
        reply = TaskMessage(failed, sender.instance, child, sender.episode, id=id)
        return Scheduled(event, [reply], refusal)
    tags = {key: value for key, value in (sender.started.tags or {}).items() if key != FIRE_AND_FORGET}
    message = sender.start_of_child(
        event, stored, tags=tags or None, message_tags=dict(sender.started.tags or {}), trace=sender.trace
    )
    return Scheduled(event, [message])


def _entity_message(decision: SendDecision, sender: SendingOrchestration) -> Scheduled:
    stored = decision.input
    text = request_json(
        operation=decision.operation,
        request_id=decision.request_id,
        input=stored,
        is_signal=decision.is_signal,
        parent=sender.instance.instance_id,
        parent_execution=sender.instance.execution_id,
        due=decision.due,
        timestamp_label=decision.timestamp,
        predecessor=decision.predecessor,
        request_time=sender.now,
    )
    entity = OrchestrationInstance(decision.instance_id)
    event = EventSent(
        event_id=decision.id,
        timestamp=sender.now,
        instance_id=decision.instance_id,
        name=decision.event_name,
        input=text,
    )
    refusal = refuse_entity(decision.instance_id, sender.code)
    if refusal is not None:
        if decision.is_signal:
            raise OrchestrationFault(refusal.text)
        answer = EventRaised(
            timestamp=sender.now,
            name=decision.request_id,
            input=response_json(json_string(refusal.text), is_error=True),
        )
        id = sender.identity(EventRaised, decision.id, refusal.text)
        reply = TaskMessage(
            event=answer, target=sender.instance, sender=refused_sender(entity.instance_id, NO_ENTITY), id=id
        )
        return Scheduled(event, [reply], refusal)
    raised = EventRaised(timestamp=sender.now, name=decision.event_name, input=text, parent_trace_context=sender.trace)
    # The identity includes the request's ID: a request repeated under another ID must be answered under that ID, and
    # the next request to the entity names it as its predecessor.
    id = sender.identity(EventSent, decision.id, decision.instance_id, decision.operation, stored, decision.request_id)
    return Scheduled(event, [sender.message(raised, id, entity)])


def _lock_message(decision: LockDecision, sender: SendingOrchestration) -> Scheduled:
    """Request or release a lock. Raises OrchestrationFault for an entity that does not exist."""
    target, own = decision.entities[0], sender.instance
    for entity in decision.entities:
        refusal = refuse_entity(entity, sender.code)
        if refusal is not None:
            raise OrchestrationFault(refusal.text)
    if decision.is_release:
        text = release_text(
            critical_section_id=decision.request_id, parent=own.instance_id, parent_execution=own.execution_id
        )
    else:
        text = lock_text(
            critical_section_id=decision.request_id,
            lock_set=decision.entities,
            position=0,
            parent=own.instance_id,
            parent_execution=own.execution_id,
        )
    event = EventSent(
        event_id=decision.id, timestamp=sender.now, instance_id=target, name=decision.event_name, input=text
    )
    return Scheduled(event, [message_of_sent(event, sender)])


def refused_sender(instance_id: str, instead: OrchestrationInstance) -> OrchestrationInstance:
    """Return the sender of the answer to a refused call of `instance_id`: `instead` if no message can hold the ID."""
    is_usable = is_well_formed(instance_id) and not is_too_long(instance_id)
    return OrchestrationInstance(instance_id) if is_usable else instead


def _check_retry_interval(action: CallActivity | CallSubOrchestrator | CallHttp, sender: SendingOrchestration) -> None:
    retry = None if isinstance(action, CallHttp) else action.retry
    if retry is not None:
        check_delay(max(retry.first_interval, retry.max_interval or 0), sender)


def check_delay(ticks: int, sender: SendingOrchestration) -> None:
    """Fail the instance if a timer exceeds the storage's limit, as the reference does. The SDK splits longer timers
    itself.
    """
    limit = sender.options.max_timer
    if limit is not None and ticks > limit + _TIMER_SLACK:
        raise OrchestrationFault(TIMER_TOO_LONG.format(days=limit // 864_000_000_000))
