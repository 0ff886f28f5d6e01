"""The name under which this host owns partitions: stable across restarts, unique among hosts that run at once.

A slot is a lock file in the temporary directory; the operating system frees the lock when the process ends, however
it ends. So a host that was killed comes back under its old name and resumes its partitions at once. All users of the
machine share the slots, and nothing in the files is read; a file of another user counts as taken.

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
    """A slot of this machine for hosts of one hub. `scope` names account, hub and app."""

    def __init__(self, scope: str, directory: Path | None = None) -> None:
        digest = hashlib.sha256(scope.encode()).hexdigest()[:16]
        self._directory = directory or Path(tempfile.gettempdir())
        self._prefix = f"durable-host-{digest}"
        self._descriptor: int | None = None
        self._slot: int | None = None

    def acquire(self) -> int:
        """Lock the first free slot and give its number; a number unique to this process when none can be locked."""
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
    """Machine, app and slot."""
    machine = platform.node() or "localhost"
    return ":".join(part for part in (machine, app_name, str(slot)) if part)


def _lock(path: Path) -> int | None:
    """None when another process has the lock, or another user the file."""
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
