"""Decides which work a worker accepts. Names are case-sensitive; entity names are in lower case in IDs."""

from collections.abc import Mapping

import msgspec

from durable_host.durable.proto import pb
from durable_host.durable.sidecar.workers.work import Kind, Work

Versions = frozenset[str]
"""An empty set means any version."""


class WorkFilters(msgspec.Struct, frozen=True):
    """The functions that a worker accepts, by kind and name with their versions. `names` None accepts everything."""

    names: Mapping[Kind, Mapping[str, Versions]] | None = None

    def take(self, work: Work) -> bool:
        if self.names is None:
            return True
        name = work.name.lower() if work.kind == "entity" else work.name
        versions = self.names[work.kind].get(name)
        return versions is not None and (not versions or (work.version or "") in versions)


def filters_of(request: pb.GetWorkItemsRequest) -> WorkFilters:
    if not request.HasField("workItemFilters"):
        return WorkFilters()
    filters = request.workItemFilters
    return WorkFilters(
        {
            "orchestration": {one.name: frozenset(one.versions) for one in filters.orchestrations},
            "activity": {one.name: frozenset(one.versions) for one in filters.activities},
            "entity": {one.name.lower(): frozenset[str]() for one in filters.entities},
        }
    )
