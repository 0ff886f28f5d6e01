"""`assert_replays`: fails if saved histories do not replay with the current code of an app."""

import glob
import inspect
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, cast

from durable_host.config import project
from durable_host.errors import ConfigurationError
from durable_host.testing.chosen_app import CHOSEN_APP
from durable_host.testing.virtual_host import VirtualHost

__tracebackhide__ = True


class Replayer(Protocol):
    """An app that replays histories, such as a FunctionApp or a VirtualHost."""

    def replay(self, history: list[dict[str, Any]], /) -> object:
        """Raise ReplayFailed if an instance with this history would not survive with the current code."""
        ...


def assert_replays(*histories: str | Path, app: Replayer | str | Path | None = None) -> list[Path]:
    """Replay saved histories with the current code of the app, and return their files.

    `histories` are files or patterns such as "histories/*.json" (`**` includes subfolders), in the format of
    `func durable export` and `func durable get-history --as-stored`. Relative ones are looked up in the folder of the
    calling file first, then in the current folder. Only orchestrators run, and nothing is changed.

    `app` is an app that runs, or the folder of one. Without it, the app is that of the fixture `function_app` in this
    test; without pytest, the one whose host.json is in the folder of the calling file or nearest above it.

    Raises AssertionError with the difference of every file that does not replay, and if a pattern matches no file.
    """
    if not histories:
        raise TypeError("assert_replays needs at least one file or pattern.")
    caller = _folder_of_caller()
    files = [file for pattern in histories for file in _files(pattern, (caller, Path.cwd()))]
    with _replayer(app, caller) as replayer:
        failures = {file: failure for file in files if (failure := _failure(replayer, file)) is not None}
    if failures:
        texts = "".join(f"\n\n{_shown(file)}\n{failure}" for file, failure in failures.items())
        raise AssertionError(f"{len(failures)} of {len(files)} histories do not replay with the current code.{texts}")
    return files


def _folder_of_caller() -> Path:
    """The folder of the file that calls `assert_replays`; the current folder if its code is not in a file."""
    frame = inspect.stack(context=0)[2].frame
    return Path(frame.f_globals.get("__file__") or "none").absolute().parent


def _files(pattern: str | Path, folders: Sequence[Path]) -> list[Path]:
    """The files that match, from the first folder that has any. Raises AssertionError if there are none."""
    for folder in folders:
        is_file = (folder / pattern).is_file()  # Its name may contain brackets.
        found = [str(pattern)] if is_file else glob.glob(str(pattern), root_dir=folder, recursive=True)
        if files := [folder / name for name in sorted(found) if (folder / name).is_file()]:
            return files
    places = "it" if Path(pattern).is_absolute() else " or ".join(f"'{folder}'" for folder in dict.fromkeys(folders))
    raise AssertionError(
        f"No file matches '{pattern}' in {places}, so nothing was replayed. "
        "'func durable export --id ID' saves the history of an instance."
    )


def _replayer(app: Replayer | str | Path | None, caller: Path) -> AbstractContextManager[Replayer]:
    if app is not None and not isinstance(app, str | Path):
        return nullcontext(app)
    chosen = CHOSEN_APP.get()
    if app is None and chosen is not None:
        return nullcontext(chosen())
    return VirtualHost(_root_above(caller) if app is None else app)


def _root_above(caller: Path) -> Path:
    """The folder of the app of the calling file, or else of the current folder."""
    try:
        return project.find_root(caller)
    except ConfigurationError:
        return Path.cwd()


def _failure(replayer: Replayer, file: Path) -> str | None:
    """What is wrong with a file; None if it replays."""
    try:
        document: Any = json.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        return f"This is not a JSON file: {error}"
    if not isinstance(document, list):
        return "This is not a history: expected a JSON array of events. 'func durable export --id ID' saves one."
    try:
        replayer.replay(cast("list[dict[str, Any]]", document))
    except (AssertionError, ValueError) as error:
        return str(error)
    return None


def _shown(file: Path) -> str:
    folder = Path.cwd()
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)
