"""The files of an embedded hub. Only the user can access them, because they contain inputs and outputs."""

import os
from pathlib import Path

from durable_host.private_files import APP_FOLDER, make_app_folder, tighten


def worker_lock(path: Path) -> Path:
    """Return the path of the file next to the hub's that its worker locks."""
    return path.with_name(f"{path.name}-worker")


def make_private(path: Path) -> None:
    """Create the file and its folder if they are missing, accessible only to this user. Raises OSError.

    Access by others is also removed from existing files, including the ones that SQLite keeps next to the file (they
    get the mode of the file).
    """
    if path.parent.name == APP_FOLDER:
        make_app_folder(path.parent)
    else:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
        tighten(path.with_name(name))
