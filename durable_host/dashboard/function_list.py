"""The functions of the app: what triggers them, their latest invocations, and how to run them by hand."""

import msgspec

from durable_host import timestamp
from durable_host.clock import SystemClock
from durable_host.dashboard.api_call import DashboardCall, NoParameters
from durable_host.dashboard.api_errors import NOT_HERE, UNKNOWN_ROUTE, DashboardError
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.payloads import IN_DETAILS, cut, time_text
from durable_host.dashboard.sources import AppSource
from durable_host.errors import HostError
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.recent_invocations import RecentInvocation
from durable_host.redaction import redacted
from durable_host.triggers.http.trigger import methods_of
from durable_host.triggers.timer.trigger import schedule_of
from durable_host.triggers.timer.zone import zone_of
from durable_host.web.base_url import base_url_of
from durable_host.web.function_json import DescribedFunction

_DURABLE = {"orchestrationtrigger": "orchestration", "activitytrigger": "activity", "entitytrigger": "entity"}


class BindingAnswer(msgspec.Struct, frozen=True):
    """A binding of a function."""

    name: str
    type: str
    direction: str


class RecentAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The latest invocations, at most 100. Orchestrators have none: their instances are in the list of instances."""

    count: int
    failures: int
    average_ms: float | None
    last: str | None


class FunctionAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A function. What its trigger does not have is null. `error` says why it is not served."""

    name: str
    trigger: str
    is_disabled: bool
    error: str | None
    url: str | None
    route: str | None
    methods: list[str]
    auth_level: str | None
    schedule: str | None
    next: str | None
    queue: str | None
    durable_kind: str | None
    file: str | None
    line: int | None
    bindings: list[BindingAnswer]
    recent: RecentAnswer
    can_run: bool


class FunctionsAnswer(msgspec.Struct, frozen=True):
    """The functions in the host's order."""

    functions: list[FunctionAnswer]


class InvocationAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """An attempt that has ended."""

    id: str
    started: str | None
    duration_ms: float
    ok: bool
    error: str | None
    instance_id: str | None
    reason: str


class InvocationsAnswer(msgspec.Struct, frozen=True):
    """The latest invocations of a function, newest first."""

    invocations: list[InvocationAnswer]


class RunBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`input` replaces the data of the trigger: the text of a message, or JSON."""

    input: str | None = None


class RunAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The outcome. `result` is the returned value as text."""

    ok: bool
    result: str | None
    result_is_truncated: bool
    error: str | None
    duration_ms: float


async def functions(call: DashboardCall[NoParameters, None]) -> FunctionsAnswer:
    """List the functions of the app."""
    app = call.context.app()
    described = app.functions(base_url_of(call.request))
    return FunctionsAnswer([_function(one, app) for one in described])


async def invocations(call: DashboardCall[NoParameters, None]) -> InvocationsAnswer:
    """List the latest invocations of a function."""
    app = call.context.app()
    function = _named(app, call.path["name"])
    return InvocationsAnswer([_invocation(one) for one in app.invoker.recent.of(function.name)])


async def run(call: DashboardCall[NoParameters, RunBody]) -> RunAnswer:
    """Run a function now, and wait for its outcome."""
    app = call.context.app()
    function = _named(app, call.path["name"])
    if not _can_run(function, app):
        raise DashboardError(
            409,
            f"The function '{function.name}' cannot be run by hand.",
            code=NOT_HERE,
            remedy="Start orchestrations in the list of instances, signal entities, and call HTTP functions.",
        )
    outcome = await app.manual.run(function, call.body.input or "")
    result, is_cut = cut(outcome.result, IN_DETAILS)
    call.context.watch.changes.other("functions")
    return RunAnswer(
        ok=outcome.error is None,
        result=result,
        result_is_truncated=is_cut,
        error=outcome.error,
        duration_ms=round(outcome.seconds * 1000, 3),
    )


