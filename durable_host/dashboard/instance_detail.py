"""`GET /api/instances/{id}`: one instance, what it waits for, where its code stands, and why it failed."""

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec

from durable_host import timestamp
from durable_host.dashboard.api_call import DashboardCall
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.instance_history import LoadedInstance, load_instance
from durable_host.dashboard.instance_list import InstanceFacts, summary_of
from durable_host.dashboard.payloads import IN_DETAILS, cut
from durable_host.dashboard.source_lines import CodePlace, SourceLines
from durable_host.dashboard.sources import HubSource
from durable_host.dashboard.views.failure import ShownFailure, shown_failure, with_source
from durable_host.dashboard.views.history_step import HistoryStep
from durable_host.dashboard.views.waits import OpenWait, waits_of
from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.instance_search import InstanceSearch
from durable_host.durable.model.status import TERMINAL_STATUSES
from durable_host.durable.taskhub.port import SearchableHub, TaskHubUnavailable, UnreadableHistory
from durable_host.redaction import redacted

_CHILDREN_READ = 20
_OTHERS_READ = 3
_WHOLE = 1 << 40


class DetailQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With `full`, texts are not cut."""

    full: bool = False


class Relative(msgspec.Struct, frozen=True):
    """The parent of an instance."""

    id: str
    name: str


class ChildInstance(msgspec.Struct, frozen=True, rename="camel"):
    """A sub-orchestration, with the number of the call that started it."""

    id: str
    name: str
    status: str
    task_id: int


class ShownFinding(msgspec.Struct, frozen=True):
    """A finding of the host about the instance, as in the log. `position` is `file:line in function`."""

    code: str
    severity: str
    text: str
    position: str | None
    time: str


class InstanceDetail(InstanceFacts, frozen=True, kw_only=True, rename="camel"):
    """One instance. Input, output, custom status and event data are JSON text.

    `waits_are_known` is false if waits for external events are missing, because the app's code could not be replayed.
    `source` is where the code stands or failed. `last_event_data` has the last known data of the events being waited
    for.
    """

    input: str | None
    input_is_truncated: bool
    output: str | None
    output_is_truncated: bool
    execution_id: str | None
    generation: int | None
    history_count: int
    parent: Relative | None
    children: list[ChildInstance]
    waits: list[OpenWait]
    waits_are_known: bool
    source: CodePlace | None
    failure: ShownFailure | None
    last_event_data: dict[str, str]
    findings: list[ShownFinding]


async def detail(call: DashboardCall[DetailQuery, None]) -> InstanceDetail:
    """Describe an instance."""
    one, hub = await load_instance(call), call.hub
    state, app = one.state, call.context.sources.app
    limit = _WHOLE if call.query.full else IN_DETAILS
    lines = SourceLines(None if app is None else app.folder)
    custom_status, status_is_cut = cut(None if state.custom_status == "null" else state.custom_status, limit)
    input_text, input_is_cut = cut(state.input, limit)
    output, output_is_cut = cut(state.output, limit)
    started = next((event for event in one.events if isinstance(event, ExecutionStarted)), None)
    parent = None if started is None else started.parent_instance
    parent_id = None if parent is None else parent.orchestration_instance.instance_id
    summary = summary_of(state, hub)
    parent_id = summary.parent_id or parent_id
    ended = state.runtime_status.is_terminal
    waits = [] if ended else waits_of(one.events, one.execution, one.trace)
    events = [wait.name for wait in waits if wait.kind == "event"]
    if call.context.payloads.needs_search(state.name, events):
        await _read_others(call, state.name)
    failure = _failure(one, lines)
    return InstanceDetail(
        id=state.instance_id,
        name=state.name,
        status=state.runtime_status.name,
        created=summary.created,
        updated=summary.updated,
        completed=summary.completed,
        duration_ms=summary.duration_ms,
        custom_status=custom_status,
        custom_status_is_truncated=status_is_cut,
        version=summary.version,
        parent_id=parent_id or None,
        input=input_text,
        input_is_truncated=input_is_cut,
        output=output,
        output_is_truncated=output_is_cut,
        execution_id=state.execution_id,
        generation=state.generation,
        history_count=len(one.events),
        parent=None
        if not parent_id
        else Relative(parent_id, parent.name if parent is not None and parent.name else ""),
        children=await _children(hub, [step for step in one.execution.steps if step.kind == "child"]),
        waits=waits,
        waits_are_known=ended or (one.trace is not None and one.trace.waits is not None),
        source=_source(one, failure, lines),
        failure=failure,
        last_event_data=call.context.payloads.last(events),
        findings=_findings(hub, state.instance_id),
    )


async def _read_others(call: DashboardCall[DetailQuery, None], name: str) -> None:
    """Read what the last instances of an orchestrator received, because their events had payloads of the same form."""
    hub = call.hub
    storage = hub.client.hub
    searched = storage if isinstance(storage, SearchableHub) else call.context.watch.index_of(hub)
    wanted = InstanceSearch(name=name, statuses=TERMINAL_STATUSES, sort="updated", top=_OTHERS_READ)
    try:
        page = await searched.search(wanted)
    except TaskHubUnavailable:
        return  # The payloads only fill a form.
    for other in page.instances:
        if other.name == name:
            with contextlib.suppress(TaskHubUnavailable, UnreadableHistory):
                call.context.payloads.note(await hub.client.history(other.instance_id))


def _failure(one: LoadedInstance, lines: SourceLines) -> ShownFailure | None:
    found = shown_failure(one.events, one.execution, None if one.trace is None else one.trace.raised)
    return None if found is None else with_source(found, lines.line)


def _source(one: LoadedInstance, failure: ShownFailure | None, lines: SourceLines) -> CodePlace | None:
    """Return where the code stands, or the innermost line of the app in the traceback of its error."""
    if failure is not None:
        for frame in reversed(failure.frames):
            shown = lines.shown(frame.file)
            if shown != frame.file:
                return CodePlace(shown, frame.line, frame.function, frame.text)
        return None
    if one.state.runtime_status.is_terminal or one.trace is None:
        return None
    return lines.place(one.trace.position)


async def _children(hub: HubSource, steps: Sequence[HistoryStep]) -> list[ChildInstance]:
    """Return the children; the rows of at most 20 whose end is not in the history are read for their status."""
    statuses = {step.target: step.outcome for step in steps}
    unknown = [id for id, outcome in statuses.items() if id and outcome not in ("Completed", "Failed")]
    rows = await asyncio.gather(
        *(hub.client.get(id, fetch_input=False, fetch_output=False) for id in unknown[:_CHILDREN_READ])
    )
    read = {row.instance_id: row.runtime_status.name for row in rows if row is not None}
    return [
        ChildInstance(step.target or "", step.name, read.get(step.target or "", step.outcome), step.number)
        for step in steps
    ]


def _findings(hub: HubSource, instance_id: str) -> list[ShownFinding]:
    if hub.runtime is None:
        return []
    return [
        ShownFinding(
            code=one.code,
            severity=one.severity,
            text=redacted(one.text),
            position=one.position,
            time=timestamp.to_text(one.timestamp),
        )
        for one in hub.runtime.diagnostics.recent()
        if one.instance_id == instance_id
    ]


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/instances/{id}",
        summary="One instance: what it waits for, where its code stands, why it failed",
        answer=detail,
        query=DetailQuery,
        returns=InstanceDetail,
        errors=(404,),
    ),
)
