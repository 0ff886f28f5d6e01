"""What a replay of the app's code shows in addition to the history: waits and source lines."""

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.walker import NonDeterminism, Walker
from durable_host.durable.model.actions import Action, ScheduledTask, WaitForExternalEvent, WhenAll, WhenAny
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.numbered import CompleteOrchestration
from durable_host.durable.user_code import (
    PYTHON_V1,
    CodeDialect,
    EventWaitNote,
    NumberedAnswer,
    OrchestratorAnswer,
)
from durable_host.invocation.code_failure import CodeFailure


class CodeWait(msgspec.Struct, frozen=True, kw_only=True):
    """A wait of the code for an external event.

    `since` is the position of the history event during which it began, `canceled` the one during which the code gave
    it up. `place` is where the code stood, as `file:line in function`. With `is_repeated`, the task of an earlier wait
    is in one more list of tasks.
    """

    name: str
    since: int
    place: str | None = None
    canceled: int | None = None
    is_repeated: bool = False


class EventRules(msgspec.Struct, frozen=True):
    """How an SDK matches events and waits. `sdk` is its name in texts.

    `ignores_case`: names that differ only in case are the same. `newest_first`: an event goes to the newest wait.
    `keeps_early`: all early events are kept, in order, and each is returned once; otherwise the last one of a name is
    returned to every later wait.
    """

    sdk: str
    ignores_case: bool = False
    newest_first: bool = True
    keeps_early: bool = False


V2_RULES = EventRules("the 2.x SDK", ignores_case=True, newest_first=False, keeps_early=True)


def rules_of(dialect: CodeDialect = PYTHON_V1) -> EventRules:
    """Return the rules of an SDK of the 1.x protocol."""
    return EventRules(dialect.sdk, keeps_early=dialect.keeps_early_events)


class CodeTrace(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay of the code shows. `seen` is the number of history events that the code has received.

    `position` is where the code stands, None if it has ended or is not known. `ended` is the position of the event
    during which it ended. `waits` are all its waits for events, None if they are not known. `awaited` are the numbers
    of the tasks that have not ended and that the code has not given up, None if that is not known. `raised` is the
    exception that ended it. `retries` are the numbers of the open timers before retries, None if they are not known,
    and `parts` those of timers that are parts of longer ones. `problem` says why the replay does not match the history.
    """

    rules: EventRules
    seen: int
    position: str | None = None
    waits: Sequence[CodeWait] | None = ()
    awaited: frozenset[int] | None = None
    ended: int | None = None
    retries: frozenset[int] | None = None
    parts: frozenset[int] = frozenset()
    problem: str | None = None
    raised: CodeFailure | None = None


def trace_of(
    instance_id: str,
    history: Sequence[HistoryEvent],
    answer: OrchestratorAnswer,
    options: EngineOptions,
    dialect: CodeDialect,
) -> CodeTrace:
    """Return the trace of code that replayed the whole history under the 1.x protocol."""
    if answer.is_plain_failure:
        return CodeTrace(rules=rules_of(dialect), seen=len(history), problem=answer.error)
    walker = Walker(instance_id, "", options, dialect)
    problem: str | None = None
    try:
        walker.walk(history, answer.steps, ended_at=answer.ended_at)
        for number, leaf in answer.canceled_timers:
            walker.cancel_timer(number, leaf)
    except (NonDeterminism, OrchestrationFault) as error:
        problem = str(error)
    return CodeTrace(
        rules=rules_of(dialect),
        seen=len(history),
        position=None if answer.ended_at is not None else answer.position,
        waits=list(_waits(answer)),
        awaited=None if problem is not None else frozenset(walker.open),
        retries=None if problem is not None else walker.retry_timers,
        parts=walker.timer_parts | frozenset(answer.timer_parts),
        ended=answer.ended_at,
        problem=problem,
        raised=answer.failure,
    )


def numbered_trace_of(history: Sequence[HistoryEvent], answer: NumberedAnswer) -> CodeTrace:
    """Return the trace of code of the 2.x protocol that replayed the whole history."""
    return CodeTrace(
        rules=V2_RULES,
        seen=len(history),
        position=answer.position,
        awaited=None if answer.open_tasks is None else frozenset(answer.open_tasks),
        parts=frozenset(answer.timer_parts),
        waits=None if answer.event_waits is None else [_noted(wait) for wait in answer.event_waits],
        ended=len(history) - 1 if any(isinstance(one, CompleteOrchestration) for one in answer.actions) else None,
        problem=answer.error,
        raised=answer.failure,
    )


def _noted(wait: EventWaitNote) -> CodeWait:
    return CodeWait(name=wait.name, since=wait.since, place=wait.place, canceled=wait.canceled)


def _waits(answer: OrchestratorAnswer) -> Iterator[CodeWait]:
    """Yield the waits among the actions. They stand where the code has created their tasks, if that is known."""
    places: dict[str, deque[str | None]] = {}
    for note in answer.event_waits or ():
        places.setdefault(note.name, deque()).append(note.place)
    by_place: dict[tuple[int, int], str] = {}
    for number, step in enumerate(answer.steps):
        for place, leaf in enumerate(leaves_of(step.action)):
            if isinstance(leaf, WaitForExternalEvent):
                by_place[number, place] = leaf.name
                known = places.get(leaf.name)
                yield CodeWait(
                    name=leaf.name, since=step.event_index, place=known.popleft() if known else step.position
                )
            elif isinstance(leaf, ScheduledTask):
                name = by_place.get((leaf.number, leaf.leaf))
                if name is not None:
                    yield CodeWait(name=name, since=step.event_index, place=step.position, is_repeated=True)


def leaves_of(action: Action) -> Iterator[Action]:
    """Yield the actions in a compound action, depth first."""
    if isinstance(action, WhenAll | WhenAny):
        for child in action.children:
            yield from leaves_of(child)
    else:
        yield action
