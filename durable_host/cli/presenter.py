"""Shows the host's progress on the console."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from durable_host.cli import banner
from durable_host.cli.console import Console
from durable_host.cli.lines import Event, render
from durable_host.cli.progress_line import ProgressLine
from durable_host.config.log_levels import LogLevels
from durable_host.config.start_options import Report, StartSummary
from durable_host.redaction import redacted


class ConsolePresenter:
    """The Presenter of `func start`. All output goes through the console, in order with the log lines.

    With `quiet`, it shows only the address when the host is ready.
    """

    def __init__(self, console: Console, *, verbose: bool, quiet: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._quiet = quiet

    def progress(self, text: str) -> None:
        if self._quiet:
            return
        event = Event(time.time(), 20, "Host.Startup", redacted(text))
        self._console.write(render(event, self._console.mode, self._console.coloured))

    @contextmanager
    def working(self, text: str) -> Generator[Report]:
        if self._quiet:
            yield lambda news: None
            return
        line = ProgressLine(self._console, self.progress, text, is_animated=self._console.is_terminal)
        with line.shown():
            yield lambda news: setattr(line, "last", news)

    def reconfigured(self, levels: LogLevels) -> None:
        self._console.set_levels(levels)

    def started(self, summary: StartSummary) -> None:
        if self._quiet and self._console.mode != "json":
            self._console.write(banner.address(summary, self._console.coloured, self._console.width))
            return
        text = banner.render(
            summary,
            self._console.mode,
            coloured=self._console.coloured,
            verbose=self._verbose,
            width=self._console.width,
        )
        self._console.write(text if self._console.mode == "json" else f"\n{text}\n")
