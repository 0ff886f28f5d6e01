"""The console: a log handler that writes to stdout without blocking the event loop.

Records are filtered and rendered by the thread that logs them, and written by a separate thread. The queue is
bounded: when nobody reads stdout, lines are dropped and counted, and the host continues.

Source: docs/protocol/functions-host-cli.md#line-format, docs/protocol/functions-host-cli.md#log-levels
"""

import atexit
import logging
import queue
import sys
import threading
import time
import traceback
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, TextIO

from durable_host.cli.interruption import ended_by_signals
from durable_host.cli.line_width import width_of
from durable_host.cli.lines import Event, OutputMode, render
from durable_host.config.log_levels import TRACE, LogLevels, is_of_app
from durable_host.redaction import redacted, redacted_json

_BATCH: Final = 500
_PAUSE: Final = 0.02
"""Seconds."""
_LONGEST_FLUSH: Final = 0.5
"""Seconds."""
_LONGEST_CLOSE: Final = 5.0
"""Seconds."""
_CAPACITY: Final = 20_000
_NOT_SHOWN: Final = ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing")
_CLEAR_LINE: Final = "\r\x1b[K"
_ALWAYS_SHOWN: Final = (
    "Worker process started and initialized.",
    "Host lock lease acquired by instance ID",
    "Debugger listening on ",
    "Retention: ",
)
_NOISY: Final = ("azure", "aiohttp", "asyncio", "docker", "urllib3", "watchfiles", "msal", "grpc")


class _Status(str):
    """A line that stays at the end of the output until another one replaces it; the empty one removes it."""

    __slots__ = ()


class _Flush(threading.Event):
    """Set when the lines before it in the queue are written."""


