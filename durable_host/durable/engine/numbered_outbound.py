"""Turns an action of 2.x code into its history event and messages.

As with decisions of 1.x code, a call that cannot be made is still recorded in the history, and its failure is sent as a
message. Calls of entities that the app does not have are answered by the entity itself.

Source: docs/protocol/durable-v2.md#actions
"""

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.entity_messages import request_event_name
from durable_host.durable.engine.entity_texts import lock_text, operation_text, release_text
from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.missing_functions import missing_function_text
from durable_host.durable.engine.outbound import refused_sender
from durable_host.durable.engine.refusals import Refusal, refuse_id, refuse_start
from durable_host.durable.engine.sending import Scheduled, SendingOrchestration
from durable_host.durable.engine.sent_events import message_of_sent
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventSent,
    ExecutionTerminated,
    FailureDetails,
    HistoryEvent,
    OrchestrationInstance,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    TaskScheduled,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.numbered import (
    CreateSubOrchestration,
    EntityCalled,
    EntityLockRequested,
    EntitySignaled,
    EntityUnlockSent,
    NumberedAction,
    ScheduleTask,
    SendEvent,
    StartTimer,
    TerminateOrchestration,
    UnknownNumberedAction,
)

MISSING_ACTIVITY = "ActivityFunctionNotFound"
BAD_CHILD = "SubOrchestrationRefused"


def carry_out_numbered(
    action: NumberedAction, sender: SendingOrchestration, earlier: HistoryEvent | None = None
) -> tuple[HistoryEvent | None, Scheduled]:
    """Return the history event, if the action creates one, and the messages. Raises OrchestrationFault.

    `earlier` is the last event with the same number: a retry repeats a call.
    """
    match action:
        case ScheduleTask():
            scheduled = _activity(action, sender)
        case CreateSubOrchestration():
            scheduled = _child(action, sender, earlier)
        case StartTimer():
            # Without a limit: the hub can delay messages for any time, and the code splits timers itself if it must.
            scheduled = sender.timer(action.id, action.fire_at)
        case SendEvent():
            scheduled = _send(action.id, action.instance_id, action.name, action.input or None, sender)
        case EntitySignaled() | EntityCalled() | EntityLockRequested() | EntityUnlockSent():
            scheduled = _entity_message(action, sender)
        case TerminateOrchestration():
            return None, _termination(action, sender)
        case UnknownNumberedAction():
            raise OrchestrationFault(f"The orchestrator requested an unknown kind of action: {action.kind}.")
        case _:
            raise OrchestrationFault(f"The orchestrator requested an action out of place: {type(action).__name__}.")
    return scheduled.event, scheduled


def _activity(action: ScheduleTask, sender: SendingOrchestration) -> Scheduled:
    text = action.input or None
    event = TaskScheduled(
        event_id=action.id,
        timestamp=sender.now,
        name=action.name,
        version=action.version or None,
        input=text if sender.options.store_inputs else None,
        parent_trace_context=sender.trace or action.trace,
        tags=action.tags,
    )
    id = sender.identity(TaskScheduled, action.id, action.name, unstored=text)
    if not sender.code.has_activity(action.name):
        reason = missing_function_text("activity", action.name, sender.code.activity_names())
        failed = TaskFailed(
            timestamp=sender.now,
            task_scheduled_id=action.id,
            reason=reason,
            failure_details=FailureDetails(MISSING_ACTIVITY, reason),
        )
        reply = TaskMessage(failed, sender.instance, sender.instance, sender.episode, id=identity.answer_to(id))
        return Scheduled(event, [reply], Refusal(codes.MISSING_FUNCTION, reason), request=id)
    message = TaskMessage(
        event=TaskScheduled(
            event_id=action.id,
            timestamp=sender.now,
            name=action.name,
            version=action.version or None,
            input=text,
            parent_trace_context=event.parent_trace_context,
            tags=action.tags,
        ),
        target=sender.instance,
        sender=sender.instance,
        episode=sender.episode,
        tags={**(sender.started.tags or {}), **(action.tags or {})},
        id=id,
    )
    return Scheduled(event, [message], request=id)


def _child(action: CreateSubOrchestration, sender: SendingOrchestration, earlier: HistoryEvent | None) -> Scheduled:
    text = action.input or None
    version = action.version or sender.options.default_version or None
    if isinstance(earlier, SubOrchestrationInstanceCreated) and earlier.instance_id == action.instance_id:
        version = action.version or earlier.version or None  # The SDK omits it when it repeats a call.
    event = SubOrchestrationInstanceCreated(
        event_id=action.id,
        timestamp=sender.now,
        name=action.name,
        version=version,
        instance_id=action.instance_id,
        input=text if sender.options.store_inputs else None,
        tags=action.tags,
    )
    refusal = refuse_start(action.name, action.instance_id, sender.started, sender.instance.instance_id, sender.code)
    if refusal is not None:
        failed = SubOrchestrationInstanceFailed(
            timestamp=sender.now,
            task_scheduled_id=action.id,
            reason=refusal.text,
            failure_details=FailureDetails(BAD_CHILD, refusal.text),
        )
        id = sender.identity(SubOrchestrationInstanceFailed, action.id, refusal.text)
        child = refused_sender(action.instance_id, sender.instance)
        return Scheduled(event, [TaskMessage(failed, sender.instance, child, sender.episode, id=id)], refusal)
    message = sender.start_of_child(
        event, text, tags=action.tags, message_tags=dict(action.tags or {}), trace=sender.trace or action.trace
    )
    return Scheduled(event, [message])


def _entity_message(
    action: EntitySignaled | EntityCalled | EntityLockRequested | EntityUnlockSent, sender: SendingOrchestration
) -> Scheduled:
    own = sender.instance
    match action:
        case EntitySignaled() | EntityCalled():
            is_signal = isinstance(action, EntitySignaled)
            text = operation_text(
                operation=action.operation,
                request_id=action.request_id,
                input=action.input,
                is_signal=is_signal,
                parent=None if is_signal else own.instance_id,
                parent_execution=None if is_signal else own.execution_id,
                due=action.due,
            )
            return _send(action.id, action.target, request_event_name(action.due, sender.now), text, sender)
        case EntityLockRequested():
            if not 0 <= action.position < len(action.lock_set):
                raise OrchestrationFault("The orchestrator requested a lock without an entity.")
            text = lock_text(
                critical_section_id=action.critical_section_id,
                lock_set=action.lock_set,
                position=action.position,
                parent=own.instance_id,
                parent_execution=own.execution_id,
            )
            return _send(action.id, action.lock_set[action.position], "op", text, sender)
        case EntityUnlockSent():
            text = release_text(
                critical_section_id=action.critical_section_id,
                parent=own.instance_id,
                parent_execution=own.execution_id,
            )
            return _send(action.id, action.target, "release", text, sender)


def _send(number: int, target: str, name: str, text: str | None, sender: SendingOrchestration) -> Scheduled:
    refusal = refuse_id(target)
    if refusal is not None or not target:
        raise OrchestrationFault(refusal.text if refusal is not None else "A message has no target instance.")
    event = EventSent(event_id=number, timestamp=sender.now, instance_id=target, name=name, input=text)
    return Scheduled(event, [message_of_sent(event, sender)])


def _termination(action: TerminateOrchestration, sender: SendingOrchestration) -> Scheduled:
    event = ExecutionTerminated(timestamp=sender.now, input=action.reason, recurse=action.recurse)
    id = sender.identity(ExecutionTerminated, action.id, action.instance_id, action.reason)
    return Scheduled(event, [sender.message(event, id, OrchestrationInstance(action.instance_id))])
