"""One cycle of an entity's scheduler, deterministic and without I/O.

In storage, an entity is an orchestration that continues as new after every batch, with its scheduler state as the
input. The caller loops::

    execution = EntityExecution.from_history(instance_id, events)
    while True:
        turn = start_batch(execution, messages, now=..., options=...)
        answer = await user_code.run_entity(turn.batch) if turn.batch else None
        outcome = finish_batch(turn, answer, now=..., new_id=...)
        commit outcome
        if not outcome.more: break
        execution, messages = outcome.execution, []

If anything fails in between, discard the execution and load the history again.

Source: docs/protocol/task-hub-storage-entities.md#entity-batch,
    docs/protocol/task-hub-storage-entities.md#entity-rows,
    docs/protocol/durable-entities.md#entity-scheduler,
    docs/protocol/durable-entities.md#answer-of-a-batch
"""

import uuid
from collections.abc import Callable, Sequence

import msgspec

from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.entity_actions import carry_out_actions
from durable_host.durable.engine.entity_end import ended_row
from durable_host.durable.engine.entity_execution import EntityExecution, EntityOptions, EntityOutcome, EntityTurn
from durable_host.durable.engine.entity_messages import request_json
from durable_host.durable.engine.entity_outbox import Outbox
from durable_host.durable.engine.entity_request import (
    EntityRequest,
    UnreadableEntityMessage,
    read_release,
    read_request,
)
from durable_host.durable.engine.scheduler_state import SchedulerState
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    FailureDetails,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.user_code import EntityAnswer, EntityBatch, EntityOperation, EntityResult
from durable_host.timestamp import TICKS_PER_SECOND

__all__ = ["EntityExecution", "EntityOptions", "EntityOutcome", "EntityTurn", "finish_batch", "start_batch"]

UNREADABLE_MESSAGE = "DH6150"
FAILED_SIGNAL = "DH6151"
LOCK_ACQUIRED = "Lock Acquisition Completed"

_TOO_EARLY = TICKS_PER_SECOND // 10
_LONGEST_SUSPENSION = 10 * TICKS_PER_SECOND


def start_batch(
    execution: EntityExecution, messages: Sequence[EventRaised], *, now: int, options: EntityOptions
) -> EntityTurn:
    """Accept the messages and decide which operations run. `now` is in ticks."""
    scheduler = execution.scheduler
    diagnostics: list[Diagnostic] = []
    rescheduled: list[EntityRequest] = []
    from_lock_holder: list[EntityRequest] = []
    for event in (*execution.pending, *messages):
        try:
            if event.name.startswith("op"):
                request = read_request(event.input, event.parent_trace_context)
                if request.due is not None and request.due.ticks - now > _TOO_EARLY:
                    rescheduled.append(request)
                else:
                    from_lock_holder += _enqueue(scheduler, request, options.reorder_window)
            elif event.name == "release":
                if read_release(event.input) == scheduler.locked_by:
                    scheduler.locked_by = None
            else:
                scheduler.suspended = False
        except UnreadableEntityMessage as error:
            diagnostics.append(_unreadable(execution.instance_id, event, error, now))
    scheduler.queue.extendleft(reversed(from_lock_holder))
    if scheduler.suspended and (execution.started is None or _age(execution, now) > _LONGEST_SUSPENSION):
        scheduler.suspended = False
    operations, lock, is_cut_short = _dequeue(scheduler, options.max_batch_size)
    return EntityTurn(
        execution=execution,
        options=options,
        batch=_batch(execution, operations) if operations else None,
        operations=operations,
        lock=lock,
        rescheduled=rescheduled,
        is_cut_short=is_cut_short,
        diagnostics=diagnostics,
    )


