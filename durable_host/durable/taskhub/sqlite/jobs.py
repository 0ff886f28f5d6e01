"""Pieces of work that share one transaction. Each has a savepoint of its own if there are several."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from durable_host.durable.taskhub.port import TaskHubRefused, TaskHubUnavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

UNUSABLE = "The file of the task hub cannot be used; the log of the host says why."
_PASSING = (
    "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_CANTOPEN", "SQLITE_PROTOCOL",
    "SQLITE_INTERRUPT", "OSError",
)  # fmt: skip
"""Temporary faults: the file is in use, or the disk is full or not available. Any other fault means the file is
unusable."""


class Job:
    """Work with its result or error. `future` belongs to the event loop of the caller."""

    __slots__ = ("error", "future", "loop", "result", "work", "writes")

    def __init__(self, work: Work[Any], writes: bool) -> None:
        self.work = work
        self.writes = writes
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        """Pass the result or error to the caller, in its event loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def begin_transaction(connection: sqlite3.Connection, jobs: list[Job]) -> None:
    """Begin the transaction of the jobs."""
    connection.execute("BEGIN IMMEDIATE" if any(job.writes for job in jobs) else "BEGIN")


def run_and_commit(connection: sqlite3.Connection, jobs: list[Job]) -> None:
    """Run the jobs and commit their transaction. Raises, with nothing done, if all of it is rolled back."""
    try:
        if len(jobs) == 1:
            jobs[0].result = jobs[0].work(connection)
        else:
            for job in jobs:
                _run_one(connection, job)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run_one(connection: sqlite3.Connection, job: Job) -> None:
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


def reported(error: BaseException, path: object) -> BaseException:
    """Return the error of the hub for an error of SQLite or of the file. Any other error stays as it is."""
    if not isinstance(error, sqlite3.Error | OSError):
        return error
    text, kind = f"The task hub file {path} cannot be used: {error}", _name_of(error)
    if kind.startswith(_PASSING):
        return TaskHubUnavailable(text, public_text=UNUSABLE, kind=kind)
    return TaskHubRefused(text, public_text=UNUSABLE, kind=kind, is_about_data=kind.startswith("SQLITE_TOOBIG"))


def is_busy(error: BaseException | None) -> bool:
    """True if another connection uses the file, so that the work can be tried again."""
    return isinstance(error, sqlite3.Error) and _name_of(error).startswith("SQLITE_BUSY")


def _name_of(error: BaseException) -> str:
    """Return SQLite's name of an error, or the class name of any other error."""
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
