"""One instance in the index of the dashboard: from a row or a commit to the entry, and back to what lists show."""

from collections.abc import Callable

import msgspec

from durable_host.dashboard.failure_summary import FailureSummary, failure_of
from durable_host.dashboard.payloads import IN_LIST
from durable_host.durable.model.instance import InstanceState, InstanceUpdate
from durable_host.durable.model.instance_search import InstanceSearch, SortValue
from durable_host.durable.model.status import OrchestrationStatus

MOST_NAMES = 1_000
_FAILED = OrchestrationStatus.Failed


class IndexEntry(msgspec.Struct, gc=False):
    """An instance in a list. Times in ticks. `failure` is None for a failure whose output was not read yet."""

    id: str
    name: str
    status: OrchestrationStatus
    created: int
    updated: int
    completed: int | None
    custom_status: str | None
    version: str | None
    parent: str | None
    failure: FailureSummary | None = None


class IndexEntries:
    """Makes entries. Names of functions and versions, which repeat, are kept once."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def of(self, state: InstanceState) -> IndexEntry:
        """The entry of a row."""
        return IndexEntry(
            id=state.instance_id,
            name=self._name(state.name),
            status=state.runtime_status,
            created=state.created_time,
            updated=state.last_updated_time,
            completed=state.completed_time,
            custom_status=_short(state.custom_status),
            version=self._name(state.version or "") or None,
            parent=state.parent_instance_id,
            failure=failure_of(state.output) if state.output and state.runtime_status is _FAILED else None,
        )

    def after(self, instance_id: str, entry: IndexEntry | None, update: InstanceUpdate) -> IndexEntry:
        """The entry after a commit. `entry` is the one before, if it is known."""
        started = update.started
        status = update.runtime_status
        if status is None:
            status = OrchestrationStatus.Running if started is not None or entry is None else entry.status
        is_new = entry is None or started is not None
        custom = update.custom_status if update.custom_status is not None else (entry and entry.custom_status)
        known = entry.parent if entry is not None else None
        return IndexEntry(
            id=instance_id,
            name=self._name(started.name) if started is not None else (entry.name if entry is not None else ""),
            status=status,
            created=started.timestamp if started is not None else (entry.created if entry is not None else 0),
            updated=update.last_updated_time,
            completed=update.completed_time
            or (None if is_new or not status.is_terminal else entry and entry.completed),
            custom_status=_short(custom),
            version=(started.version if started is not None else entry and entry.version) or None,
            parent=known if update.parent_instance_id is None else update.parent_instance_id or None,
            failure=failure_of(update.output) if status is _FAILED and update.output is not None else None,
        )

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, name) if len(self._names) < MOST_NAMES else name


def key_of(wanted: InstanceSearch) -> Callable[[IndexEntry], SortValue]:
    """By what entries are sorted."""
    now = wanted.now
    match wanted.sort:
        case "created":
            return lambda entry: entry.created
        case "updated":
            return lambda entry: entry.updated
        case "duration":
            return lambda entry: max(
                0, ((entry.completed or entry.updated) if entry.status.is_terminal else now) - entry.created
            )
        case "name":
            return lambda entry: entry.name.lower()
        case "id":
            return lambda entry: entry.id
        case "status":
            return lambda entry: entry.status.name


def _short(text: str | None) -> str | None:
    """One character more than lists show, so that they show that the text was cut."""
    return text if text is None or len(text) <= IN_LIST else text[: IN_LIST + 1]


def state_of(entry: IndexEntry) -> InstanceState:
    """The state of the instance, as far as the entry has it."""
    return InstanceState(
        instance_id=entry.id,
        execution_id=None,
        name=entry.name,
        version=entry.version,
        runtime_status=entry.status,
        created_time=entry.created,
        last_updated_time=entry.updated,
        completed_time=entry.completed,
        custom_status=entry.custom_status,
        parent_instance_id=entry.parent,
    )
