"""At most one process works on an embedded hub; others may be clients of it.

The lock is SQLite's own file lock on a small file beside the hub's: it works on every system and ends with the
process, however that ends.
"""

import sqlite3
from pathlib import Path

from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.durable.taskhub.sqlite import hub_files


class WorkerLock:
    """Held from `acquire` to `release`."""

    def __init__(self, hub_path: Path) -> None:
        self._hub_path = hub_path
        self._connection: sqlite3.Connection | None = None

    def acquire(self, patience: float) -> None:
        """Waits up to `patience` seconds for another worker to go. Raises `TaskHubUnavailable`."""
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