def _named(app: AppSource, name: str) -> DescribedFunction:
    for function in app.functions(""):
        if function.name.lower() == name.lower():
            return function
    raise DashboardError(404, f"The app has no function '{name[:100]}'.", code=UNKNOWN_ROUTE)


def _can_run(function: DescribedFunction, app: AppSource) -> bool:
    metadata = function.metadata
    return metadata is not None and not function.errors and app.manual.can_run(metadata)


def _function(function: DescribedFunction, app: AppSource) -> FunctionAnswer:
    metadata = function.metadata
    kind = metadata.trigger.type if metadata is not None else ""
    is_http = kind.lower() == "httptrigger"
    schedule, following = _schedule(metadata, app) if metadata is not None else (None, None)
    return FunctionAnswer(
        name=function.name,
        trigger=kind,
        is_disabled=function.is_disabled,
        error=redacted("\n".join(function.errors)) if function.errors else None,
        url=function.url,
        route=_route(function) if is_http else None,
        methods=list(methods_of(metadata)) if metadata is not None and is_http else [],
        auth_level=(metadata.trigger.text("authLevel") or "function").lower()
        if metadata is not None and is_http
        else None,
        schedule=schedule,
        next=following,
        queue=metadata.trigger.text("queueName") if metadata is not None and kind.lower() == "queuetrigger" else None,
        durable_kind=_DURABLE.get(kind.lower()),
        file=_file(function),
        line=metadata.source_line if metadata is not None else None,
        bindings=[BindingAnswer(one.name, one.type, one.direction) for one in metadata.bindings] if metadata else [],
        recent=_recent(app.invoker.recent.of(function.name)),
        can_run=_can_run(function, app),
    )


def _route(function: DescribedFunction) -> str | None:
    """The route with its prefix, as it follows the address of the host."""
    if function.url is None:
        return None
    return "/" + function.url.partition("://")[2].partition("/")[2] if "://" in function.url else function.url


def _file(function: DescribedFunction) -> str | None:
    metadata = function.metadata
    return None if metadata is None else metadata.source_file or metadata.script_file


def _schedule(metadata: FunctionMetadata, app: AppSource) -> tuple[str | None, str | None]:
    """The schedule of a timer, and when it fires next."""
    if metadata.trigger.type.lower() != "timertrigger":
        return None, None
    text = metadata.trigger.text("schedule")
    try:
        schedule = schedule_of(metadata.trigger, zone_of(app.config().settings))
    except HostError:
        return text, None
    return text, time_text(schedule.next_after(SystemClock().now()))


def _recent(kept: list[RecentInvocation]) -> RecentAnswer:
    if not kept:
        return RecentAnswer(0, 0, None, None)
    average = sum(one.seconds for one in kept) / len(kept) * 1000
    failures = sum(one.error is not None for one in kept)
    return RecentAnswer(len(kept), failures, round(average, 3), _moment(kept[0].started))


def _invocation(one: RecentInvocation) -> InvocationAnswer:
    return InvocationAnswer(
        id=one.id,
        started=_moment(one.started),
        duration_ms=round(one.seconds * 1000, 3),
        ok=one.error is None,
        error=redacted(one.error)[:IN_DETAILS] if one.error is not None else None,
        instance_id=one.instance_id,
        reason=one.reason,
    )


def _moment(seconds: float) -> str | None:
    return time_text(timestamp.UNIX_EPOCH_TICKS + round(seconds * timestamp.TICKS_PER_SECOND))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/functions",
        summary="The functions of the app, with their triggers and latest invocations",
        answer=functions,
        returns=FunctionsAnswer,
    ),
    Endpoint(
        method="GET",
        path="/functions/{name}/invocations",
        summary="The latest invocations of a function",
        answer=invocations,
        returns=InvocationsAnswer,
        errors=(404,),
    ),
    Endpoint(
        method="POST",
        path="/functions/{name}/run",
        summary="Run a function now",
        answer=run,
        body=RunBody,
        returns=RunAnswer,
        errors=(404,),
    ),
)
