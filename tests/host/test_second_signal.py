"""The second signal ends the process immediately, but not before its last lines."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from durable_host.errors import EXIT_STOPPED

PROGRAM = """
import asyncio, logging, os, signal, sys
from durable_host.cli import console
from durable_host.config.log_levels import LogLevels
from durable_host.config.start_options import SilentPresenter
from durable_host.host.process_lifetime import run_services

lines, length, console._PAUSE = map(int, sys.argv[1:])
log = logging.getLogger("Function.f.User")


class Services:
    async def start(self, started_at):
        log.info("first")
        shown.flush()
        for number in range(lines):
            log.info("%d %s", number, "." * length)
        os.kill(os.getpid(), signal.SIGINT)

    async def failure(self):
        await asyncio.Event().wait()

    async def stop(self, grace):
        await asyncio.Event().wait()

    def kill(self):
        log.info("killed")


class Impatient(SilentPresenter):
    def progress(self, text):
        os.kill(os.getpid(), signal.SIGINT)


async def make():
    return Services()


with console.Console(sys.stdout, LogLevels(), mode="plain", coloured=False, verbose=False) as shown:
    run_services(make, Impatient())
"""

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind"),
]


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(lines: int, length: int, pause: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(lines), str(length), str(pause)]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ)


def test_what_was_logged_before_is_written(running: list[subprocess.Popen[str]]) -> None:
    running.append(process := start(3, 10, pause=60))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == EXIT_STOPPED
    assert [line.split()[1] for line in output.splitlines()] == ["first", "0", "1", "2", "killed"]


def test_a_reader_that_has_stalled_does_not_keep_it(running: list[subprocess.Popen[str]]) -> None:
    running.append(process := start(1000, 1000, pause=0))
    assert process.wait(60) == EXIT_STOPPED
