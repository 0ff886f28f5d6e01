"""Decides in one pass of the table partition manager who owns which control queue, without I/O.

Source: docs/protocol/task-hub-storage-partitions.md#partition-rows,
    docs/protocol/task-hub-storage-partitions.md#partition-pass,
    docs/protocol/task-hub-storage-partitions.md#partition-balance
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec

from durable_host.storage import EdmDateTime, Entity
from durable_host.timestamp import TICKS_PER_SECOND

LEASE_TICKS = 30 * TICKS_PER_SECOND


class PartitionRow(msgspec.Struct, frozen=True):
    """A row of the Partitions table. Times are in ticks; None is an absent column."""

    queue: str
    etag: str = ""
    current_owner: str | None = None
    next_owner: str | None = None
    owned_since: int | None = None
    last_renewal: int | None = None
    expires_at: int | None = None
    is_draining: bool = False

    @classmethod
    def read(cls, entity: Entity) -> "PartitionRow":
        return cls(
            queue=entity["RowKey"],
            etag=entity.etag,
            current_owner=entity.get("CurrentOwner") or None,
            next_owner=entity.get("NextOwner") or None,
            owned_since=entity.get("OwnedSince"),
            last_renewal=entity.get("LastRenewal"),
            expires_at=entity.get("ExpiresAt"),
            is_draining=entity.get("IsDraining") is True,
        )

    def write(self) -> dict[str, Any]:
        """Return the whole row, for an insert or a replace."""
        row: dict[str, Any] = {
            "PartitionKey": "",
            "RowKey": self.queue,
            "CurrentOwner": self.current_owner,
            "NextOwner": self.next_owner,
        }
        for name, ticks in (
            ("OwnedSince", self.owned_since),
            ("LastRenewal", self.last_renewal),
            ("ExpiresAt", self.expires_at),
        ):
            if ticks is not None:
                row[name] = EdmDateTime(ticks)
        row["IsDraining"] = self.is_draining
        return row


class PartitionPlan(msgspec.Struct):
    """The result of one pass: rows to replace, and queues to poll, to drop at once and to drain.

    `is_waiting` is true when this worker drains a partition or waits for one that it requested, so that the next pass
    should come soon.
    """

    replace: list[PartitionRow]
    poll: list[str]
    drop: list[str]
    drain: list[str]
    is_waiting: bool = False


def plan_partitions(
    rows: Sequence[PartitionRow],
    me: str,
    now: int,
    *,
    polling: Set[str],
    drains: Mapping[str, bool],
    shutting_down: bool = False,
) -> PartitionPlan:
    """Decide one pass over all rows. `polling` are the queues polled here; `drains` those being drained, True when
    done.
    """
    plan = PartitionPlan([], [], [], [])
    if shutting_down:
        _release_all(plan, rows, me, now, drains)
        return plan
    after: list[PartitionRow] = []
    counts: Counter[str] = Counter()
    for row in rows:
        if row.current_owner != me and row.queue in polling:
            plan.drop.append(row.queue)
        changed = _claimed(row, me, now) if _claimable(row, me, now) else row
        if changed.current_owner == me:
            changed = _own(plan, changed, now, drains)
        elif changed.is_draining and changed.next_owner is None:
            changed = msgspec.structs.replace(changed, next_owner=me)
        if changed.current_owner != me and changed.next_owner == me:
            plan.is_waiting = True
        counts[changed.next_owner or changed.current_owner or ""] += 1
        after.append(changed)
        if changed is not row:
            plan.replace.append(changed)
    _balance(plan, after, me, counts)
    return plan


def _claimable(row: PartitionRow, me: str, now: int) -> bool:
    if row.current_owner is None and row.next_owner is None:
        return True
    if row.expires_at is not None and now >= row.expires_at:
        return True
    return row.current_owner is None and row.next_owner == me


def _claimed(row: PartitionRow, me: str, now: int) -> PartitionRow:
    return PartitionRow(row.queue, row.etag, me, None, now, now, now + LEASE_TICKS, is_draining=False)


def _renewed(row: PartitionRow, now: int, *, is_draining: bool) -> PartitionRow:
    return msgspec.structs.replace(row, last_renewal=now, expires_at=now + LEASE_TICKS, is_draining=is_draining)


def _own(plan: PartitionPlan, row: PartitionRow, now: int, drains: Mapping[str, bool]) -> PartitionRow:
    """Return the row of a partition of this worker after the pass."""
    if row.next_owner is not None:
        return _give_up(plan, row, now, drains)
    plan.poll.append(row.queue)
    return _renewed(row, now, is_draining=False)


def _give_up(plan: PartitionPlan, row: PartitionRow, now: int, drains: Mapping[str, bool]) -> PartitionRow:
    """Return the row of a partition that this worker releases once it is drained."""
    if drains.get(row.queue):
        return msgspec.structs.replace(row, current_owner=None, is_draining=False)
    if row.queue not in drains:
        plan.drain.append(row.queue)
    plan.is_waiting = True
    return _renewed(row, now, is_draining=True)


def _release_all(
    plan: PartitionPlan, rows: Sequence[PartitionRow], me: str, now: int, drains: Mapping[str, bool]
) -> None:
    """Give up the partitions of this worker, and withdraw its requests for others."""
    for row in rows:
        if row.current_owner == me:
            plan.replace.append(_give_up(plan, row, now, drains))
        elif row.next_owner == me:
            plan.replace.append(msgspec.structs.replace(row, next_owner=None, is_draining=False))


def _balance(plan: PartitionPlan, rows: Sequence[PartitionRow], me: str, counts: Mapping[str, int]) -> None:
    """Request partitions from workers that have more than their share. `counts` has the partitions of each worker."""
    mine = counts.get(me, 0)
    others = {owner: number for owner, number in counts.items() if owner != me}
    if not others:
        return
    average = len(rows) // (len(others) + 1)
    if average < mine:
        return
    touched = {row.queue for row in plan.replace}
    for owner, number in others.items():
        want = average - mine
        if want < 0:
            return
        excess = number - average
        if excess <= 0:
            continue
        if want == 0 and excess > 1:
            want = 1
        for row in rows:
            if want <= 0 or excess <= 0:
                break
            free = row.current_owner == owner and row.next_owner is None and not row.is_draining
            if not free or row.queue in touched:
                continue
            plan.replace.append(msgspec.structs.replace(row, next_owner=me))
            plan.is_waiting = True
            mine += 1
            want -= 1
            excess -= 1
