"""Ends a worker whose host has ended, with all processes that user code has started in its process group.

When the host ends in any way, its end of the pipe closes. The thread that reads the pipe notices this and ends the
process gracefully. If native code holds the interpreter lock, the thread cannot run; then the kernel ends the process
(on Linux), and its process group with it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_F_SETSIG = 10
_TURNS, _TURN_SECONDS = 20, 0.005

_pipe: list[int] = []
"""The write end and the read end."""


def end_with_parent() -> None:
    """Make the kernel end this process one second after its parent, unless `postpone` is called.

    The C library's `alarm` handles the signal of the parent's death without the interpreter: it interprets the signal
    number, which is 1, as the seconds until SIGALRM.
    """
    if sys.platform != "linux":
        return
    try:
        import ctypes

        library = ctypes.CDLL(None)
        library.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
        library.signal.restype = ctypes.c_void_p
        library.signal(int(signal.SIGHUP), ctypes.cast(library.alarm, ctypes.c_void_p))
        library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGHUP), 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return


def host_has_ended(requests: int) -> bool:
    """Whether the host had ended before `end_with_parent`, so that the kernel sends no signal for it.

    `requests` is the pipe whose other end only the host has.
    """
    if sys.platform != "linux":
        return False
    import select

    poll = select.poll()
    poll.register(requests, select.POLLHUP)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def end_group_with_process() -> None:
    """Make the kernel kill the process group when this process ends in any way, if the group is its own.

    The kernel sends a signal when the last write end of a pipe is closed, and only this process has one. When the
    process ends, the kernel releases the descriptor with the higher number first, which is the write end.
    """
    if sys.platform != "linux" or os.getpgrp() != os.getpid():
        return
    import fcntl

    with suppress(OSError):
        reader, writer = os.pipe()
        _pipe.extend((writer, reader))
        fcntl.fcntl(reader, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(reader, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(reader, fcntl.F_SETFL, fcntl.fcntl(reader, fcntl.F_GETFL) | os.O_ASYNC)


def after_fork() -> None:
    """Close the pipe in a child process. If its parent has ended already, this ends the child."""
    while _pipe:
        os.close(_pipe.pop(0))


def postpone(seconds: float) -> None:
    """Make the kernel end this process `seconds` from now, and not earlier."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def end(parent: int) -> None:
    """End this process now. If its parent has ended, also end its process group: only Linux does it without this.

    The pipes of the parent close a moment before the system reports its end.
    """
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        for _ in range(_TURNS):
            if os.getppid() != parent:
                os.killpg(os.getpid(), signal.SIGKILL)
            threading.Event().wait(_TURN_SECONDS)
    os._exit(0)
