"""Processes that the host serves from its queue: workers and Azurite run under Linux's batch scheduling.

Under the usual policy a process that wakes up may interrupt the one that woke it. A worker then interrupts the host
after each frame, reads that one frame and sleeps again: two context switches per call. Under `SCHED_BATCH` it waits
until the host has written what it has, as long as no core is free, and reads all of it at once. Share of CPU time and
latency on a free core stay as they are.
"""

import contextlib
import os
import sys


def schedule_as_batch(pid: int) -> None:
    """Move a child process that was just started to batch scheduling; its later threads and children inherit it.

    No privilege is needed. Does nothing where the policy does not exist or is refused (some sandboxes do), and if the
    process has ended. Source: `man 7 sched`, "SCHED_BATCH".
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
