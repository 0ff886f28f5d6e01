"""Ensures that at most one process is the worker of an embedded hub. Others may be its clients.

The lock is SQLite's own file lock on a small file next to the hub's. It works on every system and ends with the
process, however that ends.
"""

import sqlite3
from pathlib import Path

from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.durable.taskhub.sqlite import hub_files


class WorkerLock:
    """A lock that is held from `acquire` to `release`."""

    def __init__(self, hub_path: Path) -> None:
        self._hub_path = hub_path
        self._connection: sqlite3.Connection | None = None

    def acquire(self, patience: float) -> None:
        """Wait up to `patience` seconds for another worker to release the lock. Raises `TaskHubUnavailable`."""
        connection: sqlite3.Connection | None = None
        try:
            lock = hub_files.worker_lock(self._hub_path)
            hub_files.make_private(lock)
            connection = sqlite3.connect(lock, timeout=patience, isolation_level=None, check_same_thread=False)
            connection.execute("BEGIN EXCLUSIVE")
        except (sqlite3.Error, OSError) as error:
            if connection is not None:
                connection.close()
            raise TaskHubUnavailable(
                f"The task hub file {self._hub_path} is already served by another host, or cannot be locked ({error}). "
                "Stop the other host, or give this one another file."
            ) from error
        self._connection = connection

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
