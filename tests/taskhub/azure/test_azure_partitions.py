"""Decisions of the table partition manager, and its rows (R8).

Source: docs/protocol/task-hub-storage-partitions.md#partition-pass,
    docs/protocol/task-hub-storage-partitions.md#partition-balance,
    docs/protocol/task-hub-storage-examples.md#row-examples
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from durable_host.durable.taskhub.azure.partition_plan import LEASE_TICKS, PartitionPlan, PartitionRow, plan_partitions
from durable_host.storage.table_codec import read_entity, write_entity
from durable_host.timestamp import TICKS_PER_SECOND, parse

NOW = parse("2024-05-01T12:00:00Z")
R8 = [
    line.partition("\t")[2]
    for line in (Path(__file__).parent / "golden" / "rows.tsv").read_text(encoding="utf-8").splitlines()
    if line.startswith("R8\t")
]


def owned(queue: str, owner: str | None, **more: Any) -> PartitionRow:
    values: dict[str, Any] = {"owned_since": NOW, "last_renewal": NOW, "expires_at": NOW + LEASE_TICKS, **more}
    return PartitionRow(queue, f"etag-{queue}", owner, **values)


def run(rows: list[PartitionRow], me: str = "me", *, now: int = NOW, **more: Any) -> PartitionPlan:
    return plan_partitions(rows, me, now, polling=more.pop("polling", set()), drains=more.pop("drains", {}), **more)


def applied(rows: list[PartitionRow], plan: PartitionPlan) -> list[PartitionRow]:
    changed = {row.queue: row for row in plan.replace}
    return [changed.get(row.queue, row) for row in rows]


@pytest.mark.parametrize("text", R8)
def test_golden_partition_rows_are_read_and_written(text: str) -> None:
    row = PartitionRow.read(read_entity(json.loads(text)))
    assert json.loads(write_entity(row.write())) == json.loads(text)


def test_fresh_rows_are_claimed_renewed_and_polled() -> None:
    plan = run([PartitionRow("q0"), PartitionRow("q1")])
    assert [(row.queue, row.current_owner, row.expires_at) for row in plan.replace] == [
        ("q0", "me", NOW + LEASE_TICKS),
        ("q1", "me", NOW + LEASE_TICKS),
    ]
    assert plan.poll == ["q0", "q1"]
    assert not plan.is_waiting


def test_own_rows_are_renewed() -> None:
    later = NOW + 10 * TICKS_PER_SECOND
    plan = run([owned("q0", "me")], now=later, polling={"q0"})
    assert plan.replace == [owned("q0", "me", last_renewal=later, expires_at=later + LEASE_TICKS)]
    assert plan.poll == ["q0"]


def test_own_rows_are_resumed_after_a_restart_under_the_same_name() -> None:
    plan = run([owned("q0", "me", is_draining=True)], now=NOW + 1)
    assert plan.poll == ["q0"]
    assert not plan.replace[0].is_draining


def test_expired_rows_are_claimed() -> None:
    plan = run([owned("q0", "other", next_owner="third")], now=NOW + LEASE_TICKS)
    (row,) = plan.replace
    assert (row.current_owner, row.next_owner, row.is_draining) == ("me", None, False)


def test_a_row_released_for_us_is_claimed() -> None:
    plan = run([owned("q0", None, next_owner="me")])
    assert plan.replace[0].current_owner == "me"
    assert plan.poll == ["q0"]


def test_a_row_released_for_another_is_left_alone() -> None:
    plan = run([owned("q0", None, next_owner="other"), owned("q1", "me")])
    assert [row.queue for row in plan.replace] == ["q1"]


def test_a_queue_that_another_owns_is_dropped_at_once() -> None:
    plan = run([owned("q0", "other")], polling={"q0"})
    assert plan.drop == ["q0"]
    assert plan.poll == []


def test_a_new_worker_requests_its_share() -> None:
    rows = [owned(f"q{index}", "other") for index in range(4)]
    plan = run(rows)
    assert [(row.queue, row.current_owner, row.next_owner) for row in plan.replace] == [
        ("q0", "other", "me"),
        ("q1", "other", "me"),
    ]
    assert plan.is_waiting
    assert plan.poll == []


def test_a_newcomer_takes_one_even_when_the_division_leaves_none() -> None:
    rows = [owned("q0", "a"), owned("q1", "a"), owned("q2", "b"), owned("q3", "c")]
    plan = run(rows)
    assert [(row.queue, row.next_owner) for row in plan.replace] == [("q0", "me")]


def test_balanced_owners_leave_each_other_alone() -> None:
    rows = [owned("q0", "me"), owned("q1", "me"), owned("q2", "other"), owned("q3", "other")]
    plan = run(rows)
    assert all(row.next_owner is None for row in plan.replace)


def test_a_requested_partition_is_drained_and_then_released() -> None:
    row = owned("q0", "me", next_owner="other")
    first = run([row], polling={"q0"})
    assert first.drain == ["q0"]
    assert first.replace[0].is_draining
    assert first.is_waiting
    assert first.poll == []
    second = run(first.replace, drains={"q0": False})
    assert (second.drain, second.replace[0].current_owner) == ([], "me")
    third = run(second.replace, drains={"q0": True})
    (released,) = third.replace
    assert (released.current_owner, released.next_owner, released.is_draining) == (None, "other", False)


def test_a_partition_whose_owner_shuts_down_is_requested() -> None:
    plan = run([owned("q0", "other", is_draining=True)])
    assert plan.replace[0].next_owner == "me"
    assert plan.is_waiting


def test_shutdown_drains_and_releases_own_rows_only() -> None:
    rows = [owned("q0", "me"), owned("q1", "other"), owned("q2", "me", next_owner="other")]
    first = run(rows, shutting_down=True)
    assert first.drain == ["q0", "q2"]
    assert all(row.is_draining for row in first.replace)
    second = run(applied(rows, first), drains={"q0": True, "q2": True}, shutting_down=True)
    assert [(row.queue, row.current_owner, row.next_owner) for row in second.replace] == [
        ("q0", None, None),
        ("q2", None, "other"),
    ]


@pytest.mark.parametrize("owner", ["other", None], ids=["still owned", "already released"])
def test_shutdown_withdraws_requests_so_that_the_others_continue_at_once(owner: str | None) -> None:
    rows = [
        owned("q0", owner, next_owner="me", is_draining=owner is not None),
        owned("q1", "other", next_owner="third"),
    ]
    plan = run(rows, shutting_down=True)
    assert [(row.queue, row.next_owner, row.is_draining) for row in plan.replace] == [("q0", None, False)]
    assert run(applied(rows, plan), "other").poll == ["q0"]


@pytest.mark.parametrize(("partitions", "workers"), [(4, 2), (4, 3), (5, 2), (16, 3), (4, 4), (4, 6), (1, 2)])
def test_workers_come_to_rest_with_fair_shares(partitions: int, workers: int) -> None:
    rows = [PartitionRow(f"q{index:02d}") for index in range(partitions)]
    names = [f"w{index}" for index in range(workers)]
    drains: dict[str, set[str]] = {name: set() for name in names}
    now = NOW
    for _ in range(40):
        for name in names:
            now += TICKS_PER_SECOND
            plan = run(rows, name, now=now, drains=dict.fromkeys(drains[name], True))
            drains[name] = set(plan.drain)
            rows = applied(rows, plan)
    counts = {name: sum(row.current_owner == name for row in rows) for name in names}
    assert all(row.next_owner is None for row in rows)
    assert sum(counts.values()) == partitions
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_dead_worker_is_succeeded_after_its_lease() -> None:
    rows = [owned("q0", "dead"), owned("q1", "me")]
    assert [row.queue for row in run(rows, now=NOW + LEASE_TICKS - 1).replace] == ["q1"]
    plan = run([rows[0], msgspec.structs.replace(rows[1], expires_at=NOW + 2 * LEASE_TICKS)], now=NOW + LEASE_TICKS)
    assert plan.poll == ["q0", "q1"]
