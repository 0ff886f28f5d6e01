"""Pieces of work that share one transaction, and what happens when one of them fails."""

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
    """Work with its result or error. `future` belongs to the event loop of the caller.

    `ended` is called there before the caller continues, even if it was cancelled. It must not raise.
    """

    __slots__ = ("ended", "error", "future", "loop", "result", "work", "writes")

    def __init__(self, work: Work[Any], writes: bool, ended: "Callable[[Job], None] | None" = None) -> None:
        self.work = work
        self.writes = writes
        self.ended = ended
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        """Pass the result or error to the caller, in its event loop."""
        if self.ended is not None:
            self.ended(self)
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def run_all(connection: sqlite3.Connection, jobs: list[Job]) -> None:
    """Run jobs in one transaction and store their results. Raises, with nothing done, if it cannot begin.

    If a job or the commit fails, each job runs again in a transaction of its own, which stores its error.
    """
    connection.execute("BEGIN IMMEDIATE" if any(job.writes for job in jobs) else "BEGIN")
    try:
        _run_and_commit(connection, jobs)
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].error = error
        else:
            for job in jobs:
                _run_alone(connection, job)


def _run_and_commit(connection: sqlite3.Connection, jobs: list[Job]) -> None:
    """Run the jobs and commit their transaction. Raises, with nothing done, if one fails."""
    try:
        for job in jobs:
            job.result = job.work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run_alone(connection: sqlite3.Connection, job: Job) -> None:
    job.result = None
    try:
        run_all(connection, [job])
    except Exception as error:
        job.error = error


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
