"""The log lines of an app under test."""

import logging
import threading
from collections import deque
from typing import ClassVar

import msgspec

from durable_host.config.log_levels import LogLevels

_MOST = 10_000
_HOST = logging.getLogger("Host")
_APP = (logging.getLogger("Host.Function"), logging.getLogger("Function"))


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `level` is a name of the logging module, such as WARNING.

    `function` and `instance_id` are None where the line belongs to none. `category` is the name of the logger.
    """

    level: str
    text: str
    category: str
    function: str | None = None
    instance_id: str | None = None


class LogEntries(logging.Handler):
    """Keeps the latest records of one thread that host.json shows, as `func start` does. `listen` begins it.

    As long as anybody listens, the loggers of the host and of functions have levels of their own.
    """

    _listening: ClassVar[int] = 0

    def __init__(self, thread: int | None) -> None:
        super().__init__(logging.DEBUG)
        self._thread = thread
        self._levels = LogLevels()
        self._entries: deque[LogEntry] = deque(maxlen=_MOST)

    def listen(self, levels: LogLevels) -> None:
        """Begin to keep records that `levels` show, unless it has begun."""
        self._levels = levels
        if self in _HOST.handlers:
            return
        _HOST.addHandler(self)
        _HOST.setLevel(min(levels.level_for("Host.any"), logging.WARNING))
        for logger in _APP:
            logger.setLevel(levels.least)
        _APP[1].addHandler(self)
        LogEntries._listening += 1

    def close(self) -> None:
        """Stop. Loggers have their usual level again when nobody listens."""
        if self in _HOST.handlers:
            LogEntries._listening -= 1
        for logger in (_HOST, *_APP):
            logger.removeHandler(self)
            if not LogEntries._listening:
                logger.setLevel(logging.NOTSET)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        if threading.get_ident() != self._thread or record.levelno < self._levels.level_for(record.name):
            return
        try:
            text = record.getMessage()
        except Exception:
            self.handleError(record)
            return
        self._entries.append(
            LogEntry(
                level=record.levelname,
                text=text,
                category=record.name,
                function=getattr(record, "function", None),
                instance_id=getattr(record, "instance_id", None),
            )
        )

    def kept(self) -> list[LogEntry]:
        """The records, oldest first."""
        return list(self._entries)

    def clear(self) -> None:
        self._entries.clear()
