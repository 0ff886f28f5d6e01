"""The other workers of a hub, found by the owners in its Partitions table. They decide how commits are made.

Source: docs/protocol/task-hub-storage-additions.md#other-workers
"""

import re
from collections.abc import Sequence
from enum import Enum

from durable_host.durable.taskhub.azure.partition_plan import PartitionRow

_OURS = re.compile(r":\d+$")


class Neighbours(Enum):
    """The other workers of a hub, as one of them sees it."""

    UNKNOWN = "unknown"
    """The table was not read yet, or partitions are being moved."""
    NONE = "none"
    """This worker owns every partition, and no other worker requests one."""
    OURS = "ours"
    """All other workers run this host."""
    OTHER_BACKEND = "other backend"
    """A worker of another backend owns a partition, or is about to."""


def runs_this_host(worker: str) -> bool:
    """True for a worker of this host, whose name ends in a slot such as `:0`. Official workers have no slot."""
    return _OURS.search(worker) is not None


def neighbours(rows: Sequence[PartitionRow], me: str) -> Neighbours:
    """Return the neighbours of `me`. `rows` are all partitions after its pass."""
    names = {name for row in rows for name in (row.current_owner, row.next_owner) if name}
    others = names - {me}
    if any(not runs_this_host(name) for name in others):
        return Neighbours.OTHER_BACKEND
    if others:
        return Neighbours.OURS
    owns_all = bool(rows) and all(row.current_owner == me for row in rows)
    return Neighbours.NONE if owns_all else Neighbours.UNKNOWN
