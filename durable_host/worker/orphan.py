"""The end of a worker whose host has gone, with everything that user code has started in its process group.

The host's end of the pipe closes when the host ends, in whatever way. The thread that reads the pipe notices it and
ends the process in good order. It cannot run while native code keeps the interpreter to itself; then the kernel ends
the process (on Linux).
"""

from __future__ import annotations

import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1
_TURNS, _TURN_SECONDS = 20, 0.005


def end_with_parent() -> None:
    """Have the kernel end this process one second after its parent, unless `postpone` is called.

    The signal of the parent's death is handled without the interpreter, by the C library's `alarm`: it takes the number
    of the signal, which is 1, for the seconds until SIGALRM.
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
    """Let the kernel end this process so many seconds from now, and not before."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def end(parent: int) -> None:
    """End this process now; when its parent has gone, with all of its process group, because nobody else will.

    The pipes of a process close a moment before it counts as gone.
    """
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        for _ in range(_TURNS):
            if os.getppid() != parent:
                os.killpg(os.getpid(), signal.SIGKILL)
            threading.Event().wait(_TURN_SECONDS)
    os._exit(0)
