"""Log records of user code on their way to the host.

Source: docs/protocol/functions-host-worker.md#log-records
"""

from __future__ import annotations

import logging
import os
from typing import Any

from . import scope
from .channel import PipeChannel

_NOISE = "Auth level is not applied to non http function app."
"""azure-functions warns so about every app without HTTP functions, whether it sets an auth level or not."""


class HostHandler(logging.Handler):
    """Root handler: level, text, logger name and the invocation that the record belongs to.

    Its own level stays 0, as in Azure: Flask asks the root's handlers for it and adds a handler of its own otherwise,
    whose text the SDK takes for an error of the request.
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
    """Levels as in the real worker, except for the Azure SDK: its request logs would drown everything else."""
    root = logging.getLogger()
    root.addHandler(HostHandler(channel, minimum_level))
    root.setLevel(logging.DEBUG if os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING") == "1" else logging.INFO)
    logging.getLogger("azure").setLevel(logging.WARNING)
    logging.getLogger("azure.functions").setLevel(logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def report(channel: PipeChannel, level: int, text: str, owner: scope.Scope | None = None) -> None:
    """A record of the worker itself."""
    frame: dict[str, Any] = {"k": "worker", "l": level, "t": text}
    if owner is not None:
        frame["i"], frame["f"] = owner
    channel.send(frame)
