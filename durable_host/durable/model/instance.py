"""The state of an instance as clients see it, and the changes that an episode makes to it.

Source: docs/protocol/task-hub-storage-instances.md#instance-row,
    docs/protocol/task-hub-storage-instances.md#row-writes
"""

import msgspec

from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.status import TERMINAL_STATUSES, OrchestrationStatus


class InstanceState(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the Instances table. Times are ticks; input, output and custom status are raw stored text.

    `etag` distinguishes this state of the row from later ones, if the storage has etags.
    """

    instance_id: str
    execution_id: str | None
    name: str
    version: str | None = ""
    runtime_status: OrchestrationStatus = OrchestrationStatus.Pending
    created_time: int = 0
    last_updated_time: int = 0
    completed_time: int | None = None
    scheduled_start_time: int | None = None
    input: str | None = None
    output: str | None = None
    custom_status: str | None = None
    generation: int | None = None
    tags: dict[str, str] | None = None
    parent_instance_id: str | None = None
    etag: str | None = None

    @property
    def ended_time(self) -> int:
        """When an instance with a terminal status ended."""
        return self.last_updated_time if self.completed_time is None else self.completed_time


class InstanceUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What one committed episode merges into the Instances row. None leaves a column unchanged.

    `custom_status` is JSON text, "null" when there is none. `started` is the episode's new ExecutionStarted, if there
    is one: name, version, created time (its timestamp), tags, generation, scheduled start and input are taken from it,
    and the status becomes Running unless `runtime_status` says otherwise. `parent_instance_id` is "" for an instance
    without a parent.
    """

    execution_id: str
    last_updated_time: int
    custom_status: str | None = None
    started: ExecutionStarted | None = None
    runtime_status: OrchestrationStatus | None = None
    output: str | None = None
    completed_time: int | None = None
    parent_instance_id: str | None = None


class InstanceQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The filter of a query. Times are ticks; empty `statuses` means all; `top` is the page size.

    `ended_before` is for terminal statuses. A page may contain some instances that ended later.
    """

    created_from: int | None = None
    created_to: int | None = None
    ended_before: int | None = None
    statuses: frozenset[OrchestrationStatus] = frozenset()
    instance_id_prefix: str | None = None
    exclude_entities: bool = False
    fetch_input: bool = True
    fetch_output: bool = True
    top: int = 100
    continuation_token: str | None = None


class InstancePage(msgspec.Struct, frozen=True):
    """One page of a query. `continuation_token` is None on the last page. Other pages may be empty too."""

    instances: list[InstanceState]
    continuation_token: str | None = None


class EndedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A page of ended orchestrations, ordered by end and ID. Times are ticks; `ended_to` is exclusive.

    `statuses` are terminal ones. The page begins after the pair `after` of an end and an ID; `top` is its size.
    """

    statuses: frozenset[OrchestrationStatus] = TERMINAL_STATUSES
    ended_from: int | None = None
    ended_to: int | None = None
    after: tuple[int, str] = (-1, "")
    top: int = 100

    def takes(self, ended: int, instance_id: str) -> bool:
        """Return whether an instance that ended at this time belongs to the page or a later one."""
        return (
            (ended, instance_id) > self.after
            and (self.ended_from is None or ended >= self.ended_from)
            and (self.ended_to is None or ended < self.ended_to)
        )
