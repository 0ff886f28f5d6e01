"""The log lines of an app under test."""

import logging
from collections import deque

import msgspec

_MOST = 10_000


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
    """Keeps the latest records of the host and of the functions."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._entries: deque[LogEntry] = deque(maxlen=_MOST)

    def emit(self, record: logging.LogRecord) -> None:
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

    def list(self) -> list[LogEntry]:
        return list(self._entries)

    def clear(self) -> None:
        self._entries.clear()