def finish_batch(
    turn: EntityTurn,
    answer: EntityAnswer | None,
    *,
    now: int,
    new_id: Callable[[], str],
    with_failure_details: bool = False,
) -> EntityOutcome:
    """Apply the answer, which is None when `turn.batch` was None.

    `new_id` returns random 32-digit hex IDs. With `with_failure_details`, callers get the structured failure that 2.x
    code expects, otherwise only its text.
    """
    execution = turn.execution
    scheduler = execution.scheduler
    outbox = Outbox(execution, now)
    for request in turn.rescheduled:
        outbox.reschedule(request)
    if answer is not None:
        _apply(answer, turn, outbox, new_id, with_failure_details=with_failure_details)
    if turn.lock is not None:
        _grant(scheduler, turn.lock, outbox)
    if turn.is_cut_short:
        scheduler.suspended = True
        outbox.send(execution.instance_id, "continue", None)
    return _continue_as_new(turn, outbox.sent, now, new_id())


def _enqueue(scheduler: SchedulerState, request: EntityRequest, reorder_window: int) -> list[EntityRequest]:
    """Queue what the sorter delivers after a request. Return the requests of the lock holder, which are not queued."""
    from_holder: list[EntityRequest] = []
    for delivered in scheduler.sorter.receive(request, reorder_window):
        is_from_holder = scheduler.locked_by is not None and scheduler.locked_by == delivered.parent
        (from_holder if is_from_holder else scheduler.queue).append(delivered)
    return from_holder


def _apply(
    answer: EntityAnswer,
    turn: EntityTurn,
    outbox: Outbox,
    new_id: Callable[[], str],
    *,
    with_failure_details: bool,
) -> None:
    """Apply the new state, and send responses, signals and starts."""
    scheduler = turn.execution.scheduler
    scheduler.exists = answer.exists
    # An entity that does not exist has no state or `null`: readers take any other state for existence.
    scheduler.state = answer.state if answer.exists or answer.state is None else "null"
    if answer.leaves_rest and answer.results:
        rest = turn.operations[len(answer.results) :]
        scheduler.queue.extendleft(reversed(rest))
        del turn.operations[len(answer.results) :]
    _respond(turn, answer, outbox, with_failure_details=with_failure_details)
    for target, operation, input in answer.signals:
        label, predecessor = scheduler.labels.label(target, outbox.now, turn.options.reorder_window)
        text = request_json(
            operation=operation,
            request_id=str(uuid.UUID(new_id())),
            input=input,
            is_signal=True,
            parent=outbox.instance_id,
            timestamp_label=label,
            predecessor=predecessor,
        )
        outbox.send(target, "op", text, what=(target, operation, input))
    refused = carry_out_actions(
        answer.actions,
        outbox,
        scheduler.labels,
        new_id=new_id,
        reorder_window=turn.options.reorder_window,
        default_version=turn.options.default_version,
    )
    turn.diagnostics.extend(_refused(outbox, text) for text in refused)


def _age(execution: EntityExecution, now: int) -> int:
    return now - execution.started.timestamp if execution.started else 0


def _dequeue(
    scheduler: SchedulerState, max_batch_size: int | None
) -> tuple[list[EntityRequest], EntityRequest | None, bool]:
    operations: list[EntityRequest] = []
    while scheduler.has_work:
        if scheduler.queue[0].is_lock:
            return operations, scheduler.queue.popleft(), False
        if max_batch_size is not None and len(operations) >= max_batch_size:
            return operations, None, True
        operations.append(scheduler.queue.popleft())
    return operations, None, False


def _batch(execution: EntityExecution, operations: Sequence[EntityRequest]) -> EntityBatch:
    name, _, key = execution.instance_id[1:].partition("@")
    return EntityBatch(
        name=name,
        key=key,
        exists=execution.scheduler.exists,
        state=execution.scheduler.state,
        operations=[
            EntityOperation(
                each.operation or "",
                each.input,
                each.is_signal,
                each.trace,
                each.id,
                each.parent,
                each.parent_execution,
            )
            for each in operations
        ],
    )


