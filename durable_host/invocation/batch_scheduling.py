"""Linux's batch scheduling for a worker while it has many calls.

Under the usual policy a process that wakes up may interrupt the one that woke it. With many calls on few cores, a
worker interrupts the host and the host's clients after each frame, reads that one frame and sleeps again: two context
switches per call. Under `SCHED_BATCH` it waits until they have written what they have, as long as no core is free, and
reads all of it at once. With few calls that would only delay each of them, so then the usual policy applies.
"""

import asyncio
import contextlib
import os
import sys

MANY = 8
"""Calls that run at the same time."""
KEPT = 0.2
"""Seconds for which the policy is kept after there were many calls, so that it does not change with each call."""


class BatchScheduling:
    """The policy of all threads of a process. A program that it starts meanwhile keeps the policy.

    No privilege is needed. Nothing changes where the policy does not exist or is refused, as some sandboxes do, when
    the process has ended, or if it was started under another policy. Source: `man 7 sched`, "SCHED_BATCH".
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._is_on = self._were_many = self._is_usual = False

    def note_many_calls(self) -> None:
        """At least `MANY` calls run now."""
        self._were_many = True
        if not self._is_on:
            self._set(is_on=True)
            self._check_later()

    def _check_later(self) -> None:
        self._were_many = False
        asyncio.get_running_loop().call_later(KEPT, self._check)

    def _check(self) -> None:
        if self._were_many:
            self._check_later()
        else:
            self._set(is_on=False)

    def _set(self, *, is_on: bool) -> None:
        self._is_on = is_on
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                if is_on:
                    self._is_usual = os.sched_getscheduler(self._pid) == os.SCHED_OTHER
                if self._is_usual:
                    _set_policy(self._pid, os.SCHED_BATCH if is_on else os.SCHED_OTHER)


def _set_policy(pid: int, policy: int) -> None:
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):  # the thread has ended
            os.sched_setscheduler(int(thread), policy, os.sched_param(0))
