"""The name under which this host owns partitions: stable across restarts, and unique among running hosts.

A slot is a lock file in the temporary directory. The operating system frees the lock whenever and however the process
ends, so a host that was killed gets its old name back and resumes its partitions at once. All users of the machine
share the slots. Nothing in the files is read, and a file of another user counts as taken.

Source: docs/protocol/task-hub-storage-partitions.md#worker-id
"""

import contextlib
import hashlib
import os
import platform
import sys
import tempfile
from pathlib import Path

from durable_host.private_files import open_private

_SLOTS = 64


class HostSlot:
    """A slot of this machine for a host of one hub. `scope` identifies account, hub and app."""

    def __init__(self, scope: str, directory: Path | None = None) -> None:
        digest = hashlib.sha256(scope.encode()).hexdigest()[:16]
        self._directory = directory or Path(tempfile.gettempdir())
        self._prefix = f"durable-host-{digest}"
        self._descriptor: int | None = None
        self._slot: int | None = None

    def acquire(self) -> int:
        """Lock the first free slot and return its number. If none can be locked, return a number unique to this
        process.
        """
        if self._slot is not None:
            return self._slot
        for slot in range(_SLOTS):
            descriptor = _lock(self._directory / f"{self._prefix}-{slot}.lock")
            if descriptor is not None:
                self._descriptor, self._slot = descriptor, slot
                return slot
        self._slot = _SLOTS + os.getpid()
        return self._slot

    def release(self) -> None:
        """Free the slot."""
        descriptor, self._descriptor, self._slot = self._descriptor, None, None
        if descriptor is not None:
            os.close(descriptor)


def worker_id(app_name: str, slot: int) -> str:
    """Return the worker's name: machine, app and slot."""
    machine = platform.node() or "localhost"
    return ":".join(part for part in (machine, app_name, str(slot)) if part)


def _lock(path: Path) -> int | None:
    """Lock the file. Returns None when another process holds the lock, or another user owns the file."""
    try:
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    except OSError:
        return None
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        return None
    return descriptor
