"""One SQLite file, used by one thread, with group commit.

Jobs that are waiting while a transaction runs share the next transaction. If one of them fails after it has changed
something, the transaction is rolled back and each job runs again in a transaction of its own, so that a failing job
undoes only its own changes. So a job must not have effects outside the connection. With WAL and
synchronous=NORMAL, committed data survives the end of the process in any way (including kill -9) and is never
corrupted, but the last transactions before a power failure may be lost.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.durable.taskhub.sqlite import hub_files
from durable_host.durable.taskhub.sqlite.eager_connection import EagerConnection
from durable_host.durable.taskhub.sqlite.jobs import LOWEST_COST, UNUSABLE, Job, T, Work, as_hub_error, run_all

_BATCH = 256
_TURNS = 4
"""For how many more turns of the event loop a transaction waits for work while each of them brings some."""
_BUSY_SECONDS = 30.0
_STEPS_BETWEEN_LOOKS = 10_000
"""Steps of SQLite after which a read of a long search sees that the file is being closed."""


class Database:
    """Runs work on the file: in the event loop's thread if `inline`, otherwise in a thread of its own.

    Inline execution is deterministic, as virtual time requires; `:memory:` is always inline. With `read_only` the file
    must exist.

    With `eager`, short reads and writes run in the event loop's thread, which saves two thread switches each. Writes do
    so only while no other write waits for the other thread and no other process holds the file's lock. Those that are
    submitted in one turn of the loop, or in a few turns in a row, share a transaction, unless that makes it long.
    """

    def __init__(self, path: Path | str, *, inline: bool, read_only: bool = False, eager: bool = False) -> None:
        self.path = path
        self._is_inline = inline
        self._eager = EagerConnection(path) if eager and not inline else None
        self._gathered: list[Job] = []
        self._gathering_in: asyncio.AbstractEventLoop | None = None
        self._writes_in_thread = 0
        self._read_only = read_only
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def run(
        self,
        work: Work[T],
        *,
        writes: bool = True,
        is_short: bool = False,
        then: Callable[[T], None] | None = None,
    ) -> T:
        """Run `work` in a transaction. Returns its result once the transaction is committed.

        `is_short` is for reads that take no longer than a write. `then` is called with the result, even if the caller
        is cancelled in the meantime.
        """
        if self._is_inline:
            await asyncio.sleep(0)
        ended = None if then is None else partial(_pass_on, then)
        return await self.submit(work, writes=writes, is_short=is_short, ended=ended)

    def submit(
        self,
        work: Work[T],
        *,
        writes: bool = True,
        is_short: bool = False,
        cost: float = LOWEST_COST,
        ended: Callable[[Job], None] | None = None,
    ) -> "asyncio.Future[T]":
        """Start `work` like `run` and return a future.

        `ended` is called even if the work fails or the future is cancelled, but not if this method raises or the event
        loop is closed by then. `cost` is 1 for work that takes about 10 ms. Work that costs more is long: the event
        loop does not wait for it.
        """
        if self._closed:
            raise TaskHubUnavailable(f"The task hub file {self.path} was closed.", public_text=UNUSABLE)
        job = Job(work, writes, ended, cost)
        if self._is_inline:
            self._execute([job])
            job.resolve()
        elif (writes or is_short) and cost <= 1 and self._may_run_eagerly(job):
            self._gathered.append(job)
            if self._gathering_in is not job.loop:  # Another loop may have ended without running them.
                self._run_soon(job.loop, _TURNS)
        else:
            if cost > 1:
                self._run_all_gathered()  # They were submitted before.
            self._put(job)
        return job.future

    async def close(self) -> None:
        """Finish the submitted work and close the file."""
        self._closed = True
        self._run_all_gathered()
        if self._eager is not None:
            await self._eager.close()
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        elif self._connection is not None:
            self._connection.close()
        self._connection = None

    def _may_run_eagerly(self, job: Job) -> bool:
        """True if nothing else must come before the job. The other thread creates the file."""
        return self._eager is not None and self._connection is not None and not (job.writes and self._writes_in_thread)

    def _run_soon(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        self._gathering_in = loop
        loop.call_soon(self._run_when_quiet, loop, len(self._gathered), turns)

    def _run_when_quiet(self, loop: asyncio.AbstractEventLoop, seen: int, turns: int) -> None:
        """Run the jobs in a turn of the loop that has brought no more of them, or after `turns`."""
        if len(self._gathered) > seen and turns:
            self._run_soon(loop, turns - 1)
            return
        self._gathering_in = None
        self._run_gathered()
        if self._gathered:
            self._run_soon(loop, 0)

    def _run_gathered(self) -> None:
        """Run the jobs, or the first of them if together they are long."""
        count = max(1, sum(cost <= 1 for cost in accumulate(job.cost for job in self._gathered)))
        jobs, self._gathered = self._gathered[:count], self._gathered[count:]
        if jobs and self._eager is not None and (busy := self._eager.run(jobs)):
            self._put_all(busy)
            self._put_gathered()

    def _run_all_gathered(self) -> None:
        """Run the jobs: in the other thread those that would make the transaction long."""
        self._run_gathered()
        self._put_gathered()

    def _put_gathered(self) -> None:
        jobs, self._gathered = self._gathered, []
        self._put_all(jobs)

    def _put_all(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._put(job)

    def _put(self, job: Job) -> None:
        self._writes_in_thread += job.writes
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=f"taskhub {self.path}", daemon=True)
            self._thread.start()
        self._jobs.put(job)

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

    def _waiting_with(self, first: Job) -> tuple[list[Job], bool]:
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

    def _execute(self, jobs: list[Job]) -> None:
        """Run jobs in one transaction, or each in its own if one fails."""
        try:
            run_all(self._connection or self._open(), jobs)
        except Exception as error:
            for job in jobs:
                job.error = error
        for job in jobs:
            if job.error is not None:
                job.error = as_hub_error(job.error, self.path)

    def _resolve_in_their_loops(self, jobs: list[Job]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, its_jobs in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._resolve_all, its_jobs)
            except RuntimeError:
                continue

    def _resolve_all(self, jobs: list[Job]) -> None:
        self._writes_in_thread -= sum(job.writes for job in jobs)
        for job in jobs:
            job.resolve()

    def _open(self) -> sqlite3.Connection:
        if self._read_only:
            uri = f"{Path(self.path).absolute().as_uri()}?mode=ro"
            self._connection = sqlite3.connect(
                uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.set_progress_handler(lambda: self._closed, _STEPS_BETWEEN_LOOKS)
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


def _pass_on(then: Callable[[Any], None], job: Job) -> None:
    if job.error is None:
        then(job.result)
