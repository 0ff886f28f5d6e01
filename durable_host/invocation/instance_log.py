"""The last log lines about durable instances, in a limited memory."""

import logging
from collections import deque
from collections.abc import Iterable

import msgspec

_CAPACITY = 8 * 1024 * 1024
_LONGEST = 8 * 1024
_OVERHEAD = 400


class LoggedLine(msgspec.Struct, frozen=True, gc=False):
    """One log record. `created` is in seconds since 1970, `level` that of the logging module."""

    created: float
    level: int
    category: str
    function: str | None
    invocation_id: str | None
    instance_id: str
    text: str


class InstanceLog(logging.Handler):
    """Keeps records with an `instance_id`, at most `capacity` characters of them, and drops the oldest.

    `dropped_until` is the time of the last line that was dropped, or of the beginning. Texts are as logged: hide
    secrets before you show them.
    """

    def __init__(self, since: float, capacity: int = _CAPACITY) -> None:
        super().__init__(logging.DEBUG)
        self.dropped_until = since
        self._capacity = capacity
        self._lines: deque[LoggedLine] = deque()
        self._size = 0

    def handle(self, record: logging.LogRecord) -> bool:
        """Like `logging.Handler.handle`, without the lock for the many records that have no instance ID."""
        return getattr(record, "instance_id", None) is not None and bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        instance_id: str | None = getattr(record, "instance_id", None)
        if instance_id is None:
            return
        try:
            text = record.getMessage()[:_LONGEST]
        except Exception:
            self.handleError(record)
            return
        line = LoggedLine(
            record.created,
            record.levelno,
            record.name,
            getattr(record, "function", None),
            getattr(record, "invocation_id", None),
            instance_id,
            text,
        )
        self._lines.append(line)
        self._size += len(text) + _OVERHEAD
        while self._size > self._capacity:
            dropped = self._lines.popleft()
            self._size -= len(dropped.text) + _OVERHEAD
            self.dropped_until = dropped.created

    def of(self, instance_id: str) -> Iterable[LoggedLine]:
        """Return the lines of an instance, oldest first."""
        return [line for line in list(self._lines) if line.instance_id == instance_id]
