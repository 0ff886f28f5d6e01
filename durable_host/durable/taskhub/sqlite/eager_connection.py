"""A connection for the event loop's thread, which never waits for other connections."""

import asyncio
import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from durable_host.durable.taskhub.sqlite.jobs import Job, as_hub_error, is_busy, run_all

_log = logging.getLogger("Host.Triggers.DurableTask")

WRITES_IN_LOG = 4000
LOG_GROWTH = 16 * 1024 * 1024
"""SQLite's log is moved into the file after this many writes, or when it has grown by this many bytes."""


class EagerConnection:
    """Runs jobs, those of each call in one transaction. The file must exist before the first one.

    SQLite's log is moved into the file in two steps, because that waits for the disk: most of it in another thread
    while jobs go on, and here only what they have written since. Then the log starts over.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._written = 0
        self._log_before = 0
        self._move: asyncio.Future[None] | None = None

    def run(self, jobs: list[Job]) -> list[Job]:
        """Run jobs and resolve them. Returns those that have done nothing, mostly because another connection holds the
        file's lock. Reads do not need the lock.
        """
        try:
            run_all(self._connection or self._open(), jobs)
        except Exception as error:
            reads = [job for job in jobs if not job.writes]
            if not is_busy(error) or len(reads) == len(jobs):
                return jobs
            return [job for job in jobs if job.writes] + (self.run(reads) if reads else [])
        busy = [job for job in jobs if is_busy(job.error)]
        for job in jobs:
            if job in busy:
                job.error = None
                continue
            if job.error is not None:
                job.error = as_hub_error(job.error, self._path)
            job.resolve()
            self._written += job.writes
        if self._move is None and self._written and (self._written >= WRITES_IN_LOG or self._log_has_grown()):
            self._move = asyncio.get_running_loop().run_in_executor(None, self._move_log)
            self._move.add_done_callback(self._move_rest)
        return busy

    async def close(self) -> None:
        if self._move is not None:
            await asyncio.wait((self._move,))
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, cached_statements=256)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_GROWTH}")  # A log that starts over is cut to this.
        self._connection = connection
        return connection

    def _log_has_grown(self) -> bool:
        size = self._log_size()
        self._log_before = min(self._log_before, size)
        return size - self._log_before >= LOG_GROWTH

    def _log_size(self) -> int:
        try:
            return os.stat(f"{self._path}-wal").st_size
        except OSError:
            return 0

    def _move_log(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _move_rest(self, move: "asyncio.Future[None]") -> None:
        self._move, self._written, self._log_before = None, 0, self._log_size()
        try:
            move.result()
            if self._connection is not None:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (sqlite3.Error, OSError) as error:
            _log.debug("The log of the task hub file %s stays long for now: %s", self._path, error)
