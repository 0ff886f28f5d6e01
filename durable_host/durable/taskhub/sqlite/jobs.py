"""Pieces of work that share one transaction, and what happens when one of them fails."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from durable_host.durable.taskhub.port import TaskHubRefused, TaskHubUnavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

LOWEST_COST = 1 / 256
"""The cost of work on a few rows."""
UNUSABLE = "The file of the task hub cannot be used; the log of the host says why."
_TEMPORARY = (
    "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_CANTOPEN", "SQLITE_PROTOCOL",
    "SQLITE_INTERRUPT", "OSError",
)  # fmt: skip
"""Temporary faults: the file is in use, or the disk is full or not available. Any other fault means the file is
unusable."""


class Job:
    """Work with its result or error. `future` belongs to the event loop of the caller.

    `ended` is called there before the caller continues, even if it was cancelled, unless the event loop is closed.
    `cost` estimates how long the work takes; 1 is the longest for which the event loop may wait.
    """

    __slots__ = ("cost", "ended", "error", "future", "loop", "result", "work", "writes")

    def __init__(
        self,
        work: Work[Any],
        writes: bool,
        ended: "Callable[[Job], None] | None" = None,
        cost: float = LOWEST_COST,
    ) -> None:
        self.work = work
        self.writes = writes
        self.cost = cost
        self.ended = ended
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        """Pass the result or error to the caller, in its event loop."""
        if self.loop.is_closed():
            return
        if self.ended is not None:
            try:
                self.ended(self)
            except Exception as error:
                message = "The end of a transaction of the task hub was not handled."
                self.loop.call_exception_handler({"message": message, "exception": error, "future": self.future})
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def run_all(connection: sqlite3.Connection, jobs: list[Job]) -> None:
    """Run jobs in one transaction and store their results. Raises, with nothing done, if it cannot begin.

    A job that raises before it has changed a row fails alone. Changes of the schema do not count, so a job that raises
    may make only those that any other job would make too, as `CREATE TABLE IF NOT EXISTS`. If another one or the commit
    fails, each job runs again in a transaction of its own, which stores its error.
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
    """Run the jobs and commit their transaction. Raises, with nothing done, if one has failed and may have changed
    something.
    """
    try:
        for job in jobs:
            changes = connection.total_changes
            try:
                job.result = job.work(connection)
            except Exception as error:
                is_harmless = connection.in_transaction and connection.total_changes == changes
                if len(jobs) == 1 or isinstance(error, sqlite3.Error) or not is_harmless:
                    raise
                job.error = error
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run_alone(connection: sqlite3.Connection, job: Job) -> None:
    job.result = job.error = None
    try:
        run_all(connection, [job])
    except Exception as error:
        job.error = error


def as_hub_error(error: BaseException, path: object) -> BaseException:
    """Return the error of the hub for an error of SQLite or of the file. Any other error stays as it is."""
    if not isinstance(error, sqlite3.Error | OSError):
        return error
    text, kind = f"The task hub file {path} cannot be used: {error}", _name_of(error)
    if kind.startswith(_TEMPORARY):
        return TaskHubUnavailable(text, public_text=UNUSABLE, kind=kind)
    return TaskHubRefused(text, public_text=UNUSABLE, kind=kind, is_about_data=kind.startswith("SQLITE_TOOBIG"))


def is_busy(error: BaseException | None) -> bool:
    """True if another connection uses the file, so that the work can be tried again."""
    return isinstance(error, sqlite3.Error) and _name_of(error).startswith("SQLITE_BUSY")


def _name_of(error: BaseException) -> str:
    """Return SQLite's name of an error, or the class name of any other error."""
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
