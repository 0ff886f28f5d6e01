"""`func` commands in a process of their own."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from host_template import ForkedHost, can_fork, fork_host

_UNTIL_KILLED = 20.0


def start_func(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], *, fork: bool
) -> "subprocess.Popen[str] | ForkedHost":
    """Start a command in its own session, with stderr in its stdout. With `fork`, fork it from a prepared process."""
    if fork:
        return fork_host(arguments, folder, environment)
    return subprocess.Popen(
        [sys.executable, "-m", "durable_host", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def end_of(process: "subprocess.Popen[str] | ForkedHost", limit: float) -> tuple[int, str]:
    """The exit code and the rest of the output. A process that takes longer is killed.

    Raises subprocess.TimeoutExpired.
    """
    output = process.stdout
    assert output is not None
    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.append(output.read()), daemon=True)
    reader.start()
    try:
        code = process.wait(limit)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(_UNTIL_KILLED)
        reader.join(_UNTIL_KILLED)
    if reader.is_alive():
        raise AssertionError("another process has the output open, although this one has ended")
    return code, "".join(texts)


def run_func(
    *arguments: str, folder: Path, settings: Mapping[str, str] | None = None, limit: float = 60
) -> subprocess.CompletedProcess[str]:
    """The exit code and the output of a command, whose standard input is empty.

    It is forked from a process that is prepared, so it may not be about the start of the program.
    """
    environment = {**os.environ, **(settings or {})}
    if not can_fork(environment):
        command = [sys.executable, "-m", "durable_host", *arguments]
        return subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=limit,
        )  # fmt: skip
    return run_forked("durable_host", arguments, folder=folder, environment=environment, limit=limit)


def run_forked(
    program: str, arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], limit: float
) -> subprocess.CompletedProcess[str]:
    """The exit code and the output of a program that `fork_host` knows, whose standard input is empty."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = fork_host(arguments, folder, environment, errors.fileno(), program=program)
        code, output = end_of(process, limit)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, output, errors.read())
