"""Spans of durable functions, with the names and tags of DurableTask.Core.

`create_orchestration:Name` covers a client's start request, `orchestration:Name` an orchestration from start to end
(across all generations), `activity:Name` and `entity:name:operation` the run of their code. An orchestration outlives
processes: its span gets an ID in the first episode, which is kept in the history as in DurableTask.Core, and the span
is recorded at the end. Without a configured SDK no spans are created, and a caller's context is passed on unchanged.
"""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import msgspec

from durable_host import spans, timestamp
from durable_host.durable.model.events import (
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    TaskScheduled,
    TraceContext,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import ActivityOutcome, EntityAnswer, EntityBatch

_NANOSECONDS_PER_TICK = 100


def created(started: ExecutionStarted) -> ExecutionStarted:
    """Return the start event with the span of the client's request as the parent of everything that follows."""
    name, parent = _name("create_orchestration", started), _parent(started.parent_trace_context)
    opened = spans.open_span(name, "producer", parent, _orchestration_tags(started))
    if opened is None:
        return started
    opened.end()
    return msgspec.structs.replace(started, parent_trace_context=TraceContext(opened.header, opened.state))


def begun(message: TaskMessage) -> TaskMessage:
    """Return a message of an episode. One that begins an execution gets the ID of the orchestration's span."""
    started = message.event
    if not isinstance(started, ExecutionStarted) or not spans.configured():
        return message
    context = started.parent_trace_context
    own = spans.reserve(_parent(context)) if context is not None and context.id is None else None
    if context is None or own is None:
        return message
    marked = msgspec.structs.replace(
        context, id=own, span_id=own.split("-")[2], activity_start_time=timestamp.to_text(started.timestamp)
    )
    event = msgspec.structs.replace(started, parent_trace_context=marked)
    return msgspec.structs.replace(message, event=event)


def ended(started: ExecutionStarted | None, events: Sequence[HistoryEvent]) -> None:
    """Record the span of an orchestration that ended with `events`."""
    context = started.parent_trace_context if started is not None else None
    if started is None or context is None or context.id is None or not spans.configured():
        return
    completed = next((one for one in reversed(events) if isinstance(one, ExecutionCompleted)), None)
    if completed is None:
        return
    status = completed.orchestration_status
    has_failed = status is OrchestrationStatus.Failed
    spans.record(
        context.id,
        _name("orchestration", started),
        "server",
        _parent(context),
        {**_orchestration_tags(started), "durabletask.task.status": status.name},
        start=_nanoseconds(_start_of(started, context)),
        end=_nanoseconds(completed.timestamp),
        error=(completed.result or "") if has_failed else None,
    )


class Traced:
    """The run inside a span. `context` is passed to the code that is called."""

    def __init__(self, context: TraceContext | None, opened: list[spans.OpenSpan]) -> None:
        self.context = context
        self._opened = opened

    def activity(self, outcome: ActivityOutcome) -> ActivityOutcome:
        """Record the outcome of the activity in its span."""
        if outcome.error is not None:
            for one in self._opened:
                one.fail(outcome.error)
        return outcome

    def entity(self, answer: EntityAnswer) -> EntityAnswer:
        """Record the result of each operation in its span."""
        for one, result in zip(self._opened, answer.results, strict=False):
            if result.is_error:
                one.fail(result.result or "")
        return answer


def activity(message: TaskMessage, scheduled: TaskScheduled) -> AbstractContextManager[Traced]:
    """Open a span for the run of an activity."""
    if not spans.configured():
        return nullcontext(Traced(scheduled.parent_trace_context, []))
    return _activity(message, scheduled)


@contextmanager
def _activity(message: TaskMessage, scheduled: TaskScheduled) -> Generator[Traced]:
    parent = scheduled.parent_trace_context
    tags: dict[str, str | int] = {
        "durabletask.type": "activity",
        "durabletask.task.name": scheduled.name,
        "durabletask.task.instance_id": message.target.instance_id,
        "durabletask.task.task_id": scheduled.event_id,
    }
    with spans.span(f"activity:{scheduled.name}", "server", _parent(parent), tags) as opened:
        yield Traced(_context(opened) or parent, [opened] if opened is not None else [])


@contextmanager
def entity(instance_id: str, batch: EntityBatch) -> Generator[Traced]:
    """Open a span for each operation of a batch. The first one is the parent of the invocation."""
    first = batch.operations[0].trace if batch.operations else None
    with ExitStack() as stack:
        opened: list[spans.OpenSpan] = []
        for operation in batch.operations if spans.configured() else ():
            tags = {
                "durabletask.type": "entity",
                "durabletask.task.name": batch.name,
                "durabletask.task.operation": operation.name,
                "durabletask.task.instance_id": instance_id,
            }
            kind: spans.Kind = "consumer" if operation.is_signal else "server"
            made = stack.enter_context(
                spans.span(f"entity:{batch.name}:{operation.name}", kind, _parent(operation.trace), tags)
            )
            if made is not None:
                opened.append(made)
        yield Traced(_context(opened[0]) if opened else first, opened)


def _context(opened: spans.OpenSpan | None) -> TraceContext | None:
    return TraceContext(opened.header, opened.state) if opened is not None else None


def _parent(context: TraceContext | None) -> spans.Parent:
    return spans.Parent(context.trace_parent, context.trace_state) if context is not None else spans.Parent(None)


def _name(what: str, started: ExecutionStarted) -> str:
    return f"{what}:{started.name}@({started.version})" if started.version else f"{what}:{started.name}"


def _orchestration_tags(started: ExecutionStarted) -> dict[str, str]:
    tags = {
        "durabletask.type": "orchestration",
        "durabletask.task.name": started.name,
        "durabletask.task.instance_id": started.orchestration_instance.instance_id,
        "durabletask.task.execution_id": started.orchestration_instance.execution_id or "",
    }
    return {**tags, "durabletask.task.version": started.version} if started.version else tags


def _start_of(started: ExecutionStarted, context: TraceContext) -> int:
    """Return the ticks when the first generation started."""
    try:
        return timestamp.parse(context.activity_start_time or "")
    except ValueError:
        return started.timestamp


def _nanoseconds(ticks: int) -> int:
    return (ticks - timestamp.UNIX_EPOCH_TICKS) * _NANOSECONDS_PER_TICK
