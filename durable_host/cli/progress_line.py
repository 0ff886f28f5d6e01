"""Shows that a slow step goes on: a line with a spinner on a terminal, otherwise a log line now and then."""

import shutil
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from durable_host.cli.console import Console
from durable_host.cli.printable import printable
from durable_host.redaction import redacted

_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_FRAMES: Final = "|/-\\"
_TICK: Final = 0.1
REPORT_SECONDS: Final = 15.0


class ProgressLine:
    """Draws from a thread of its own, so that it moves while the main thread waits. `last` is the latest progress."""

    def __init__(self, console: Console, say: Callable[[str], None], text: str, *, is_animated: bool) -> None:
        self.last = ""
        self._console = console
        self._say = say
        self._text = text
        self._is_animated = is_animated
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw if is_animated else self._report, daemon=True)

    @contextmanager
    def shown(self) -> Generator[None]:
        """Show the line until the block ends."""
        if not self._is_animated:
            self._say(f"{self._text} ...")
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()
            if self._is_animated:
                self._console.show_status("")

    def _draw(self) -> None:
        frames = _FRAMES if self._console.is_unicode else _ASCII_FRAMES
        count = 0
        while not self._ended.wait(_TICK):
            count += 1
            self._console.show_status(self._line(frames[count % len(frames)]))

    def _line(self, frame: str) -> str:
        """One line that fits into the terminal."""
        text = f"{frame} {self._text} {self._seconds} s"
        if self.last:
            text += f"  {printable(redacted(self.last)).strip()}"
        return text[: max(20, shutil.get_terminal_size().columns - 1)]

    def _report(self) -> None:
        while not self._ended.wait(REPORT_SECONDS):
            last = f": {self.last.strip()}" if self.last else "."
            self._say(f"{self._text}, {self._seconds} s so far{last}")

    @property
    def _seconds(self) -> int:
        return int(time.monotonic() - self._began)