class Console(logging.Handler):
    """Writes records that pass the log levels to `stream`. Use it as a context manager: exiting writes the rest.

    Nobody else may write to the buffer of `stream` (`standard_streams.separate_stdout`).
    `quiet` shows all records of the app, and only warnings and errors of the host.
    """

    def __init__(
        self,
        stream: TextIO,
        levels: LogLevels,
        *,
        mode: OutputMode,
        coloured: bool,
        verbose: bool,
        quiet: bool = False,
        debug: bool = False,
    ) -> None:
        super().__init__(TRACE)
        self.mode: Final[OutputMode] = mode
        self.coloured: Final = coloured
        self._stream = stream
        self._levels = levels
        self._verbose = verbose
        self._quiet = quiet
        self._debug = debug
        self._thresholds: dict[str, int] = {}
        self._queue: queue.SimpleQueue[Event | str | _Flush | None] = queue.SimpleQueue()
        self._status = ""
        self._dropped = 0
        self._broken = False
        self._writer: threading.Thread | None = None
        self._hurry = threading.Event()
        self._ending = ExitStack()

    def __enter__(self) -> "Console":
        """Install the console as the handler of the root logger and start writing."""
        root = logging.getLogger()
        root.addHandler(self)
        self._set_levels()
        for name in _NOISY:
            logging.getLogger(name).setLevel(max(logging.WARNING, self._threshold(name)))
        self._ending.enter_context(_brief_records())
        self._writer = threading.Thread(target=self._write_all, name="console", daemon=True)
        self._writer.start()
        atexit.register(self.close)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set_levels(self, levels: LogLevels) -> None:
        """Filter by these levels from now on."""
        self._levels = levels
        self._thresholds.clear()
        self._set_levels()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
            if record.levelno < self._threshold(record.name) and not _is_always_shown(record.name, message):
                return
            if record.exc_info and record.exc_info[1] is not None:
                message = f"{message}\n{self._exception(record.exc_info[1])}"
            self._put(
                Event(
                    record.created,
                    record.levelno,
                    record.name,
                    redacted(message),
                    getattr(record, "function", None) or _function_of(record.name),
                    getattr(record, "invocation_id", None),
                    getattr(record, "instance_id", None),
                    redacted_json(getattr(record, "brief", None)) if self.mode == "compact" else None,
                    getattr(record, "status", None),
                    getattr(record, "duration_ms", None),
                    redacted_json(getattr(record, "exception", None)) if self.mode == "json" else None,
                )
            )
        except Exception:
            self.handleError(record)

    def write(self, text: str) -> None:
        """Write text that is already rendered, in order with the log lines."""
        self._put(text)

    @property
    def is_terminal(self) -> bool:
        return self.mode == "compact" and self._stream.isatty()

    @property
    def width(self) -> int | None:
        """The width of the terminal; None if the output is not one."""
        return width_of(self._stream)

    @property
    def is_unicode(self) -> bool:
        return (self._stream.encoding or "").lower().replace("-", "") == "utf8"

    def show_status(self, text: str) -> None:
        """Keep a short line at the end of the output, which must be a terminal, until the next call. Empty: none."""
        self._put(_Status(text))

    def flush(self) -> None:
        """Wait until the queued lines are written, or until it is likely that nobody reads them."""
        if self._writer is not None:
            flushed = _Flush()
            self._queue.put(flushed)
            self._hurry.set()
            flushed.wait(_LONGEST_FLUSH)

    def close(self) -> None:
        """Write the queued lines and stop; later records are written immediately. Safe to call twice."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._queue.put(None)
            self._hurry.set()
            try:
                with ended_by_signals():
                    writer.join(timeout=_LONGEST_CLOSE)
            finally:
                if writer.is_alive():
                    self._broken = True  # Nobody reads: another write would wait for this one.
            atexit.unregister(self.close)
            logging.getLogger().removeHandler(self)
            logging.getLogger("Function").setLevel(logging.NOTSET)
            self._ending.close()
        super().close()

    def _put(self, item: Event | str) -> None:
        if self._writer is None:
            self._write([item])
            return
        if self._queue.qsize() < _CAPACITY:
            self._queue.put(item)
        else:
            self._dropped += 1

    def _write_all(self) -> None:
        """Write lines at once, but at most every `_PAUSE` seconds: waking this thread for each line takes longer.

        So `kill -9` loses the lines of the last 20 ms. A second signal does not: it calls `flush`.
        """
        while True:
            batch = [self._queue.get()]
            while batch[-1] is not None and len(batch) < _BATCH:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            try:
                self._write([item for item in batch if isinstance(item, (Event, str))])
            except Exception as error:
                with suppress(OSError, ValueError):
                    sys.stderr.write(f"Log lines could not be written: {type(error).__name__}: {error}\n")
            for item in batch:
                if isinstance(item, _Flush):
                    item.set()
            if batch[-1] is None:
                return
            if len(batch) < _BATCH:
                self._hurry.wait(_PAUSE)
                self._hurry.clear()

    def _write(self, items: list[Event | str]) -> None:
        if self._broken:
            return
        text = _CLEAR_LINE if self._status else ""
        for item in items:
            if isinstance(item, _Status):
                self._status = str(item)
            else:
                text += item if isinstance(item, str) else render(item, self.mode, self.coloured)
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            message = f"{dropped} log lines were dropped because the console was not read."
            text += render(Event(time.time(), logging.WARNING, "Host.Console", message), self.mode, self.coloured)
        text += self._status
        try:
            self._stream.write(text)
            self._stream.flush()
        except UnicodeEncodeError:
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):
            self._broken = True

    def _threshold(self, category: str) -> int:
        level = self._thresholds.get(category)
        if level is None:
            level = self._levels.level_for(category, verbose=self._verbose)
            if self._quiet and not is_of_app(category):
                level = max(level, logging.WARNING)
            self._thresholds[category] = level
        return level

    def _set_levels(self) -> None:
        """Set the loggers' levels, so that records that would not be shown are not created."""
        logging.getLogger().setLevel(self._levels.least)
        shown = [level for category, level in self._levels.rules if category.startswith("function") or "*" in category]
        shown += [self._threshold("Function.any"), self._threshold("Function.any.User")]
        logging.getLogger("Function").setLevel(max(TRACE, min(shown)))

    def _exception(self, error: BaseException) -> str:
        if self._debug:
            return "".join(traceback.format_exception(error)).rstrip()
        parts: list[str] = []
        current: BaseException | None = error
        while current is not None and len(parts) < 8:
            parts.append(f"{type(current).__name__}: {str(current).rstrip('.')}.")
            current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        return " ".join(parts)


@contextmanager
def _brief_records() -> Generator[None]:
    """Leave out of records what no line shows: it takes a third of the time of a line (see Python's logging guide)."""
    saved = {name: getattr(logging, name) for name in _NOT_SHOWN}
    for name in _NOT_SHOWN:
        setattr(logging, name, None)
    try:
        yield
    finally:
        for name, value in saved.items():
            setattr(logging, name, value)


def _is_always_shown(category: str, message: str) -> bool:
    """Whether it is one of the host's messages that no level hides. The app may log the same words."""
    return message.startswith(_ALWAYS_SHOWN) and not category.startswith("Function.")


def _function_of(category: str) -> str | None:
    """`hello` of `Function.hello` and `Function.hello.User`."""
    if not category.startswith("Function."):
        return None
    return category.removeprefix("Function.").removesuffix(".User") or None
