"""Creates files and folders that only this user can access, and checks whether existing ones can be trusted."""

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

APP_FOLDER = ".durable-host"
"""The folder in an app's folder where this tool stores its data."""

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
"""Without this flag, opening a pipe that nobody writes to would block forever."""
_IS_POSIX = hasattr(os, "getuid")


class NotPrivate(OSError):
    """A file or folder belongs to another user, is a link, or others can write to it; the text says which.

    It may contain data from an attacker.
    """


def user_name() -> str:
    """The user's ID, for use in a name."""
    return str(os.getuid()) if _IS_POSIX else "user"


def temporary_folder() -> Path:
    """This user's folder in the temporary folder, created and checked. Raises `NotPrivate` and OSError."""
    return make_private_folder(Path(tempfile.gettempdir()) / f"durable-host-{user_name()}")


def state_folder() -> Path:
    """This tool's folder in the user's state folder, created and checked.

    The state folder is XDG_STATE_HOME, LOCALAPPDATA on Windows, or ~/.local/state. Raises `NotPrivate` and OSError.
    """
    base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME")
    try:
        return make_private_folder((Path(base) if base else Path.home() / ".local" / "state") / "durable-host")
    except RuntimeError as error:
        raise OSError(str(error)) from error


def make_private_folder(path: Path) -> Path:
    """Create a folder that only this user can access (700). If it exists and others can read it, restrict it.

    Raises `NotPrivate` if it is a link, belongs to another user, or others can write to it. Raises OSError.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _IS_POSIX:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise NotPrivate(f"'{path}' is not a folder but a link")
        _require_private(found, path)
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o700)
    return path


def open_private(path: Path, flags: int) -> int:
    """Open a file like `os.open`, with mode 600 for new files, without following links.

    Raises `NotPrivate` if it belongs to another user or others can write to it. Raises OSError.
    """
    descriptor = os.open(path, flags | _NOFOLLOW | _NONBLOCK, 0o600)
    try:
        if _IS_POSIX:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise NotPrivate(f"'{path}' is not a regular file")
            _require_private(found, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def make_app_folder(path: Path) -> None:
    """Create a folder for the user's data in the app's folder, with mode 700. It may be a link.

    Existing folders (700) and files (600) in it are restricted too. Raises OSError.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    tighten(path)
    for inside in path.iterdir():
        tighten(inside)


def tighten(path: Path) -> None:
    """Remove other users' permissions from a file (600) or folder (700), if it exists and can be changed."""
    if not _IS_POSIX:
        return
    with suppress(OSError):
        found = path.stat()
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o700 if stat.S_ISDIR(found.st_mode) else 0o600)


def _require_private(found: os.stat_result, path: Path) -> None:
    if found.st_uid != os.getuid():
        raise NotPrivate(f"'{path}' belongs to another user (ID {found.st_uid})")
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise NotPrivate(f"others can write to '{path}'")
