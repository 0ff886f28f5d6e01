"""History, timeline, event ledger and log lines of one instance, and the comparison of two."""

from typing import Annotated, Any

import msgspec

from durable_host import timestamp
from durable_host.dashboard.api_call import DashboardCall, NoParameters
from durable_host.dashboard.api_errors import instance_not_found
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.instance_history import in_thread, load_instance
from durable_host.dashboard.payloads import IN_DETAILS
from durable_host.dashboard.views.comparison import StepPair, compare
from durable_host.dashboard.views.history_table import HistoryTable
from durable_host.dashboard.views.ledger import LedgerEvent, ledger_of
from durable_host.dashboard.views.sequence import SequenceMessage, messages_of
from durable_host.dashboard.views.timeline import SuspendedTime, TimelineBar, bars_of, suspended_of
from durable_host.redaction import redacted

_WHOLE = 1 << 40
_LEVELS = ((50, "Critical"), (40, "Error"), (30, "Warning"), (20, "Information"), (10, "Debug"))

PageSize = Annotated[int, msgspec.Meta(ge=1, le=5000)]


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most `top` events after the position `after`. With `full`, texts are not cut."""

    after: Annotated[int, msgspec.Meta(ge=-1)] = -1
    top: PageSize = 1000
    full: bool = False


class HistoryAnswer(msgspec.Struct, frozen=True):
    """Events in order, each with ordinal, type, time, taskId, name and what else it has.

    `next` is where the next page begins (the query parameter "after"), null on the last page.
    """

    events: list[dict[str, Any]]
    next: int | None


class TimelineAnswer(msgspec.Struct, frozen=True):
    """The bars of the chart, the messages of the sequence diagram, and when the instance was suspended.

    `start` is null before the instance begins, and `end` until it ends.
    """

    start: str | None
    end: str | None
    bars: list[TimelineBar]
    messages: list[SequenceMessage]
    suspended: list[SuspendedTime]


class LedgerQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With `full`, data are not cut."""

    full: bool = False


class LedgerAnswer(msgspec.Struct, frozen=True):
    """What became of each external event."""

    events: list[LedgerEvent]


class LogsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last `top` lines."""

    top: PageSize = 1000


class LogLine(msgspec.Struct, frozen=True, rename="camel"):
    """One log line. `level` is `Debug`, `Information`, `Warning`, `Error` or `Critical`."""

    time: str
    level: str
    category: str
    function: str | None
    invocation_id: str | None
    text: str


class LogsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Log lines, oldest first. `is_complete` is false if earlier ones are missing."""

    lines: list[LogLine]
    is_complete: bool


class CompareQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The IDs of two instances."""

    a: Annotated[str, msgspec.Meta(min_length=1)]
    b: Annotated[str, msgspec.Meta(min_length=1)]


class CompareAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The steps of both instances side by side. `first_difference` is an index in `steps`, null if all are equal."""

    steps: list[StepPair]
    first_difference: int | None


async def history(call: DashboardCall[HistoryQuery, None]) -> HistoryAnswer:
    """Return a page of the history."""
    one, query = await load_instance(call, with_trace=False), call.query

    def page() -> HistoryAnswer:
        records, following = HistoryTable(one.events).page(query.after, query.top, is_full=query.full)
        return HistoryAnswer(records, following)

    return await in_thread(one.events, page)


async def timeline(call: DashboardCall[NoParameters, None]) -> TimelineAnswer:
    """Return the chart and the sequence diagram."""
    one = await load_instance(call)
    start, end = one.execution.start, one.execution.end

    def chart() -> TimelineAnswer:
        return TimelineAnswer(
            start=None if start is None else timestamp.to_text(start),
            end=None if end is None else timestamp.to_text(end),
            bars=bars_of(one.events, one.execution, one.trace),
            messages=messages_of(one.events, one.execution),
            suspended=suspended_of(one.execution),
        )

    return await in_thread(one.events, chart)


async def ledger(call: DashboardCall[LedgerQuery, None]) -> LedgerAnswer:
    """Return the event ledger."""
    one, runtime = await load_instance(call), call.hub.runtime
    recent = [] if runtime is None else runtime.diagnostics.recent()
    own = [finding for finding in recent if finding.instance_id == one.state.instance_id]
    limit = _WHOLE if call.query.full else IN_DETAILS

    def table() -> LedgerAnswer:
        return LedgerAnswer(ledger_of(one.events, one.execution, one.trace, own, limit))

    return await in_thread(one.events, table)


async def logs(call: DashboardCall[LogsQuery, None]) -> LogsAnswer:
    """Return the log lines about an instance and its invocations."""
    instance_id, log = call.path["id"], call.context.sources.log
    state = await call.hub.client.get(instance_id, fetch_input=False, fetch_output=False)
    if state is None:
        raise instance_not_found(instance_id)
    if log is None:
        return LogsAnswer([], is_complete=False)
    lines = list(log.of(instance_id))
    shown = [
        LogLine(
            time=timestamp.to_text(_ticks(line.created)),
            level=next((name for least, name in _LEVELS if line.level >= least), "Trace"),
            category=line.category,
            function=line.function,
            invocation_id=line.invocation_id,
            text=redacted(line.text),
        )
        for line in lines[-call.query.top :]
    ]
    is_complete = len(shown) == len(lines) and _ticks(log.dropped_until) <= state.created_time
    return LogsAnswer(shown, is_complete)


async def comparison(call: DashboardCall[CompareQuery, None]) -> CompareAnswer:
    """Compare two instances."""
    client, ids = call.hub.client, (call.query.a, call.query.b)
    for instance_id in ids:
        if await client.get(instance_id, fetch_input=False, fetch_output=False) is None:
            raise instance_not_found(instance_id)
    one, other = await client.history(ids[0]), await client.history(ids[1])
    pairs = await in_thread([*one, *other], lambda: compare(one, other))
    first = next((index for index, pair in enumerate(pairs) if not pair.is_same), None)
    return CompareAnswer(pairs, first)


def _ticks(seconds: float) -> int:
    return timestamp.UNIX_EPOCH_TICKS + round(seconds * timestamp.TICKS_PER_SECOND)


def _of_instance(name: str, summary: str, answer: Any, returns: type[Any], query: type[Any]) -> Endpoint:
    return Endpoint(
        method="GET",
        path=f"/instances/{{id}}/{name}",
        summary=summary,
        answer=answer,
        query=query,
        returns=returns,
        errors=(404,),
    )


ENDPOINTS = (
    _of_instance("history", "A page of the history", history, HistoryAnswer, HistoryQuery),
    _of_instance("timeline", "The chart and the sequence diagram", timeline, TimelineAnswer, NoParameters),
    _of_instance("ledger", "What became of each external event", ledger, LedgerAnswer, LedgerQuery),
    _of_instance("logs", "Log lines of the instance and its invocations", logs, LogsAnswer, LogsQuery),
    Endpoint(
        method="GET",
        path="/compare",
        summary="The steps of two instances side by side",
        answer=comparison,
        query=CompareQuery,
        returns=CompareAnswer,
        errors=(404,),
    ),
)
