"""The debugger in the worker: makes debugpy in the app's environment listen for an editor."""

from __future__ import annotations

import importlib
import logging
import os
import socket
import sys
import threading
import time
from typing import Any

from . import logs
from .channel import PipeChannel

PORT_FREE_WITHIN = 600.0
PORT_CHECK_SECONDS = 0.1


class DebuggerFailed(Exception):
    """The debugger is not installed, or cannot listen."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def open_debug_port(channel: PipeChannel, address: dict[str, Any]) -> None:
    """Listen on `host` and `port`; with `wait`, return when an editor has attached. Raises DebuggerFailed."""
    place = f"{address['host']}:{address['port']}"
    try:
        debugpy: Any = importlib.import_module("debugpy")
    except ImportError as error:
        raise DebuggerFailed("debugger_missing", str(error)) from error
    try:
        debugpy.listen((address["host"], address["port"]))
    except Exception as error:
        raise DebuggerFailed("debugger_failed", f"{place}: {error}") from error
    waits = "; the app is loaded when a debugger has attached." if address["wait"] else ""
    logs.report(channel, logging.INFO, f"Debugger listening on {place}{waits}")
    if address["wait"]:
        debugpy.wait_for_client()


def listen_when_free(channel: PipeChannel, address: dict[str, Any]) -> None:
    """Listen when the previous process's debugger has released the port; log a warning if it does not."""
    deadline = time.monotonic() + PORT_FREE_WITHIN
    while not _is_free(address) and time.monotonic() < deadline:
        time.sleep(PORT_CHECK_SECONDS)
    try:
        open_debug_port(channel, {**address, "wait": False})
    except DebuggerFailed as error:
        logs.report(channel, logging.WARNING, f"The debugger cannot listen: {error}")


def _is_free(address: dict[str, Any]) -> bool:
    """Whether the port is free; debugpy tries only once."""
    with socket.socket(socket.AF_INET6 if ":" in address["host"] else socket.AF_INET) as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address["host"], address["port"]))
        except OSError:
            return False
    return True


def is_attached() -> bool:
    """True while an editor is attached, so that code may be paused for any time."""
    debugpy = sys.modules.get("debugpy")
    if debugpy is None:
        return False
    try:
        return bool(debugpy.is_client_connected())
    except Exception:
        return False


def never_paused(thread: threading.Thread) -> threading.Thread:
    """Mark a thread of the worker, so that breakpoints do not stop it."""
    thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
    thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]
    return thread
