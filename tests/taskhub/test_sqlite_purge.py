"""The history of a purged instance is deleted in steps of about a millisecond, and nobody sees a part of it."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hub_samples import clock, commit_of, complete, create, first_episode, later, receive

from durable_host.durable.model.events import EventRaised, ExecutionCompleted
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.sqlite import SqliteTaskHub


@pytest.fixture
async def hub(tmp_path: Path):
    hub = SqliteTaskHub(tmp_path / "hub.db", "TestHub", clock, inline=True)
    await hub.start()
    yield hub
    await hub.stop()
    await hub.close()


async def ended(hub: SqliteTaskHub, instance_id: str, events: int, size: int = 1) -> None:
    """An instance that has ended, with so many events of this size in its history."""
    await create(hub, instance_id)
    (received,) = await receive(hub, 1)
    start, now = received.message, clock.now()
    more = [EventRaised(name="E", input="1" * size, timestamp=now) for _ in range(events)]
    status = OrchestrationStatus.Completed
    end = ExecutionCompleted(event_id=0, orchestration_status=status, result="1", timestamp=now)
    await hub.commit(
        commit_of(start, first_episode(start, *more, end), [received], runtime_status=status, completed_time=now)
    )


def rows_in(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT COUNT(*) FROM history").fetchone()[0]


@contextmanager
def deletes_of(hub: SqliteTaskHub) -> Iterator[list[str]]:
    """The statements that delete history rows."""
    connection, found = hub._database._connection, list[str]()
    assert connection is not None
    connection.set_trace_callback(lambda text: found.append(text) if text.startswith("DELETE FROM history") else None)
    yield found
    connection.set_trace_callback(None)


@pytest.mark.parametrize("by_user", [False, True], ids=["by retention", "by a user"])
@pytest.mark.parametrize(("events", "size", "steps"), [(5, 1, 1), (350, 1, 4), (12, 100_000, 6)])
async def test_a_history_is_deleted_in_steps(
    hub: SqliteTaskHub, tmp_path: Path, events: int, size: int, steps: int, by_user: bool
) -> None:
    await ended(hub, "a", events, size)
    pauses: list[int] = []

    async def pause() -> None:
        pauses.append(rows_in(tmp_path / "hub.db"))

    with deletes_of(hub) as deletes:
        assert await (hub.purge_instance("a") if by_user else hub.purge_ended("a", later(60), pause))
    assert len(deletes) == steps
    assert by_user or len(pauses) >= steps - 1
    assert rows_in(tmp_path / "hub.db") == 0
    assert await hub.get_instance("a") is None


async def test_an_instance_is_gone_as_soon_as_its_purge_begins(hub: SqliteTaskHub) -> None:
    await ended(hub, "a", 350)
    seen: list[object] = []

    async def look() -> None:
        seen.extend([await hub.get_instance("a"), *await hub.get_history("a"), *(await hub.load_history("a")).events])

    assert await hub.purge_ended("a", later(60), look)
    assert set(seen) == {None}


async def test_a_new_instance_of_the_same_name_is_not_affected(hub: SqliteTaskHub, tmp_path: Path) -> None:
    await ended(hub, "a", 350)
    started: list[str] = []

    async def start_again() -> None:
        if not started:
            started.append("a")
            await complete(hub, "a")

    assert await hub.purge_ended("a", later(60), start_again)
    assert started
    assert len(await hub.get_history("a")) == 4
    assert rows_in(tmp_path / "hub.db") == 4


async def test_what_an_interrupted_purge_has_left_is_deleted_with_the_next_one(
    hub: SqliteTaskHub, tmp_path: Path
) -> None:
    await ended(hub, "a", 350)
    await complete(hub, "b")

    async def stop() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await hub.purge_ended("a", later(60), stop)
    assert rows_in(tmp_path / "hub.db") > 4
    assert await hub.purge_instance("b")
    assert rows_in(tmp_path / "hub.db") == 0


async def test_what_an_interrupted_purge_has_left_is_deleted_when_the_hub_starts(
    hub: SqliteTaskHub, tmp_path: Path
) -> None:
    await ended(hub, "a", 350)

    async def stop() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await hub.purge_ended("a", later(60), stop)
    await hub.stop()
    assert rows_in(tmp_path / "hub.db") > 0
    await hub.start()
    assert rows_in(tmp_path / "hub.db") == 0


async def test_instances_in_a_file_of_an_earlier_version_are_purged(hub: SqliteTaskHub, tmp_path: Path) -> None:
    await ended(hub, "a", 350)
    with closing(sqlite3.connect(tmp_path / "hub.db")) as connection:
        connection.execute("DROP TABLE discarded")
    assert await hub.purge_instance("a")
    assert rows_in(tmp_path / "hub.db") == 0
