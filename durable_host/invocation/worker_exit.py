"""The end of a worker process: how it is described, and the error for the calls that ran in it."""

import contextlib
import signal
from collections.abc import Sequence

from durable_host.invocation.errors import WorkerLost
from durable_host.invocation.worker_kind import WorkerKind


def describe_exit(code: int) -> str:
    """`code 3 (0x3)`, or the signal that ended the process."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {-code} ({signal.Signals(-code).name})"
    return f"code {code} (0x{code & 0xFFFFFFFF:X})"


def lost_in_exit(
    kind: WorkerKind, code: int, last_stderr: Sequence[str], *, is_ended_by_host: bool, was_alone: bool
) -> WorkerLost:
    """The error for a call that ran in a process when it ended with `code`."""
    ending, lines = describe_exit(code), "\n".join(last_stderr)
    return WorkerLost(
        f"The worker process ended with {ending} while it ran the function.",
        cause=f"Its last lines on stderr:\n{lines}" if lines else None,
        remedy=kind.ending_hint(code, lines),
        ending=None if is_ended_by_host else ending,
        was_alone=was_alone,
    )


OVERDUE = "another function in it did not finish in time"
"""Why a process was killed in which a function does not end."""


def lost_in_given_up(why: str) -> WorkerLost:
    """The error for the calls in a process that the host has killed."""
    return WorkerLost(f"The worker process was stopped, because {why}.")
