"""The note file of a running Azurite in its data folder, with its process ID and that of its host."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

NOTE = "azurite.running.json"
_WRAPPER = b"run.js"


class Note(msgspec.Struct, frozen=True):
    """The process IDs of the Azurite that uses the folder and of the host that started it."""

    pid: int
    host: int


def read_note(data_dir: Path) -> Note | None:
    """The note in a data folder, or None. After a kill or a power cut, it may be stale."""
    try:
        return msgspec.json.decode((data_dir / NOTE).read_bytes(), type=Note)
    except (OSError, msgspec.MsgspecError):
        return None


def is_azurite(pid: int) -> bool:
    """Whether the process was started by our launcher (the system reuses process IDs)."""
    if not is_alive(pid):
        return False
    if sys.platform == "win32":
        return True
    try:
        return _WRAPPER in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    except OSError:
        return True
    listing = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
    return _WRAPPER in listing.stdout


def is_alive(pid: int) -> bool:
    """Whether a process with this ID is running; a zombie process is not."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in ("Z", "X")


def _is_alive_on_windows(pid: int) -> bool:
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - exists on Windows only
    synchronize, still_running = 0x00100000, 0x102
    handle = kernel.OpenProcess(synchronize, False, pid)
    if not handle:
        return False
    try:
        return kernel.WaitForSingleObject(handle, 0) == still_running
    finally:
        kernel.CloseHandle(handle)
