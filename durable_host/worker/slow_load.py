"""Logs the current line of an app that loads slowly, because of large imports or a service that does not answer."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Generator

from . import debugging, failures, logs
from .channel import PipeChannel

REPORT_AFTER = 5.0


@contextlib.contextmanager
def reporting(channel: PipeChannel, app_root: str) -> Generator[None, None, None]:
    """Watch the current thread in this block."""
    loading = threading.get_ident()

    def report() -> None:
        if not debugging.is_attached():
            place = _place(loading, app_root)
            logs.report(channel, logging.INFO, f"The app is still being loaded after {REPORT_AFTER:g} s{place}")

    timer = threading.Timer(REPORT_AFTER, report)
    timer.daemon = True
    debugging.never_paused(timer).start()
    try:
        yield
    finally:
        timer.cancel()


def _place(thread: int, app_root: str) -> str:
    """The innermost line of the app's own code."""
    frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage]
    for entry in reversed(traceback.extract_stack(frame)):
        if failures.is_inside(entry.filename, app_root):
            return f": {os.path.relpath(entry.filename, app_root)}:{entry.lineno}: {entry.line}"
    return ""
