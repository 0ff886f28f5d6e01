"""Describes exceptions of user code: `Type: text`, and a traceback that begins in the user's code.

Source: docs/protocol/functions-host-worker.md#exceptions
"""

from __future__ import annotations

import os
import re
import traceback
from typing import Any, cast

_WORKER_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_IMPORT_MACHINERY = ("<frozen importlib", "<frozen runpy")
_STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_SDK_FILE = re.compile(r"(?:site|dist)-packages[\\/](?:azure[\\/](?:functions|durable_functions)|azurefunctions)[\\/]")
_CORE_FILE = re.compile(r"(?:site|dist)-packages[\\/]durabletask[\\/]")
MODULE_HINT = (
    "Cannot find module. Please check the requirements.txt file for the missing module. For more info, please refer "
    "the troubleshooting guide: https://aka.ms/functions-modulenotfound."
)


def text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        return f"<str() of the exception failed: {type(broken).__name__}>"


def describe(error: BaseException, app_root: str | None = None) -> dict[str, Any]:
    """The fields of a `failed` frame: type, message (without the type), stack; file and line in the app if known.

    `users`: the stack has frames of the app.
    """
    fields: dict[str, Any] = {"type": type(error).__name__, "message": text_of(error), "stack": stack_of(error)}
    place = place_of(error) if app_root is None else _place_in_app(error, app_root)
    fields["users"] = place is not None
    if place is not None:
        fields["file"], fields["line"] = place
    return fields


def place_of(error: BaseException) -> tuple[str, int] | None:
    """The file and line of the innermost frame of user code in the traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return (frames[-1].filename, frames[-1].lineno or 1) if frames else None


def is_raised_in_users_code(error: BaseException) -> bool:
    """Whether it was raised in user code and not in a library."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and is_users(frames[-1].filename)


def sdk_calls(error: BaseException) -> set[str]:
    """The names of the SDK's functions in the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    return {frame.name for frame in frames if _is_sdks(frame.filename)}


def is_raised_through_sdk(error: BaseException) -> bool:
    """True if the traceback contains code of an SDK, also that of the Durable Task SDK."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(_is_sdks(frame.filename) or _CORE_FILE.search(frame.filename) for frame in frames)


def stack_of(error: BaseException) -> str:
    """The traceback with chained causes, without frames of the worker and the import system.

    Frames of the SDKs are left out too if there are frames of user code.
    """
    try:
        trace = traceback.TracebackException.from_exception(error, compact=True)
        _prune(trace, _wrappers(error), set())
        return "".join(trace.format()).rstrip("\n")
    except Exception:
        return f"{type(error).__name__}: {text_of(error)}"


def _wrappers(error: BaseException) -> set[tuple[str, int | None, str]]:
    """Frames of the 2.x SDK that name the user's file, although their line is in the SDK."""
    found: set[tuple[str, int | None, str]] = set()
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        for frame, line in traceback.walk_tb(one.__traceback__):
            code = frame.f_code
            if is_users(code.co_filename) and _is_sdks(str(frame.f_globals.get("__file__"))):
                found.add((code.co_filename, line, code.co_name))
        todo += [one.__cause__, one.__context__]
        group = getattr(one, "exceptions", None)
        if isinstance(group, tuple):
            todo += [part for part in cast("tuple[Any, ...]", group) if isinstance(part, BaseException)]
    return found


def _prune(trace: traceback.TracebackException, wrappers: set[tuple[str, int | None, str]], seen: set[int]) -> None:
    if id(trace) in seen:
        return
    seen.add(id(trace))
    frames = [
        frame
        for frame in trace.stack
        if not _is_ours(frame.filename) and (frame.filename, frame.lineno, frame.name) not in wrappers
    ]
    if any(is_users(frame.filename) for frame in frames):
        frames = [frame for frame in frames if not (_is_sdks(frame.filename) or _CORE_FILE.search(frame.filename))]
    trace.stack = traceback.StackSummary.from_list(frames)
    for other in (trace.__cause__, trace.__context__, *(getattr(trace, "exceptions", None) or ())):
        if other is not None:
            _prune(other, wrappers, seen)


def _is_ours(filename: str) -> bool:
    return filename.startswith((_WORKER_FOLDER, *_IMPORT_MACHINERY)) or filename.endswith(
        (os.path.join("importlib", "__init__.py"), os.path.join("concurrent", "futures", "thread.py"))
    )


def is_users(filename: str) -> bool:
    """Whether a file belongs to the app: not to a library, the standard library or generated code."""
    path = os.path.abspath(filename)
    is_library = path.startswith(_STDLIB) or any(
        f"{os.sep}{folder}{os.sep}" in path for folder in ("site-packages", "dist-packages")
    )
    return not (filename.startswith("<") or is_library or _is_ours(filename) or _is_sdks(filename))


def _is_sdks(filename: str) -> bool:
    return _SDK_FILE.search(filename) is not None


def _place_in_app(error: BaseException, app_root: str) -> tuple[str, int] | None:
    """The place of the error in the app: the innermost frame there, or the place of a syntax error."""
    if isinstance(error, SyntaxError) and error.filename and is_inside(error.filename, app_root):
        return error.filename, error.lineno or 1
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_inside(frame.filename, app_root)]
    return (frames[-1].filename, frames[-1].lineno or 1) if frames else None


def is_inside(filename: str, app_root: str) -> bool:
    path = os.path.abspath(filename)
    return path.startswith(app_root + os.sep) and f"{os.sep}site-packages{os.sep}" not in path
