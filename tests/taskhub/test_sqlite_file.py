"""The file of the embedded task hub: kill -9, several processes, foreign and damaged contents."""

import asyncio
import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hub_samples import (
    ANY_STATE,
    activity,
    create,
    new_id,
    nothing_more,
    raised,
    receive,
    receive_activity,
    run_first_episode,
    start_message,
    time_limit,
)

from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.instance import EndedQuery, InstanceQuery
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import TaskHubUnavailable, UnreadableHistory
from durable_host.durable.taskhub.sqlite import SqliteTaskHub, history, messages, schema
from durable_host.durable.taskhub.sqlite.instances import ended_statement

MODES = (0o700, {0o600})


def _modes(folder: Path) -> tuple[int, set[int]]:
    return folder.stat().st_mode & 0o777, {path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
async def test_the_files_of_a_hub_are_for_the_user_alone(tmp_path: Path):
    folder = tmp_path / ".durable-host"
    hub = SqliteTaskHub(folder / "hub.db", "TestHub")
    await hub.start()
    await create(hub, "one")
    assert {path.name for path in folder.iterdir()} >= {"hub.db", "hub.db-wal", "hub.db-shm", "hub.db-worker"}
    assert _modes(folder) == MODES
    await hub.stop()
    await hub.close()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
async def test_files_that_others_could_read_are_closed_to_them(tmp_path: Path):
    folder = tmp_path / ".durable-host"
    first = SqliteTaskHub(folder / "hub.db", "TestHub")
    await first.start()
    await create(first, "one")
    folder.chmod(0o755)
    (folder / "other.db").touch()
    for path in folder.iterdir():
        path.chmod(0o644)
    second = SqliteTaskHub(folder / "hub.db", "TestHub")
    await second.create()
    assert _modes(folder) == MODES
    await second.close()
    await first.stop()
    await first.close()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
async def test_a_folder_that_is_the_users_own_keeps_its_mode(tmp_path: Path):
    folder = tmp_path / "data"
    folder.mkdir()
    hub = SqliteTaskHub(folder / "hub.db", "TestHub")
    before = _modes(folder)[0]
    await hub.start()
    assert _modes(folder) == (before, {0o600})
    await hub.stop()
    await hub.close()


_KILLED = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = {helpers!r}
from hub_samples import activity, create, raised, receive, receive_activity, run_first_episode
from durable_host.durable.taskhub.sqlite import SqliteTaskHub, history, messages, schema
from durable_host.durable.taskhub.sqlite.instances import ended_statement

async def main():
    hub = SqliteTaskHub(Path({path!r}), "TestHub", eager={eager})
    await hub.start()
    start, _ = await run_first_episode(hub, "committed")
    await run_first_episode(hub, "asking", outbound=[activity(start.target, number) for number in range(3)])
    await create(hub, "received")
    await receive(hub, 1)
    await receive_activity(hub)
    await asyncio.gather(*(create(hub, f"i{{number}}") for number in range(50)))
    print("ready", flush=True)
    number = 0
    while True:
        await hub.send(raised("flood", str(number)))
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


def _run_and_kill(script: str) -> int:
    """How many sends the process reported before it was killed."""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(20):
            process.stdout.readline()
        process.kill()
        return 20 + process.stdout.read().count("\n")


@pytest.mark.process
@pytest.mark.parametrize("eager", [False, True])
async def test_a_killed_process_loses_nothing_that_was_confirmed(tmp_path: Path, eager: bool):
    path = tmp_path / "hub.db"
    helpers = [str(folder) for folder in Path(__file__).parents[:2]]
    script = _KILLED.format(helpers=helpers, path=str(path), eager=eager)
    told = await asyncio.to_thread(_run_and_kill, script)
    hub = SqliteTaskHub(path, "TestHub")
    await hub.start()
    received = []
    async with time_limit():
        while len(received) < 51 + told:
            received += await hub.next_control_messages()
    names = [item.message.event.name for item in received if item.message.target.instance_id == "flood"]
    assert names[:told] == [str(number) for number in range(told)]
    assert next(item for item in received if item.message.target.instance_id == "received").dequeue_count == 2
    assert sum(item.message.target.instance_id.startswith("i") for item in received) == 50
    assert [(await receive_activity(hub)).message.event.event_id for _ in range(3)] == [0, 1, 2]
    assert len(await hub.get_history("committed")) == 3
    await hub.stop()
    await hub.close()


async def test_a_second_worker_on_one_file_is_refused_until_the_first_is_gone(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("durable_host.durable.taskhub.sqlite.hub._WORKER_PATIENCE_SECONDS", 0)
    first, second = (SqliteTaskHub(tmp_path / "hub.db", "TestHub") for _ in range(2))
    await first.start()
    with pytest.raises(TaskHubUnavailable, match="another host"):
        await second.start()
    await create(second, "a")
    await first.stop()
    await second.start()
    assert (await receive(second, 1))[0].message.target.instance_id == "a"
    await second.stop()
    await first.close()
    await second.close()


async def test_a_file_of_another_hub_is_refused(tmp_path: Path):
    first = SqliteTaskHub(tmp_path / "hub.db", "TestHub")
    await first.create()
    await first.close()
    other = SqliteTaskHub(tmp_path / "hub.db", "OtherHub")
    with pytest.raises(TaskHubUnavailable, match="TestHub"):
        await other.create()
    await other.close()
    same = SqliteTaskHub(tmp_path / "hub.db", "testhub")
    await same.create()
    await same.close()


def test_a_file_of_another_hub_keeps_its_schema() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.create(connection, "hub")
        connection.execute("DROP INDEX instances_by_end")  # as an earlier version left it
        connection.execute("DROP TABLE discarded")
        before = connection.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()
        with pytest.raises(schema.WrongHub, match="it contains the task hub 'hub', not 'other'"):
            schema.create(connection, "other")
        assert connection.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall() == before


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    (tmp_path / "hub.db").write_text("hello " * 1000)
    hub = SqliteTaskHub(tmp_path / "hub.db", "TestHub")
    with pytest.raises(TaskHubUnavailable, match=r"hub\.db"):
        await hub.start()
    await hub.close()


async def test_a_closed_hub_says_so(tmp_path: Path):
    hub = SqliteTaskHub(tmp_path / "hub.db", "TestHub")
    await hub.create()
    await hub.close()
    with pytest.raises(TaskHubUnavailable, match="closed"):
        await hub.get_instance("a")


async def test_a_message_that_cannot_be_read_is_set_aside_and_the_others_are_processed(tmp_path: Path, caplog):
    hub = SqliteTaskHub(tmp_path / "hub.db", "TestHub")
    await hub.create()
    await hub.send(raised("a", "bad"))
    await hub.send(raised("a", "good"))
    with sqlite3.connect(tmp_path / "hub.db") as connection:
        connection.execute("UPDATE messages SET body = ? WHERE seq = 1", (b"{broken",))
    with caplog.at_level(logging.WARNING):
        await hub.start()
        (message,) = await receive(hub, 1)
    assert message.message.event.name == "good"
    assert "Message 1 (EventRaised)" in caplog.text
    await hub.stop()
    await hub.close()


async def test_a_history_that_cannot_be_read_is_named(tmp_path: Path):
    hub = SqliteTaskHub(tmp_path / "hub.db", "TestHub")
    await hub.start()
    await run_first_episode(hub, "a")
    await run_first_episode(hub, "b")
    with sqlite3.connect(tmp_path / "hub.db") as connection:
        connection.execute("UPDATE history SET kind = 'Strange' WHERE instance_id = 'a' AND ordinal = 1")
    for read in (hub.load_history, hub.get_history):
        with pytest.raises(UnreadableHistory, match=r"row 1 .*Strange.* 'a'"):
            await read("a")
    assert len(await hub.get_history("b")) == 3
    await hub.stop()
    await hub.close()


async def test_unpaired_surrogates_become_replacement_characters():
    hub = SqliteTaskHub(":memory:", "TestHub")
    await hub.start()
    await hub.send(raised("a\ud800", "E\udc00", '"\ud83d"'))
    (message,) = await receive(hub, 1)
    assert message.message.target == OrchestrationInstance("a\ufffd")
    assert (message.message.event.name, message.message.event.input) == ("E\ufffd", '"\ufffd"')
    await run_first_episode(hub, "x\ud800", input='"\ud800"')
    assert (await hub.get_instance("x\ud800")).input == '"\ufffd"'
    assert [each.instance_id for each in (await hub.query_instances(InstanceQuery())).instances] == ["x\ufffd"]
    await hub.stop()
    await hub.close()


async def test_the_start_of_a_replaced_instance_is_never_delivered():
    hub = SqliteTaskHub(":memory:", "TestHub")
    await hub.start()
    await create(hub, "a", input="1")
    again = start_message("a", input="2")
    await hub.create_instance(again, dedupe_statuses=ANY_STATE)
    (message,) = await receive(hub, 1)
    assert message.message.target == again.target
    await nothing_more(hub, "a")
    await hub.stop()
    await hub.close()


async def test_a_file_without_a_column_for_the_parent_is_served(tmp_path: Path):
    path = tmp_path / "hub.db"
    first = SqliteTaskHub(path, "TestHub")
    await first.create()
    await create(first, "before")
    await first.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE instances DROP COLUMN parent_instance_id")
    second = SqliteTaskHub(path, "TestHub")
    await second.create()
    await create(second, "after")
    page = await second.query_instances(InstanceQuery())
    assert [(one.instance_id, one.parent_instance_id) for one in page.instances] == [("after", None), ("before", None)]
    await second.close()


async def test_a_token_that_is_none_is_refused():
    hub = SqliteTaskHub(":memory:", "TestHub")
    await hub.create()
    with pytest.raises(ValueError, match="token"):
        await hub.query_instances(InstanceQuery(continuation_token="\u00fc!"))
    await hub.close()


@pytest.mark.parametrize(
    "query",
    [
        EndedQuery(),
        EndedQuery(after=(5, "a"), top=1),
        EndedQuery(ended_from=1, ended_to=9, after=(5, "a")),
        EndedQuery(statuses=frozenset({OrchestrationStatus.Failed})),
    ],
)
def test_ended_instances_are_listed_by_an_index_without_a_sort(query: EndedQuery):
    with closing(sqlite3.connect(":memory:")) as connection:
        schema.create(connection, "hub")
        sql, values = ended_statement(query)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert len(plan) == 1, plan
    assert plan[0].startswith("SEARCH instances USING"), plan
    assert "instances_by_end" in plan[0], plan


def test_file_of_an_earlier_version_gets_the_index():
    with closing(sqlite3.connect(":memory:")) as connection:
        schema.create(connection, "hub")
        connection.execute("DROP INDEX instances_by_end")
        schema.create(connection, "hub")
        assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'instances_by_end'").fetchone()


def _unexpected(*_: object, **__: object) -> None:
    raise AssertionError("the file is read although nothing can be there")


async def test_the_first_load_of_a_new_instance_does_not_read_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hub = SqliteTaskHub(tmp_path / "hub.db", "TestHub")
    await hub.start()
    await run_first_episode(hub, "one")
    assert len((await hub.load_history("one")).events) > 2
    assert await hub.purge_instance("one")
    for name in ("one", "two"):
        await create(hub, name)
        with monkeypatch.context() as patched:
            patched.setattr(history, "load", _unexpected)
            assert (await hub.load_history(name)).events == []
    await hub.stop()
    await hub.close()


async def test_released_messages_are_searched_for_only_if_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = SqliteTaskHub(tmp_path / "hub.db", "TestHub")
    await first.start()
    with monkeypatch.context() as patched:
        patched.setattr(messages, "recall", _unexpected)
        assert await first.recall("one") == []
    await first.send(raised("one"))
    await first.abandon(await receive(first, 1), delay=60)
    await first.stop()
    await first.close()
    second = SqliteTaskHub(tmp_path / "hub.db", "TestHub")
    await second.start()
    assert len(await second.recall("one")) == 1
    await second.stop()
    await second.close()


@pytest.mark.parametrize("eager", [False, True])
async def test_a_large_fan_out_is_taken_in_batches_and_arrives_once_and_in_order(tmp_path: Path, eager: bool):
    hub = SqliteTaskHub(tmp_path / "hub.db", "TestHub", eager=eager)
    await hub.start()
    takes: list[int] = []
    take = messages.take

    def counted(connection: sqlite3.Connection, queue: int, now: int, limit: int) -> messages.TakenMessages:
        taken = take(connection, queue, now, limit)
        if queue == schema.ACTIVITY:
            takes.append(len(taken.messages))
        return taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "take", counted)
        instance = OrchestrationInstance("a", new_id())
        await run_first_episode(hub, "a", outbound=[activity(instance, number) for number in range(500)])
        half = [await receive_activity(hub) for _ in range(250)]
        await hub.stop()
        await hub.start()
        rest = [await receive_activity(hub) for _ in range(500)]
    await hub.stop()
    await hub.close()
    assert [one.message.event.event_id for one in half] == list(range(250))
    assert [one.message.event.event_id for one in rest] == list(range(500))
    assert {one.dequeue_count for one in half} == {1}
    assert [one.dequeue_count for one in rest] == [2] * 250 + [1] * 250
    assert len(takes) < 30
