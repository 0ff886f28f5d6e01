"""Handles SIGINT and SIGTERM while a command runs another one, or waits for something that may be given up."""

import signal
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


class Terminated(BaseException):
    """SIGTERM was received."""


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
    with _handler(handling.received):
        yield handling


@contextmanager
def ended_by_signals() -> Generator[None]:
    """SIGINT and SIGTERM end the body, and nothing else."""
    with _handler(signal.default_int_handler), suppress(KeyboardInterrupt):
        yield


@contextmanager
def _handler(handler: Callable[[int, FrameType | None], Any]) -> Generator[None]:
    """Handle both signals in the body. Outside the main thread, its caller handles them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, replaced in zip(numbers, previous, strict=True):
            signal.signal(number, replaced)
