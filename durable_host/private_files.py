"""Files and folders that are for this user alone, and what may be trusted where others can write too."""

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

APP_FOLDER = ".durable-host"
"""Folder below an app's for what this tool keeps for it."""

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
"""Opening a pipe that nobody writes to would wait forever."""
_IS_POSIX = hasattr(os, "getuid")


class NotPrivate(OSError):
    """A file or folder that should be this user's alone belongs to somebody else, is a link, or others can write to
    it; the text says which. It may have been planted.
    """


def user_name() -> str:
    """The user's ID, as part of a name."""
    return str(os.getuid()) if _IS_POSIX else "user"


def temporary_folder() -> Path:
    """This user's folder in the temporary folder of the machine, made and checked. Raises `NotPrivate` and OSError."""
    return make_private_folder(Path(tempfile.gettempdir()) / f"durable-host-{user_name()}")


def state_folder() -> Path:
    """This tool's folder in the user's own state, made and checked: XDG_STATE_HOME, LOCALAPPDATA on Windows, else
    ~/.local/state. Raises `NotPrivate` and OSError.
    """
    base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME")
    try:
        return make_private_folder((Path(base) if base else Path.home() / ".local" / "state") / "durable-host")
    except RuntimeError as error:
        raise OSError(str(error)) from error


def make_private_folder(path: Path) -> Path:
    """Make a folder that only this user can look into (700); one that is there and only readable for others is closed
    to them. Raises `NotPrivate` when it is a link, belongs to another user or could be written to by others, and
    OSError.
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
    """Open a file as `os.open`, made with mode 600; links are not followed. Raises `NotPrivate` when it belongs to
    another user, or others can write to it, and OSError.
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
    """Make a folder below the app's for what its user's data lie in: 700, and so are the folders and files (600) that
    are in it already. It may be a link. Raises OSError.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    tighten(path)
    for inside in path.iterdir():
        tighten(inside)


def tighten(path: Path) -> None:
    """Take the rights of others away from a file (600) or folder (700), if it is there and may be changed."""
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
