"""A lock between processes, so that only one installs or starts Azurite."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

from durable_host.storage.azurite.errors import AzuriteStartFailed


@contextlib.contextmanager
def exclusive(
    path: Path, *, timeout: float, waiting: Callable[[], None], cancelled: threading.Event | None = None
) -> Generator[None]:
    """Hold the lock file `path`. Calls `waiting` once if another process holds it. The system releases it on a crash.

    Raises AzuriteStartFailed if it cannot be created, is not free within `timeout` seconds, or `cancelled` is set.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise AzuriteStartFailed(
            f"Azurite needs the folder '{path.parent}', which cannot be written.",
            cause=str(error),
            remedy="Make it writable, or start your own Azurite with its data elsewhere.",
        ) from error
    try:
        deadline = time.monotonic() + timeout
        is_reported = False
        while not _try_lock(descriptor):
            if not is_reported:
                waiting()
                is_reported = True
            if cancelled is not None and cancelled.is_set():
                raise AzuriteStartFailed("The start of Azurite was interrupted.")
            if time.monotonic() > deadline:
                raise AzuriteStartFailed(
                    f"Another process has held '{path}' for {timeout:.0f} s.",
                    remedy="Wait for the other 'func start' to become ready, or stop it.",
                )
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