def _respond(turn: EntityTurn, answer: EntityAnswer, outbox: Outbox, *, with_failure_details: bool) -> None:
    missing = EntityResult(True, '"The entity function returned no result for this operation."')
    for index, request in enumerate(turn.operations):
        result = answer.results[index] if index < len(answer.results) else missing
        text = "null" if result.result is None else result.result
        failure = result.failure
        if failure is not None:
            text = f"{failure.error_type}: {failure.error_message}"
        elif with_failure_details and result.is_error:
            failure = FailureDetails("FunctionInvocationFailed", _error_text(text), is_non_retriable=True)
        if not request.is_signal and failure is not None:
            outbox.respond_failure(request, failure)
        elif not request.is_signal:
            outbox.respond(request, text, is_error=result.is_error)
        elif result.is_error:
            turn.diagnostics.append(_failed_signal(outbox, request, text))


def _error_text(text: str) -> str:
    """Return the message inside the JSON text of an error. After a time-out the text is not JSON."""
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.MsgspecError:
        return text


def _grant(scheduler: SchedulerState, lock: EntityRequest, outbox: Outbox) -> None:
    """Lock this entity, then forward the request to the next entity of its set or confirm the lock to the requester."""
    scheduler.locked_by = lock.parent
    position = lock.position + 1
    if position < len(lock.lock_set):
        outbox.forward(lock, position)
    else:
        outbox.respond(lock, LOCK_ACQUIRED)


def _continue_as_new(turn: EntityTurn, sent: list[TaskMessage], now: int, execution_id: str) -> EntityOutcome:
    execution, scheduler = turn.execution, turn.execution.scheduler
    old = execution.started or ExecutionStarted(
        orchestration_instance=OrchestrationInstance(execution.instance_id), name=execution.instance_id
    )
    started = msgspec.structs.replace(
        old,
        orchestration_instance=OrchestrationInstance(execution.instance_id, execution_id),
        input=scheduler.to_json(),
        timestamp=now,
        is_played=True,
        generation=None,
        scheduled_start_time=None,
    )
    events: list[HistoryEvent] = [
        OrchestratorStarted(timestamp=now),
        started,
        OrchestratorCompleted(timestamp=now, is_played=True),
    ]
    return EntityOutcome(
        execution=EntityExecution(execution.instance_id, scheduler, started, episode=2, rows=len(events)),
        execution_id=execution_id,
        replaced_execution_id=execution.execution_id,
        new_events=events,
        outbound=sent,
        update=_row(started, scheduler),
        more=scheduler.has_work,
        diagnostics=turn.diagnostics,
    )


def row_of(execution: EntityExecution) -> InstanceUpdate:
    """Return the entity's row as its last batch or its termination should have written it."""
    assert execution.started is not None
    row = _row(execution.started, execution.scheduler)
    if execution.end is None:
        return row
    end = ended_row(execution)
    return msgspec.structs.replace(end, started=row.started)


def _row(started: ExecutionStarted, scheduler: SchedulerState) -> InstanceUpdate:
    return InstanceUpdate(
        execution_id=started.orchestration_instance.execution_id or "",
        last_updated_time=started.timestamp,
        custom_status=scheduler.custom_status(),
        started=started,
        parent_instance_id="",
    )


def _unreadable(instance_id: str, event: EventRaised, error: UnreadableEntityMessage, now: int) -> Diagnostic:
    return Diagnostic(
        code=UNREADABLE_MESSAGE,
        instance_id=instance_id,
        severity="warning",
        text=f"Message '{event.name}' to entity {instance_id} cannot be read and is dropped: {error}.",
        timestamp=now,
        event_name=event.name,
    )


def _refused(outbox: Outbox, text: str) -> Diagnostic:
    return Diagnostic(
        code=UNREADABLE_MESSAGE,
        instance_id=outbox.instance_id,
        severity="warning",
        text=f"Entity {outbox.instance_id} requested a message that cannot be sent: {text}",
        timestamp=outbox.now,
    )


def _failed_signal(outbox: Outbox, request: EntityRequest, result: str) -> Diagnostic:
    sender = f" from {request.parent}" if request.parent else ""
    return Diagnostic(
        code=FAILED_SIGNAL,
        instance_id=outbox.instance_id,
        severity="warning",
        text=f"Signal '{request.operation}'{sender} to entity {outbox.instance_id} failed: {result}",
        timestamp=outbox.now,
        event_name=request.operation,
    )
