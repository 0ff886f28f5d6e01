"""`func durable serve` as a process of its own, for tests."""

import os
import re
import signal
from pathlib import Path

from func_command import end_of, start_func
from host_template import can_fork

PATIENCE = 60
READY = re.compile(r"Listening: (http://localhost:\d+)")


class Served:
    """A running `func durable serve`."""

    def __init__(self, folder: Path, environment: dict[str, str], *arguments: str) -> None:
        arguments = ("durable", "serve", "--port", "0", *arguments)
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        self.process = start_func(arguments, folder, environ, fork=can_fork(environ))
        self.lines: list[str] = []
        self.url = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if match := READY.search(line):
                self.url = match[1]
                break
        assert self.url, "".join(self.lines)

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return end_of(self.process, PATIENCE)[0]
