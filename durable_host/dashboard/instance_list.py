"""`GET /api/instances` and `GET /api/failures`: the orchestrations of the hub, filtered, sorted and grouped."""

import base64
import binascii
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal, cast

import msgspec

from durable_host import timestamp
from durable_host.dashboard.api_call import DashboardCall
from durable_host.dashboard.api_errors import DashboardError
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.failure_summary import FailureSummary, failure_of
from durable_host.dashboard.payloads import IN_LIST, cut, milliseconds, time_text
from durable_host.dashboard.sources import HubSource
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.instance_search import InstanceSearch, SortKey, SortValue
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import SearchableHub

MOST_ON_A_PAGE = 500
MOST_FAILURES = 20_000
MOST_GROUPS = 100
MOST_IDS_OF_GROUP = 20

Sort = Literal[
    "created", "-created", "updated", "-updated", "duration", "-duration", "name", "-name", "id", "-id",
    "status", "-status",
]  # fmt: skip


TimeText = Annotated[str, msgspec.Meta(extra_json_schema={"anyOf": [{"format": "date-time"}, {"maxLength": 0}]})]
"""ISO 8601, for example `2026-01-31T13:00:00Z`."""
_STATUS = f"({'|'.join(status.name for status in OrchestrationStatus)})"
StatusNames = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": f"^({_STATUS}(,{_STATUS})*)?$"})]


class FilterQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`status` is a list with commas. `from` and `to` are ISO 8601 times of creation."""

    status: StatusNames = ""
    name: str = ""
    prefix: str = ""
    from_: TimeText | None = msgspec.field(name="from", default=None)
    to: TimeText | None = None
    text: Annotated[str, msgspec.Meta(description="Part of the input, output, error or custom status.")] = ""


class ListQuery(FilterQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`cursor` is from the page before, with the same filter and order."""

    sort: Sort = "-created"
    top: Annotated[int, msgspec.Meta(ge=1, le=MOST_ON_A_PAGE)] = 50
    cursor: str = ""


