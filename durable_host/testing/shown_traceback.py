"""Tracebacks that end at the test: what the test kit does after that line tells its author nothing."""

import os
import sysconfig
from pathlib import Path
from types import TracebackType

_KIT = "durable_host.testing"
_FOLDERS = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_OF_OTHERS = ("<", *(folder + os.sep for folder in _FOLDERS))
_INSTALLED = ("site-packages", "dist-packages")


def cut_traceback(error: BaseException) -> None:
    """End the traceback of an error, and of its causes, at the last line of the user's code that called the kit.

    An error in code that the kit has called, such as a condition, keeps its traceback.
    """
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        _cut(following.__traceback__)
        following = following.__cause__ or following.__context__


def _cut(trace: TracebackType | None) -> None:
    last: TracebackType | None = None
    while trace is not None:
        if _is_users(trace):
            last = trace
        trace = trace.tb_next
    if last is not None and last.tb_next is not None and _is_kits(last.tb_next):
        last.tb_next = None


def _is_kits(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__")).startswith(_KIT)


def _is_users(trace: TracebackType) -> bool:
    file = trace.tb_frame.f_code.co_filename
    return not file.startswith(_OF_OTHERS) and not any(part in file for part in _INSTALLED)
