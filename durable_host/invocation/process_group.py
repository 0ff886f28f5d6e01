"""Processes in a group of their own, so that what their code has started ends with them."""

import contextlib
import os
import signal
import subprocess
import sys
from typing import Any


def own_group() -> dict[str, Any]:
    """The options with which a process starts in a group of its own. Ctrl+C in the terminal does not reach it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def kill_group(pid: int) -> None:
    """Kill a process and those in its group; on Windows, the process alone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, signal.SIGKILL)


def kill_rest_of_group(pid: int) -> None:
    """Kill those that are left in the group of a process that has ended."""
    if sys.platform != "win32":
        kill_group(pid)
