"""The files of an embedded hub: inputs and outputs of orchestrations are for the user alone."""

import os
from pathlib import Path

from durable_host.private_files import APP_FOLDER, make_app_folder, tighten


def worker_lock(path: Path) -> Path:
    """The file beside a hub's by which its one worker is known."""
    return path.with_name(f"{path.name}-worker")


def make_private(path: Path) -> None:
    """Make the file and its folder where they are missing, for this user alone; take the rights of others away from
    those that are there, and from what SQLite keeps beside the file (which gets the file's mode). Raises OSError.
    """
    if path.parent.name == APP_FOLDER:
        make_app_folder(path.parent)
    else:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
        tighten(path.with_name(name))
