"""Watches the files of an app that matter to the running host.

Environments, caches, tests and the output of tools are excluded.

Source: docs/protocol/functions-host-worker.md#reloading
"""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from pathlib import Path, PurePath

import msgspec

from durable_host.host.threaded_imports import import_in_turn
from durable_host.invocation.python_worker import PYTHON_WORKER
from durable_host.invocation.worker_kind import SourceFiles

_log = logging.getLogger("Host.Startup")

SETTINGS_FILE = "local.settings.json"
OFFLINE_FILE = "app_offline.htm"
_EVERYWHERE = frozenset({"host.json", "function.json"})
_AT_TOP = frozenset({SETTINGS_FILE, OFFLINE_FILE})
_LEFT_OUT = frozenset(
    {"venv", "env", "node_modules", "site-packages", "tests", "test", "__blobstorage__", "__queuestorage__"}
)
CHECK_MILLISECONDS = 2000

FileTimes = dict[Path, tuple[int, int]]


class WatchRules(msgspec.Struct, frozen=True):
    """Which files to watch. `files` and `directories` are `watchFiles` and `watchDirectories` in host.json;
    `sources` are the files of the app's language. `output` is the folder of its build, if that is not `root`.
    """

    root: Path
    files: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    sources: SourceFiles = PYTHON_WORKER.sources(Path())
    output: Path | None = None

    def matters(self, path: PurePath) -> bool:
        """Whether a change to this file causes a reload."""
        if self.is_output(path):
            return True
        try:
            relative = path.relative_to(self.root)
        except ValueError:
            return False
        parts = relative.parts
        if relative.as_posix() in self.sources.files:
            return True
        if len(parts) > 1 and parts[0] in self.directories:
            return True
        if any(is_left_out(part) for part in parts[:-1]) or (len(parts) > 1 and parts[0] in self.sources.built):
            return False
        name = relative.name
        is_at_top = len(parts) == 1
        return (
            relative.suffix in self.sources.suffixes
            or name in _EVERYWHERE
            or name in self.files
            or (is_at_top and name in _AT_TOP)
        )

    def is_output(self, path: PurePath) -> bool:
        """Whether the file is part of the app's build."""
        return self.output is not None and path.parent == self.output and path.suffix in self.sources.outputs

    def output_times(self) -> FileTimes:
        """The files of the app's build, with modification time and size."""
        return _times(self.output, self.is_output) if self.output is not None else {}

    def is_watched(self, folder: Path) -> bool:
        """Whether this folder can contain watched files."""
        return folder.is_dir() and folder in self.folders()

    def file_times(self) -> FileTimes:
        """All watched files, with modification time and size."""
        found: FileTimes = {}
        for folder in self.folders():
            found |= _times(folder, self.matters)
        return found

    def folders(self) -> list[Path]:
        """All folders that can contain watched files."""
        found: list[Path] = []
        seen: set[str] = set()
        for folder, below, files in os.walk(self.root, followlinks=True):
            real = os.path.realpath(folder)
            is_chosen = Path(folder).relative_to(self.root).parts[:1] in [(name,) for name in self.directories]
            if real in seen or ("pyvenv.cfg" in files and folder != str(self.root)):
                below.clear()
                continue
            seen.add(real)
            found.append(Path(folder))
            is_top = folder == str(self.root)
            below[:] = [
                name
                for name in below
                if is_chosen
                or (is_top and name in self.directories)
                or not (is_left_out(name) or (is_top and name in self.sources.built))
            ]
        chosen = {(self.root / name).parent for name in self.sources.files}
        if self.output is not None:
            chosen.add(self.output)
        return found + [folder for folder in chosen if folder not in found and folder.is_dir()]


def _times(folder: Path, matters: Callable[[Path], bool]) -> FileTimes:
    found: FileTimes = {}
    with suppress(OSError):
        for entry in os.scandir(folder):
            if matters(path := Path(entry.path)) and entry.is_file():
                status = entry.stat()
                found[path] = (status.st_mtime_ns, status.st_size)
    return found


def is_left_out(folder: str) -> bool:
    """Whether a folder is excluded: environments, caches, tests, and names that begin with a dot."""
    return folder.startswith((".", "__pycache__")) or folder in _LEFT_OUT


async def changes(rules: WatchRules, known: FileTimes, stopping: threading.Event) -> AsyncIterator[list[Path]]:
    """Watched files that were changed, added or deleted since `known`, yielded when writing has paused for a moment.

    Ends when `stopping` is set, or if the system cannot watch files.
    """
    await asyncio.to_thread(import_in_turn, "watchfiles")  # It takes too long for the event loop.
    from watchfiles import awatch  # pyright: ignore[reportUnknownVariableType]

    while not stopping.is_set():
        folders = rules.folders()
        is_fresh = True
        try:
            async with aclosing(
                awatch(
                    *folders,
                    watch_filter=None,
                    step=rules.sources.quiet,
                    debounce=rules.sources.longest,
                    rust_timeout=CHECK_MILLISECONDS,
                    yield_on_timeout=True,
                    stop_event=stopping,
                    recursive=False,
                    ignore_permission_denied=True,
                )
            ) as watching:
                async for batch in watching:
                    paths = {Path(path) for _, path in batch}
                    has_new_folders = any(path not in folders and rules.is_watched(path) for path in paths)
                    # Changes before the watch began were not reported.
                    if not (is_fresh or has_new_folders or any(map(rules.matters, paths))):
                        continue
                    is_fresh, before, known = False, known, rules.file_times()
                    if found := differences(before, known):
                        yield found
                    if has_new_folders:
                        break
        except OSError as error:
            _log.warning(
                "Changes to the app's files are not detected: %s. Restart the host to apply them, or set "
                "WATCHFILES_FORCE_POLLING=true.",
                error,
            )
            return


def differences(before: FileTimes, after: FileTimes) -> list[Path]:
    """Files that were added, deleted or changed."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
