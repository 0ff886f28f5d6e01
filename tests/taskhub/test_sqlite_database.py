"""Group commit of the embedded task hub: operations that share a transaction do not share their failures."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest
from hub_samples import activity, commit_of, create, first_episode, receive, start_message, time_limit

from durable_host.durable.taskhub.port import TaskHubRefused
from durable_host.durable.taskhub.sqlite import SqliteTaskHub, eager_connection, transactions
from durable_host.durable.taskhub.sqlite.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "hub.db", inline=False)
    await database.run(lambda connection: connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)"))
    yield database
    await database.close()


def _insert(id: int, verb: str = "INSERT", text: str = "text") -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute(f"{verb} INTO notes VALUES (?, ?)", (id, text))

    return work


async def _in_one_group(database: Database, works: list[Callable[[Connection], None]]) -> list[BaseException | None]:
    """What each piece of work came to, when all of them were waiting for the same transaction."""
    gate = threading.Event()
    first = database.submit(lambda _: gate.wait(30))
    waiting = [database.submit(work) for work in works]
    gate.set()
    await first
    return list(await asyncio.gather(*waiting, return_exceptions=True))


async def _ids(database: Database) -> list[int]:
    return await database.run(
        lambda connection: [row[0] for row in connection.execute("SELECT id FROM notes ORDER BY id")], writes=False
    )


@pytest.mark.parametrize("verb", ["INSERT", "INSERT OR ROLLBACK"], ids=["statement fails", "transaction is lost"])
async def test_a_failing_statement_fails_only_its_own_piece_of_work(database: Database, verb: str):
    await database.run(_insert(1))
    outcomes = await _in_one_group(database, [_insert(2), _insert(1, verb), _insert(3)])
    assert [type(outcome) for outcome in outcomes] == [type(None), TaskHubRefused, type(None)]
    assert await _ids(database) == [1, 2, 3]


async def test_a_commit_that_fails_is_tried_with_each_piece_of_work_alone(database: Database):
    await database.run(
        lambda connection: connection.execute(
            "CREATE TABLE parts (note INTEGER REFERENCES notes DEFERRABLE INITIALLY DEFERRED)"
        )
    )

    def dangling(connection: Connection) -> None:
        connection.execute("INSERT INTO parts VALUES (99)")

    def switch_on(connection: Connection) -> None:
        connection.execute("COMMIT")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SAVEPOINT job")

    await database.run(switch_on)
    outcomes = await _in_one_group(database, [_insert(2), dangling, _insert(3)])
    assert [type(outcome) for outcome in outcomes] == [type(None), TaskHubRefused, type(None)]
    assert await _ids(database) == [2, 3]


async def test_the_episodes_of_other_instances_are_committed_beside_one_that_cannot_be(tmp_path: Path):
    hub = SqliteTaskHub(tmp_path / "hub.db", "TestHub")
    await hub.start()
    await hub._database.run(
        lambda connection: connection.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON history WHEN NEW.instance_id = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    )
    for name in ("first", "bad", "last"):
        await create(hub, name)
    starts = await receive(hub, 3)
    gate = threading.Event()
    held = hub._database.submit(lambda _: gate.wait(30))
    episodes = [
        asyncio.ensure_future(hub.commit(commit_of(one.message, first_episode(one.message), [one]))) for one in starts
    ]
    await asyncio.sleep(0)
    gate.set()
    await held
    outcomes = await asyncio.gather(*episodes, return_exceptions=True)
    assert [isinstance(outcome, TaskHubRefused) for outcome in outcomes] == [False, True, False]
    await hub.stop()
    await hub.close()


@pytest.fixture
async def eager(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "hub.db", inline=False, eager=True)
    await database.run(lambda connection: connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)"))
    yield database
    await database.close()


def _thread_of(connection: Connection) -> int:
    return threading.get_ident()


async def _transactions(database: Database) -> Callable[[], list[str]]:
    """Return a function that returns the statements that have begun transactions of the loop since now."""
    statements: list[str] = []
    await database.run(lambda connection: connection.set_trace_callback(statements.append))
    return lambda: [statement for statement in statements if statement.startswith("BEGIN")]


async def test_an_eager_database_writes_in_the_loop_and_reads_there_what_is_short(eager: Database):
    assert await eager.run(_thread_of) == threading.get_ident()
    assert await eager.run(_thread_of, writes=False, is_short=True) == threading.get_ident()
    assert await eager.run(_thread_of, writes=False) != threading.get_ident()


async def test_what_is_submitted_to_an_eager_database_in_one_turn_of_the_loop_shares_a_transaction(eager: Database):
    begun = await _transactions(eager)
    await asyncio.gather(*(eager.run(_insert(number)) for number in range(3)))
    assert begun() == ["BEGIN IMMEDIATE"]
    assert await _ids(eager) == [0, 1, 2]


async def _submit_in_each_turn(database: Database, turns: int) -> list["asyncio.Future[None]"]:
    """Submit two pieces of work in each of so many turns of the loop."""
    waiting: list[asyncio.Future[None]] = []
    for turn in range(turns):
        waiting += [database.submit(_insert(2 * turn)), database.submit(_insert(2 * turn + 1))]
        await asyncio.sleep(0)
    return waiting


async def test_what_is_submitted_to_an_eager_database_in_a_few_turns_in_a_row_shares_a_transaction(eager: Database):
    begun = await _transactions(eager)
    await asyncio.gather(*await _submit_in_each_turn(eager, 3))
    assert begun() == ["BEGIN IMMEDIATE"]
    assert await _ids(eager) == [*range(6)]


async def test_an_eager_database_does_not_wait_until_no_turn_brings_more_work(eager: Database):
    waiting = await _submit_in_each_turn(eager, 20)
    assert waiting[0].done()
    await asyncio.gather(*waiting)


async def test_one_piece_of_work_for_an_eager_database_is_done_in_the_next_turn(eager: Database):
    alone = eager.submit(_insert(1))
    await asyncio.sleep(0)
    assert alone.done()


async def test_a_failing_statement_of_an_eager_database_fails_only_its_own_piece_of_work(eager: Database):
    await eager.run(_insert(1))
    outcomes = await asyncio.gather(*(eager.run(_insert(number)) for number in (2, 1, 3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), TaskHubRefused, type(None)]
    assert await _ids(eager) == [1, 2, 3]


async def test_what_waits_for_an_eager_database_is_done_before_it_is_closed(eager: Database):
    waiting = eager.submit(_insert(1))
    await eager.close()
    await waiting
    with closing(sqlite3.connect(eager.path)) as file:
        assert file.execute("SELECT id FROM notes").fetchall() == [(1,)]


async def test_a_long_read_does_not_keep_an_eager_database_from_writing(eager: Database):
    gate = threading.Event()
    reading = eager.submit(lambda _: gate.wait(30), writes=False)
    assert await eager.run(_thread_of) == threading.get_ident()
    gate.set()
    await reading


async def test_an_eager_database_waits_for_other_processes_in_its_thread_and_keeps_the_order(eager: Database):
    with closing(sqlite3.connect(eager.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = eager.submit(_thread_of)
        await asyncio.sleep(0)
        next_one = eager.submit(_thread_of)
        other.execute("COMMIT")
    assert await waiting != threading.get_ident()
    assert await next_one != threading.get_ident()
    assert await eager.run(_thread_of) == threading.get_ident()


async def test_a_short_read_of_a_file_that_is_in_use_waits_in_the_thread(eager: Database):
    tries: list[int] = []

    def work(connection: Connection) -> int:
        tries.append(threading.get_ident())
        if len(tries) == 1:
            with closing(sqlite3.connect(eager.path, isolation_level=None, timeout=0)) as other:
                other.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO notes VALUES (1, 'text')")  # A busy file in any form.
        return len(tries)

    assert await eager.run(work, writes=False, is_short=True) == 2
    assert [one == threading.get_ident() for one in tries] == [True, False]


async def test_the_log_of_an_eager_database_stays_short(eager: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(eager_connection, "WRITES_IN_LOG", 10)
    for number in range(200):
        await eager.run(_insert(number))
        moving = eager._eager._move if eager._eager is not None else None
        if moving is not None:
            await asyncio.wait((moving,))
    assert await asyncio.to_thread(os.path.getsize, f"{eager.path}-wal") < 60 * 4096


async def test_the_log_of_an_eager_database_stays_short_when_few_writes_are_large(
    eager: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(eager_connection, "LOG_GROWTH", 256 * 1024)
    sizes: list[int] = []
    for number in range(100):
        await eager.run(_insert(number, text="x" * 50_000))
        moving = eager._eager._move if eager._eager is not None else None
        if moving is not None:
            await asyncio.wait((moving,))
        sizes.append(await asyncio.to_thread(os.path.getsize, f"{eager.path}-wal"))
    assert max(sizes) < 1_000_000


async def test_long_work_of_an_eager_database_runs_in_its_thread_and_keeps_the_order(eager: Database):
    begun: list[str] = []

    def work(name: str) -> Callable[[Connection], int]:
        def begin(_: Connection) -> int:
            begun.append(name)
            return threading.get_ident()

        return begin

    costs = {"first": 0.5, "second": 0.5, "third": 0.5, "long": 1.5, "last": 0.1}
    threads = await asyncio.gather(*(eager.submit(work(name), cost=cost) for name, cost in costs.items()))
    assert begun == [*costs]
    assert [one == threading.get_ident() for one in threads] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("count", "size", "is_large"),
    [(10, 10, False), (900, 10, False), (1100, 10, True), (10, 100_000, False), (30, 100_000, True)],
)
def test_commits_of_many_or_long_rows_are_large(count: int, size: int, is_large: bool):
    start = start_message("a")
    calls = [activity(start.target, number, "x" * size) for number in range(count)]
    episode = commit_of(start, first_episode(start, *(call.event for call in calls)), outbound=calls)
    assert (transactions.cost(episode) > 1) == is_large


async def test_an_eager_database_is_closed_while_its_log_is_moved(eager: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(eager_connection, "WRITES_IN_LOG", 1)
    await eager.run(_insert(1))
    await eager.close()
    with closing(sqlite3.connect(eager.path)) as file:
        assert file.execute("SELECT id FROM notes").fetchall() == [(1,)]


async def test_work_of_an_eager_database_that_fails_changes_nothing(eager: Database):
    await eager.run(_insert(1))

    def insert_and_fail(connection: Connection) -> None:
        _insert(2)(connection)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await eager.run(insert_and_fail)
    with pytest.raises(TaskHubRefused):
        await eager.run(_insert(1))
    assert await _ids(eager) == [1]


def _refuse(connection: Connection) -> None:
    raise ValueError("no")


async def test_work_that_is_refused_before_it_changes_anything_does_not_undo_other_work(eager: Database):
    begun = await _transactions(eager)
    works = [_insert(1), _refuse, _insert(2)]
    outcomes = await asyncio.gather(*(eager.run(work) for work in works), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), ValueError, type(None)]
    assert begun() == ["BEGIN IMMEDIATE"]
    assert await _ids(eager) == [1, 2]


async def test_work_that_fails_after_a_change_undoes_only_that(eager: Database):
    def insert_and_fail(connection: Connection) -> None:
        _insert(2)(connection)
        raise ValueError("no")

    works = [_insert(1), insert_and_fail, _insert(3)]
    outcomes = await asyncio.gather(*(eager.run(work) for work in works), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), ValueError, type(None)]
    assert await _ids(eager) == [1, 3]


async def test_refused_work_that_runs_again_because_other_work_fails_can_succeed(eager: Database):
    await eager.run(_insert(1))
    tries: list[int] = []

    def refuse_once(connection: Connection) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("no")
        return len(tries)

    works = [refuse_once, _insert(1), _refuse]
    outcomes = await asyncio.gather(*(eager.run(work) for work in works), return_exceptions=True)
    assert outcomes[0] == 2
    assert [type(outcome) for outcome in outcomes[1:]] == [TaskHubRefused, ValueError]


async def test_the_loop_runs_between_pieces_of_work_that_are_long_together(eager: Database):
    begun = await _transactions(eager)
    waiting = [eager.submit(_insert(number), cost=cost) for number, cost in enumerate([0.5, 0.5, 0.9, 0.2, 0.2])]
    done: list[int] = []
    async with time_limit():
        while not all(one.done() for one in waiting):
            await asyncio.sleep(0)
            done.append(sum(one.done() for one in waiting))
    assert sorted({*done} - {0}) == [2, 3, 5]
    assert begun() == ["BEGIN IMMEDIATE"] * 3
    assert await _ids(eager) == [*range(5)]


async def test_the_rest_of_long_work_waits_in_the_thread_with_the_first_if_the_file_is_in_use(eager: Database):
    gate, order = threading.Event(), list[int]()
    holding = eager.submit(lambda _: gate.wait(30), writes=False)
    with closing(sqlite3.connect(eager.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = [eager.submit(lambda _, number=number: order.append(number), cost=0.9) for number in range(3)]
        while len(eager._gathered) == 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        other.execute("COMMIT")
    for _ in range(5):
        await asyncio.sleep(0)
    gate.set()
    async with time_limit():
        await asyncio.gather(holding, *waiting)
    assert order == [0, 1, 2]


async def test_a_short_read_does_not_wait_with_a_write_for_another_process(eager: Database):
    with closing(sqlite3.connect(eager.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = eager.submit(_insert(1))
        reading = eager.submit(_thread_of, writes=False, is_short=True)
        async with time_limit(10):
            assert await reading == threading.get_ident()
        assert not writing.done()
        other.execute("COMMIT")
    await writing
    assert await _ids(eager) == [1]


@pytest.mark.parametrize("is_eager", [False, True], ids=["in a thread", "eager"])
async def test_an_end_that_is_not_handled_is_reported_and_holds_nothing_up(tmp_path: Path, is_eager: bool):
    database = Database(tmp_path / "hub.db", inline=False, eager=is_eager)
    await database.run(lambda _: None)
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    error = ValueError("no")

    def fail(_: object) -> None:
        raise error

    waiting = [database.submit(lambda _, number=number: number, ended=fail) for number in range(3)]
    async with time_limit():
        assert await asyncio.gather(*waiting) == [0, 1, 2]
    assert reported == [error] * 3
    await database.close()


def test_work_that_an_ended_loop_has_left_is_done_with_that_of_the_next_loop(tmp_path: Path):
    database = Database(tmp_path / "hub.db", inline=False, eager=True)
    ended_loop = asyncio.new_event_loop()
    ended_loop.run_until_complete(
        database.run(lambda connection: connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)"))
    )

    def submit_and_stop() -> None:
        database.submit(_insert(1)).add_done_callback(print)
        ended_loop.stop()

    ended_loop.call_soon(submit_and_stop)
    ended_loop.run_forever()
    ended_loop.close()

    async def go_on() -> None:
        async with time_limit():
            await database.run(_insert(2))
            assert await _ids(database) == [1, 2]
            await database.close()

    asyncio.run(go_on())
