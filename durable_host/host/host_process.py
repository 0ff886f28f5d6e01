"""Runs `func start` in a child process, for commands that need a running host."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec

import durable_host
from durable_host.errors import EXIT_FAILURE, HostError

_PATH: Final = "import sys; sys.path.append(sys.argv.pop(1)); "
_MAIN: Final = "from durable_host.cli import main; sys.exit(main(text_errors=True))"
_STOP_SECONDS: Final = 15.0
_KEPT_LINES: Final = 20
WAITING: Final = "The host waits up to"
"""How the line begins that says what a stop waits for."""

LogLine = Callable[[str, str], None]
"""Called with the level and message of each log record, from another thread."""


class HostNotReady(HostError):
    """The host ended, or took too long, before it was ready; its output is above or in the cause.

    `host_code` is the exit code of the host if it ended by itself.
    """

    code = "DH3020"

    def __init__(self, message: str, *, host_code: int = EXIT_FAILURE, **details: Any) -> None:
        super().__init__(message, **details)
        self.host_code = host_code


def start_process(
    program: str,
    arguments: Sequence[str],
    environ: Mapping[str, str],
    folder: Path,
    inherited: Sequence[int],
    errors: IO[bytes] | None,
) -> "subprocess.Popen[str]":
    """Start Python code with arguments, in a session or process group of its own. Its standard output is a pipe."""
    detached: dict[str, Any] = {"start_new_session": True, "pass_fds": tuple(inherited)}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        encoding="utf-8",
        errors="replace",
        **detached,
    )


class HostProcess:
    """A host process. The constructor starts it. Ctrl+C in the terminal does not reach it: call `stop`.

    `prelude` is Python code that runs first, with the file descriptors `inherited`. Its standard error is `errors`, or
    that of this process.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        folder: Path,
        log: LogLine,
        prelude: str = "",
        inherited: Sequence[int] = (),
        errors: IO[bytes] | None = None,
    ) -> None:
        self._log = log
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process = start_process(
            f"{_PATH}{prelude}{_MAIN}",
            [str(Path(durable_host.__file__).parent.parent), "start", *arguments, "--output", "json"],
            environ,
            folder,
            inherited,
            errors,
        )
        self._reader = threading.Thread(target=self._read, name="host-output", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def last_lines(self) -> list[str]:
        """The latest lines of its log."""
        return list(self._last)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, timeout: float) -> str:
        """Wait for the host and return its base URL.

        Raises HostNotReady after `timeout` seconds, or if the host ends before it is ready.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise HostNotReady(
                    f"The host was not ready within {timeout:g} seconds.",
                    cause="\n".join(self._last) or None,
                    remedy="Give it more time with --timeout, or check the output of 'func start'.",
                ) from None
            if event is None:
                code = self._process.wait()
                raise HostNotReady(
                    "The host did not start.",
                    cause="\n".join(self._last) or None,
                    remedy="'func start' and 'func doctor' show more.",
                    host_code=code if code > 0 else EXIT_FAILURE,
                )
            if event.get("event") == "started":
                return str(event["base_url"]).rstrip("/")

    def stop(self) -> None:
        """Stop the host gracefully; kill it after 15 s. Idempotent."""
        if self._process.poll() is None:
            if sys.platform == "win32":
                self._process.terminate()
            else:
                self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._kill()
        self._reader.join(timeout=2.0)

    def _kill(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
        else:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                event: Any = msgspec.json.decode(line)
            except msgspec.DecodeError:
                event = {"level": "Information", "message": line.rstrip()}
            if not isinstance(event, dict):
                continue
            members = cast("dict[str, Any]", event)
            if "message" in members:
                self._last.append(str(members["message"]))
                self._log(str(members.get("level", "")), str(members["message"]))
            elif "event" in members:
                self._events.put(members)
        self._events.put(None)
