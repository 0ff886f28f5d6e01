"""Ends a worker whose host has ended, with all processes that user code has started in its process group.

When the host ends in any way, its end of the pipe closes. The thread that reads the pipe notices this and ends the
process gracefully. If native code holds the interpreter lock, the thread cannot run; then the kernel ends the process
(on Linux).
"""

from __future__ import annotations

import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1
_TURNS, _TURN_SECONDS = 20, 0.005


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


def postpone(seconds: float) -> None:
    """Make the kernel end this process `seconds` from now, and not earlier."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def end(parent: int) -> None:
    """End this process now. If its parent has ended, also end its process group, because nobody else does.

    The pipes of the parent close a moment before the system reports its end.
    """
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        for _ in range(_TURNS):
            if os.getppid() != parent:
                os.killpg(os.getpid(), signal.SIGKILL)
            threading.Event().wait(_TURN_SECONDS)
    os._exit(0)
