"""Signals end the process even if nobody reads its output; the second one immediately, after its last lines."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from durable_host.errors import EXIT_STOPPED

PROGRAM = """
import asyncio, logging, os, signal, sys, threading, time
from durable_host.cli import console, standard_streams
from durable_host.config.log_levels import LogLevels
from durable_host.config.start_options import SilentPresenter
from durable_host.host.process_lifetime import run_services

lines, length, console._PAUSE, number, is_patient, console._LONGEST_CLOSE = map(float, sys.argv[1:])
lines, length, number = int(lines), int(length), int(number)
log = logging.getLogger("Function.f.User")


class Services:
    async def start(self, started_at):
        log.info("first")
        shown.flush()
        for line in range(lines):
            log.info("%d %s", line, "." * length)
        os.kill(os.getpid(), number)

    async def failure(self):
        await asyncio.Event().wait()

    async def stop(self, grace):
        if not is_patient:
            await asyncio.Event().wait()

    def running_functions(self):
        return {}

    def kill(self):
        log.info("killed")


class Impatient(SilentPresenter):
    def progress(self, text):
        if not is_patient:
            os.kill(os.getpid(), number)


async def make():
    return Services()


def send_second():
    while signal.getsignal(signal.SIGTERM) is not signal.default_int_handler:
        time.sleep(0.01)
    os.kill(os.getpid(), number)


if console._LONGEST_CLOSE > 60:
    threading.Thread(target=send_second, daemon=True).start()
stdout = standard_streams.separate_stdout()
with console.Console(stdout, LogLevels(), mode="plain", coloured=False, verbose=False) as shown:
    code = run_services(make, Impatient())
sys.exit(code)
"""

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind"),
]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the program, which sends itself two signals, or one if it is patient and the console closes soon."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    started: list[subprocess.Popen[str]] = []

    def run(
        lines: int,
        length: int,
        *,
        pause: int = 0,
        number: int = signal.SIGINT,
        is_patient: bool = False,
        longest_close: float = 0.5,
    ) -> subprocess.Popen[str]:
        arguments = [lines, length, pause, int(number), int(is_patient), longest_close]
        command = [sys.executable, str(program), *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_what_was_logged_before_is_written(start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start(3, 10, pause=60)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == EXIT_STOPPED
    assert [line.split()[1] for line in output.splitlines()] == ["first", "0", "1", "2", "killed"]


@pytest.mark.parametrize("is_patient", [True, False])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_reader_that_has_stalled_does_not_keep_it(
    start: Callable[..., subprocess.Popen[str]], number: int, is_patient: bool
) -> None:
    assert start(1000, 1000, number=number, is_patient=is_patient).wait(60) == EXIT_STOPPED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_another_signal_ends_the_wait_for_a_reader(start: Callable[..., subprocess.Popen[str]], number: int) -> None:
    process = start(1000, 1000, number=number, is_patient=True, longest_close=600)
    assert process.wait(60) == EXIT_STOPPED


def test_the_second_one_kills_the_workers_before_the_services_exist() -> None:
    program = """
import asyncio, os, signal
from durable_host.config.start_options import SilentPresenter
from durable_host.host import process_lifetime


async def make():
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.Event().wait()


asyncio.run(process_lifetime._run_services(make, SilentPresenter(), lambda: print("killed", flush=True)))
"""
    run = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (EXIT_STOPPED, "killed\n")
