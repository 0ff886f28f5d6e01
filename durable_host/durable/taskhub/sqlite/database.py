"""One SQLite connection, used by one thread, with group commit.

Jobs that are waiting while a transaction runs share the next transaction. Each has its own savepoint, so that a failing
job undoes only its own changes. If SQLite rolls back the whole transaction (disk full, out of memory), each job runs
again in a transaction of its own, so a job must not have effects outside the connection. With WAL and
synchronous=NORMAL, committed data survives the end of the process in any way (including kill -9) and is never
corrupted, but the last transactions before a power failure may be lost.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from durable_host.durable.taskhub.port import TaskHubRefused, TaskHubUnavailable
from durable_host.durable.taskhub.sqlite import hub_files

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_BATCH = 256
_BUSY_SECONDS = 30.0
_PAGES_OF_LOG = 1000
"""SQLite moves its log into the file when a commit finds so many pages there."""
_IN_A_ROW = 200
"""How many pieces of work an eager database runs in the event loop before the other thread gets one."""
_PASSING = (
    "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_CANTOPEN", "SQLITE_PROTOCOL",
    "SQLITE_INTERRUPT", "OSError",
)  # fmt: skip
"""Temporary faults: the file is in use, or the disk is full or not available. Any other fault means the file is
unusable."""
UNUSABLE = "The file of the task hub cannot be used; the log of the host says why."


class _Job:
    __slots__ = ("error", "future", "loop", "result", "work", "writes")

    def __init__(self, work: Work[Any], writes: bool) -> None:
        self.work = work
        self.writes = writes
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Database:
    """Runs work on the connection: in the event loop's thread if `inline`, otherwise in a thread of its own.

    Inline execution is deterministic, as virtual time requires; `:memory:` is always inline. With `read_only` the file
    must exist.

    With `eager`, writes run in the event loop's thread as long as the other thread is idle and no other process holds
    the file's lock: that saves two switches of threads for each. The other thread gets one of them from time to time,
    because it moves the log of SQLite into the file, which takes long.
    """

    def __init__(self, path: Path | str, *, inline: bool, read_only: bool = False, eager: bool = False) -> None:
        self.path = path
        self._inline = inline
        self._eager = eager
        self._in_thread = 0
        self._in_a_row = 0
        self._is_in_loop = False
        self._read_only = read_only
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def run(self, work: Work[T], *, writes: bool = True) -> T:
        """Run `work` in a transaction. Returns its result once the transaction is committed."""
        if self._inline or self._eager:
            await asyncio.sleep(0)
        return await self.submit(work, writes=writes)

    def submit(self, work: Work[T], *, writes: bool = True) -> "asyncio.Future[T]":
        """Start `work` like `run` and return a future, for callers that need the result even if they are cancelled."""
        if self._closed:
            raise TaskHubUnavailable(f"The task hub file {self.path} was closed.", public_text=UNUSABLE)
        job = _Job(work, writes)
        if self._inline:
            self._execute([job])
            job.resolve()
        elif not self._run_in_loop(job):
            self._in_thread += 1
            self._in_a_row = 0
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=f"taskhub {self.path}", daemon=True)
                self._thread.start()
            self._jobs.put(job)
        return job.future

    async def close(self) -> None:
        """Finish the submitted work and close the file."""
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        elif self._connection is not None:
            self._connection.close()
        self._connection = None

    def _run_in_loop(self, job: _Job) -> bool:
        """Run a job in this thread, if that takes no time. The connection is not used by the other thread then."""
        connection = self._connection
        if not self._eager or not job.writes or self._in_thread or connection is None or self._in_a_row >= _IN_A_ROW:
            return False
        self._use_in_loop(connection, True)
        try:
            connection.execute(_begin([job]))
        except sqlite3.Error:
            return False
        self._in_a_row += 1
        self._run_begun(connection, [job])
        job.resolve()
        return True

    def _use_in_loop(self, connection: sqlite3.Connection, is_in_loop: bool) -> None:
        """Wait for other processes, and move the log into the file, only in the other thread."""
        if self._is_in_loop is not is_in_loop:
            self._is_in_loop = is_in_loop
            connection.execute(f"PRAGMA busy_timeout = {0 if is_in_loop else round(_BUSY_SECONDS * 1000)}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {0 if is_in_loop else _PAGES_OF_LOG}")

    def _serve(self) -> None:
        try:
            while (first := self._jobs.get()) is not None:
                jobs, last = self._waiting_with(first)
                self._execute(jobs)
                self._resolve_in_their_loops(jobs)
                if last:
                    return
        finally:
            if self._connection is not None:
                self._connection.close()

    def _waiting_with(self, first: _Job) -> tuple[list[_Job], bool]:
        jobs = [first]
        while len(jobs) < _BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _execute(self, jobs: list[_Job]) -> None:
        """Run jobs in one transaction. If it is rolled back as a whole, run each job in a transaction of its own."""
        try:
            connection = self._connection or self._open()
            self._use_in_loop(connection, False)
            connection.execute(_begin(jobs))
        except Exception as error:
            for job in jobs:
                job.error = self._unavailable(error)
            return
        self._run_begun(connection, jobs)

    def _run_begun(self, connection: sqlite3.Connection, jobs: list[_Job]) -> None:
        """Run jobs in the transaction that has begun, and commit it."""
        try:
            _run_group(connection, jobs)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].error = error
            else:
                for job in jobs:
                    job.result = job.error = None
                    self._execute([job])
                return
        for job in jobs:
            if job.error is not None:
                job.error = self._unavailable(job.error)

    def _resolve_in_their_loops(self, jobs: list[_Job]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, its_jobs in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._resolve_all, its_jobs)
            except RuntimeError:
                continue

    def _resolve_all(self, jobs: list[_Job]) -> None:
        self._in_thread -= len(jobs)
        for job in jobs:
            job.resolve()

    def _unavailable(self, error: BaseException) -> BaseException:
        if not isinstance(error, sqlite3.Error | OSError):
            return error
        text, kind = f"The task hub file {self.path} cannot be used: {error}", _name_of(error)
        if kind.startswith(_PASSING):
            return TaskHubUnavailable(text, public_text=UNUSABLE, kind=kind)
        return TaskHubRefused(text, public_text=UNUSABLE, kind=kind, is_about_data=kind.startswith("SQLITE_TOOBIG"))

    def _open(self) -> sqlite3.Connection:
        if self._read_only:
            uri = f"{Path(self.path).absolute().as_uri()}?mode=ro"
            self._connection = sqlite3.connect(
                uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            return self._connection
        if isinstance(self.path, Path):
            hub_files.make_private(self.path)
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        self._connection = connection
        return connection


def _begin(jobs: list[_Job]) -> str:
    return "BEGIN IMMEDIATE" if any(job.writes for job in jobs) else "BEGIN"


def _name_of(error: BaseException) -> str:
    """Return SQLite's name of an error, or the class name of any other error."""
    return getattr(error, "sqlite_errorname", None) or type(error).__name__


def _run_group(connection: sqlite3.Connection, jobs: list[_Job]) -> None:
    """Run jobs and commit. Raises, with nothing done, if the whole transaction is rolled back."""
    try:
        for job in jobs:
            _run_one(connection, job)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run_one(connection: sqlite3.Connection, job: _Job) -> None:
    """Run a job in its savepoint and store its error. Raises if SQLite has rolled back the whole transaction."""
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.work(connection)
    except Exception as error:
        if not connection.in_transaction:
            raise
        job.error = error
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
