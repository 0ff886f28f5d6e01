"""Handles SIGINT and SIGTERM while a command runs another one, or waits for something that may be given up."""

import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType


class Terminated(BaseException):
    """SIGTERM came."""


class Signals:
    """Signal handling: SIGINT and SIGTERM end the command first, then the host. During clean-up they are ignored."""

    def __init__(self) -> None:
        self.command: subprocess.Popen[bytes] | None = None
        self.ignored = False
        self._interrupts = 0

    def received(self, number: int, _frame: FrameType | None) -> None:
        if self.ignored:
            return
        if number != signal.SIGINT:
            raise Terminated
        if self.command is None:
            raise KeyboardInterrupt
        # The terminal has sent the signal to the command as well, which ends in its own way. A second signal forces it.
        self._interrupts += 1
        if self._interrupts > 1:
            self.command.terminate()


@contextmanager
def handled_signals() -> Generator[Signals]:
    """Install the handlers, and restore the previous ones at the end."""
    handling = Signals()
    numbers = (signal.SIGINT, signal.SIGTERM)
    try:
        previous = [signal.signal(number, handling.received) for number in numbers]
    except ValueError:  # not the main thread: the caller handles signals
        yield handling
        return
    try:
        yield handling
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


@contextmanager
def ended_by_signals() -> Generator[None]:
    """SIGINT and SIGTERM end the body, and nothing else."""
    if threading.current_thread() is not threading.main_thread():  # Only that one handles signals.
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
