"""Captures the standard streams: the pipes are for frames, and the output of user code becomes console records.

Source: docs/protocol/functions-host-worker.md#printed-output
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, cast

from . import debugging, scope
from .channel import PipeChannel

LONGEST_LINE = 64 * 1024


def take_pipes() -> tuple[int, int]:
    """Return private descriptors of the host's pipes (requests, answers). 0 then reads nothing, 1 can be captured."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    return requests, answers


class Lines:
    """Splits written bytes into lines. Each thread has its own unfinished line."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._lock = threading.RLock()
        self._unfinished: dict[int, bytes] = {}

    def write(self, data: bytes) -> None:
        writer = threading.get_ident()
        with self._lock:
            *lines, rest = (self._unfinished.pop(writer, b"") + data).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines.append(rest)
                rest = b""
            if rest:
                self._unfinished[writer] = rest
        for line in lines:
            self._emit(_text(line))

    def finish(self) -> None:
        with self._lock:
            rests = list(self._unfinished.values())
            self._unfinished.clear()
        for rest in rests:
            self._emit(_text(rest))


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "replace")


class CapturedStream(io.RawIOBase):
    """The raw stream behind `sys.stdout` and `sys.stderr`."""

    def __init__(self, descriptor: int, lines: Lines) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.lines = lines

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any, /) -> int:
        written = bytes(data)
        self.lines.write(written)
        return len(written)


class Capture:
    """Converts prints, and writes to descriptor 1, to `console` frames. Descriptor 2 goes to the host unchanged."""

    def __init__(self, channel: PipeChannel) -> None:
        self._channel = channel
        self._streams: list[Lines] = []
        sys.stdout = sys.__stdout__ = self._stream(1, "stdout")
        sys.stderr = sys.__stderr__ = self._stream(2, "stderr")
        self._pump_descriptor(1, "stdout")

    def finish(self) -> None:
        """Send unfinished lines."""
        for lines in self._streams:
            lines.finish()

    def _stream(self, descriptor: int, name: str) -> io.TextIOWrapper:
        lines = self._lines(name)
        raw = cast("Any", CapturedStream(descriptor, lines))
        return io.TextIOWrapper(
            raw, encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True, write_through=True
        )

    def _lines(self, name: str) -> Lines:
        def emit(text: str) -> None:
            frame: dict[str, Any] = {"k": "console", "s": name, "t": text}
            if (owner := scope.resolve()) is not None:
                frame["i"], frame["f"] = owner
            self._channel.send(frame)

        lines = Lines(emit)
        self._streams.append(lines)
        return lines

    def _pump_descriptor(self, descriptor: int, name: str) -> None:
        """Read what C libraries and child processes write directly to a descriptor."""
        source, target = os.pipe()
        os.dup2(target, descriptor)
        os.close(target)
        lines = self._lines(name)

        def pump() -> None:
            while data := os.read(source, 65536):
                # Keep reading the pipe even if a line causes an error, or the next print of a child process hangs.
                with contextlib.suppress(Exception):
                    lines.write(data)

        debugging.never_paused(threading.Thread(target=pump, name="durable-host-console", daemon=True)).start()


def after_fork() -> None:
    """Make a forked child of user code print to the plain descriptors again."""
    sys.stdout = sys.__stdout__ = _plain(1)
    sys.stderr = sys.__stderr__ = _plain(2)


def _plain(descriptor: int) -> io.TextIOWrapper:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)
