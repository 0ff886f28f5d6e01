"""`func durable serve` as a process of its own, for tests."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

PATIENCE = 60
READY = re.compile(r"Listening: (http://localhost:\d+)")


class Served:
    """A running `func durable serve`."""

    def __init__(self, folder: Path, environment: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "durable_host", "durable", "serve", "--port", "0", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
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
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode
