"""Who else works on a hub, according to the owners in its Partitions table: that decides how commits are made.

Source: docs/protocol/task-hub-storage-additions.md#other-workers
"""

import re
from collections.abc import Sequence
from enum import Enum

from durable_host.durable.taskhub.azure.partitions import PartitionRow

_OURS = re.compile(r":\d+$")


class Neighbours(Enum):
    """The other workers of a hub, as seen by one of them."""

    UNKNOWN = "unknown"
    """The table was not read yet, or partitions are on the move."""
    NONE = "none"
    """This worker owns every partition, and nobody asks for one."""
    OURS = "ours"
    """Other workers of this make."""
    FOREIGN = "foreign"
    """A worker of another make owns a partition, or will."""


def is_of_this_make(worker: str) -> bool:
    """Workers of this make end their name in a slot, `:0`; the official ones do not."""
    return _OURS.search(worker) is not None


def neighbours(rows: Sequence[PartitionRow], me: str) -> Neighbours:
    """`rows` are all partitions, as they are after a pass of `me`."""
    names = {name for row in rows for name in (row.current_owner, row.next_owner) if name}
    others = names - {me}
    if any(not is_of_this_make(name) for name in others):
        return Neighbours.FOREIGN
    if others:
        return Neighbours.OURS
    owns_all = bool(rows) and all(row.current_owner == me for row in rows)
    return Neighbours.NONE if owns_all else Neighbours.UNKNOWN
