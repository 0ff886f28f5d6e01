"""Tracebacks that end at the test: what the test kit does after that line tells its author nothing."""

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

_KIT = "durable_host.testing"
_FOLDERS = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_OF_OTHERS = ("<", *(folder + os.sep for folder in _FOLDERS))
_INSTALLED = ("site-packages", "dist-packages")


def cut_traceback(error: BaseException) -> None:
    """End the traceback of an error, and of its causes, at the last line of the user's code that called the kit.

    Causes that are not errors of the user's code are left out. An error in code that the kit has called, such as a
    condition, keeps its traceback.
    """
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        is_kits = _cut(following.__traceback__)
        cause = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
        if is_kits and cause is not None and not any(map(_is_users, _entries(cause.__traceback__))):
            following.__cause__ = cause = None
            following.__suppress_context__ = True
        following = cause


def _cut(trace: TracebackType | None) -> bool:
    """End the traceback. Returns whether the kit raised the error."""
    entries = list(_entries(trace))
    last = next((index for index in reversed(range(len(entries))) if _is_users(entries[index])), None)
    if last is None or not any(map(_is_kits, entries[last + 1 :])):
        return False
    entries[last].tb_next = None
    return True


def _entries(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_kits(entry: TracebackType) -> bool:
    return str(entry.tb_frame.f_globals.get("__name__")).startswith(_KIT)


def _is_users(entry: TracebackType) -> bool:
    file = entry.tb_frame.f_code.co_filename
    return not file.startswith(_OF_OTHERS) and not any(part in file for part in _INSTALLED)
