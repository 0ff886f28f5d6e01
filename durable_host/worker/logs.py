"""Sends log records of user code to the host.

Source: docs/protocol/functions-host-worker.md#log-records
"""

from __future__ import annotations

import logging
import os
from typing import Any

from . import scope
from .channel import PipeChannel

_NOISE = "Auth level is not applied to non http function app."
"""azure-functions logs this for every app without HTTP functions, even if it does not set an auth level."""


class HostHandler(logging.Handler):
    """The root handler. It sends level, text, logger name and the invocation of a record.

    Its own level stays 0, as in Azure. Otherwise Flask, which checks the levels of the root's handlers, adds its own
    handler, whose output the SDK treats as an error of the request.
    """

    def __init__(self, channel: PipeChannel, minimum_level: int) -> None:
        super().__init__()
        self._channel = channel
        self._minimum_level = minimum_level

    def handle(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self._minimum_level and not _is_noise(record) and bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            frame: dict[str, Any] = {"k": "log", "l": _level(record.levelno), "c": record.name, "t": text}
            if (owner := scope.resolve()) is not None:
                frame["i"], frame["f"] = owner
            self._channel.send(frame)
        except Exception:
            self.handleError(record)


def _is_noise(record: logging.LogRecord) -> bool:
    return (
        isinstance(record.msg, str)
        and record.msg.startswith(_NOISE)
        and os.path.join("azure", "functions", "decorators") in record.pathname
    )


def _level(number: int) -> int:
    for level in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO):
        if number >= level:
            return level
    return logging.DEBUG


def install(channel: PipeChannel, minimum_level: int) -> None:
    """Install the handler, with the levels of Azure's worker, except for the Azure SDK, which logs every request."""
    root = logging.getLogger()
    root.addHandler(HostHandler(channel, minimum_level))
    root.setLevel(logging.DEBUG if os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING") == "1" else logging.INFO)
    logging.getLogger("azure").setLevel(logging.WARNING)
    logging.getLogger("azure.functions").setLevel(logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def report(channel: PipeChannel, level: int, text: str, owner: scope.Scope | None = None) -> None:
    """Send a record of the worker itself."""
    frame: dict[str, Any] = {"k": "worker", "l": level, "t": text}
    if owner is not None:
        frame["i"], frame["f"] = owner
    channel.send(frame)