class InstanceFacts(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What lists and details show of an orchestration."""

    id: str
    name: str
    status: str
    created: str | None
    updated: str | None
    completed: str | None
    duration_ms: float
    custom_status: str | None
    custom_status_is_truncated: bool
    version: str | None
    parent_id: str | None


class InstanceSummary(InstanceFacts, frozen=True, rename="camel", kw_only=True):
    """An orchestration in a list. `failure` is null unless it has failed."""

    failure: FailureSummary | None


class ListAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One page. `counts` ignores the filter by status; `total` does not. Not complete: the hub is still being read."""

    instances: list[InstanceSummary]
    cursor: str | None
    total: int | None
    counts: dict[str, int]
    scanned: int
    is_complete: bool


class FailureGroup(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Failures that differ only in numbers and identifiers. `names` are those of the orchestrators."""

    type: str
    message: str
    count: int
    names: list[str]
    latest: str | None
    instance_ids: list[str]


class FailuresAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The groups, the largest first. Not complete: some failures were not read."""

    groups: list[FailureGroup]
    is_complete: bool


async def instances(call: DashboardCall[ListQuery, None]) -> ListAnswer:
    """List orchestrations."""
    hub, watch = call.hub, call.context.watch
    query = call.query
    wanted = _search(query, query.sort, query.top, query.cursor)
    storage = hub.client.hub
    began = time.monotonic()
    if isinstance(storage, SearchableHub):
        page = await storage.search(wanted)
        failures = {one.instance_id: failure_of(one.output) for one in page.instances if _has_failed(one)}
        scanned, is_complete = sum(page.counts.values()), True
    else:
        index = watch.index_of(hub)
        page = await index.search(wanted)
        failures = {one.instance_id: index.failure(one.instance_id) for one in page.instances if _has_failed(one)}
        scanned, is_complete = index.scanned, index.is_whole
        began = max(began, time.monotonic() - index.last_search_seconds)
    watch.changes.list_seconds = time.monotonic() - began
    counts = page.counts
    return ListAnswer(
        instances=[_summary(one, failures.get(one.instance_id), hub, wanted.now) for one in page.instances],
        cursor=_cursor(page.after, wanted.now),
        total=sum(count for status, count in counts.items() if not wanted.statuses or status in wanted.statuses),
        counts={status.name: counts[status] for status in OrchestrationStatus if status in counts},
        scanned=scanned,
        is_complete=is_complete,
    )


async def failures(call: DashboardCall[FilterQuery, None]) -> FailuresAnswer:
    """Group the failed orchestrations by exception."""
    hub = call.hub
    wanted = msgspec.structs.replace(_search(call.query, "-created", MOST_FAILURES, ""), statuses=_FAILED_ONLY)
    storage = hub.client.hub
    if isinstance(storage, SearchableHub):
        found = [(state, failure_of(state.output)) for state in await storage.search_failed(wanted)]
        is_complete = len(found) < MOST_FAILURES
    else:
        found, is_complete = await call.context.watch.index_of(hub).failed(wanted)
    groups = _grouped(found)
    return FailuresAnswer(groups[:MOST_GROUPS], is_complete and len(groups) <= MOST_GROUPS)


def _grouped(found: Iterable[tuple[InstanceState, FailureSummary]]) -> list[FailureGroup]:
    """The groups of failures, which are ordered by time, the latest first."""
    members: dict[tuple[str, str], list[tuple[InstanceState, FailureSummary]]] = {}
    for state, failure in found:
        members.setdefault(failure.group, []).append((state, failure))
    ordered = sorted(members.values(), key=len, reverse=True)
    return [
        FailureGroup(
            type=group[0][1].type,
            message=group[0][1].message,
            count=len(group),
            names=sorted({state.name for state, _ in group}),
            latest=time_text(group[0][0].last_updated_time),
            instance_ids=[state.instance_id for state, _ in group[:MOST_IDS_OF_GROUP]],
        )
        for group in ordered
    ]


_SORTED_AS_TEXT = ("name", "id", "status")
_FAILED_ONLY = frozenset({OrchestrationStatus.Failed})


def _has_failed(state: InstanceState) -> bool:
    return state.runtime_status is OrchestrationStatus.Failed


def summary_of(state: InstanceState, hub: HubSource, failure: FailureSummary | None = None) -> InstanceSummary:
    """An orchestration as lists show it. `failure` None reads the failure from the state's output."""
    if failure is None and _has_failed(state):
        failure = failure_of(state.output)
    return _summary(state, failure, hub, timestamp.from_datetime(datetime.now(UTC)))


def _summary(state: InstanceState, failure: FailureSummary | None, hub: HubSource, now: int) -> InstanceSummary:
    custom_status, is_cut = cut(_no_null(state.custom_status), IN_LIST)
    live = hub.live.last_updated(state.instance_id) if hub.live is not None else None
    updated = max(live or 0, state.last_updated_time)
    has_ended = state.runtime_status.is_terminal
    end = (state.completed_time or state.last_updated_time) if has_ended else now
    return InstanceSummary(
        id=state.instance_id,
        name=state.name,
        status=state.runtime_status.name,
        created=time_text(state.created_time),
        updated=time_text(updated),
        completed=time_text(end) if has_ended else None,
        duration_ms=milliseconds(end - state.created_time),
        custom_status=custom_status,
        custom_status_is_truncated=is_cut,
        version=state.version or None,
        parent_id=state.parent_instance_id,
        failure=failure,
    )


def _no_null(text: str | None) -> str | None:
    """A custom status that was never set is stored as `null`."""
    return None if text == "null" else text


def _search(query: FilterQuery, sort: str, top: int, cursor: str) -> InstanceSearch:
    """The search that a query asks for. Raises DashboardError."""
    now, after = _read_cursor(cursor) if cursor else (timestamp.from_datetime(datetime.now(UTC)), None)
    key = sort.removeprefix("-")
    if after is not None and isinstance(after[0], str) != (key in _SORTED_AS_TEXT):
        raise DashboardError(
            400, "The cursor belongs to another sort order.", remedy="Start again with the first page."
        )
    return InstanceSearch(
        statuses=_statuses(query.status),
        name=query.name,
        id_prefix=query.prefix,
        created_from=time_in(query.from_ or "", "from"),
        created_to=time_in(query.to or "", "to"),
        text=query.text,
        sort=cast("SortKey", key),
        descending=sort.startswith("-"),
        now=now,
        after=after,
        top=top,
    )


def _statuses(text: str) -> frozenset[OrchestrationStatus]:
    return frozenset(status_named(name.strip()) for name in text.split(",") if name.strip())


def status_named(name: str) -> OrchestrationStatus:
    """The status with this name, in any case. Raises DashboardError."""
    for status in OrchestrationStatus:
        if status.name.lower() == name.lower():
            return status
    names = ", ".join(status.name for status in OrchestrationStatus)
    raise DashboardError(400, f"There is no status '{name[:100]}'.", remedy=f"Use {names}.")


def time_in(text: str, name: str) -> int | None:
    """The ticks of a time in a request; None for an empty text. Raises DashboardError with the `name` of the member."""
    if not text:
        return None
    try:
        return timestamp.parse(text)
    except ValueError:
        raise DashboardError(
            400, f"'{name}' is not a time.", remedy="Write ISO 8601, such as 2026-01-31T13:00:00Z."
        ) from None


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    now: Annotated[int, msgspec.Meta(ge=0, le=timestamp.MAX_TICKS)]
    value: Annotated[int, msgspec.Meta(ge=0, le=timestamp.MAX_TICKS)] | str
    instance_id: str


def _cursor(after: tuple[SortValue, str] | None, now: int) -> str | None:
    if after is None:
        return None
    return base64.urlsafe_b64encode(msgspec.json.encode(_Cursor(now, *after))).decode()


def _read_cursor(text: str) -> tuple[int, tuple[SortValue, str]]:
    try:
        content = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
        cursor = msgspec.json.decode(content, type=_Cursor)
    except (binascii.Error, ValueError):
        raise DashboardError(
            400, "The cursor is not from this dashboard.", remedy="Start again with the first page."
        ) from None
    return cursor.now, (cursor.value, cursor.instance_id)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/instances",
        summary="Orchestrations: filtered, sorted, page by page, with counts by status",
        answer=instances,
        query=ListQuery,
        returns=ListAnswer,
    ),
    Endpoint(
        method="GET",
        path="/failures",
        summary="Failed orchestrations, grouped by exception",
        answer=failures,
        query=FilterQuery,
        returns=FailuresAnswer,
    ),
)
