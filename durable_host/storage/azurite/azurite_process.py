"""An Azurite process that this host starts: its command line, readiness and shutdown."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any, cast

from durable_host.config.connection import Connection
from durable_host.private_files import make_app_folder
from durable_host.storage.azurite.errors import AzuriteError, AzuriteStartFailed
from durable_host.storage.azurite.install import PACKAGE, AzuriteProgram, Node, cache_dir
from durable_host.storage.azurite.note import NOTE
from durable_host.storage.azurite.probe import address_of, probe

READY_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
LOG = "azurite.log"

DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_POLL_SECONDS = 0.02


def command_line(
    connection: Connection, data_dir: Path | None, *, program: AzuriteProgram, listen: str | None = None
) -> list[str]:
    """The command line of Azurite for a connection. `data_dir` None keeps all data in memory.

    Options that the installed version does not support are left out. `listen` replaces the hosts of the endpoints.
    """
    arguments: list[str] = []
    for service in ("blob", "queue", "table"):
        endpoint = getattr(connection, f"{service}_endpoint")
        host, port = address_of(endpoint)
        arguments += [f"--{service}Host", listen or host, f"--{service}Port", str(port)]
        if program.knows(f"{service}KeepAliveTimeout"):
            arguments += [f"--{service}KeepAliveTimeout", "600"]
    for option in ("skipApiVersionCheck", "disableTelemetry", "silent"):
        if program.knows(option):
            arguments.append(f"--{option}")
    return [*arguments, "--inMemoryPersistence"] if data_dir is None else [*arguments, "--location", str(data_dir)]


def account_environment(connection: Connection) -> dict[str, str]:
    """The variable AZURITE_ACCOUNTS if the connection does not use the well-known account."""
    if connection.account_key and connection.account_key != DEVELOPMENT_KEY:
        return {"AZURITE_ACCOUNTS": f"{connection.account_name}:{connection.account_key}"}
    return {}


class AzuriteProcess:
    """An Azurite that this process started. If this process dies, Azurite saves its data and ends by itself."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, temporary: Path | None, origin: str) -> None:
        self._process = process
        self._log = log
        self._temporary = temporary
        self._stopping = threading.Lock()
        self.origin = origin

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it is still running."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Shut it down gracefully and wait, so that all data is saved; kill it after 10 s. Idempotent."""
        with self._stopping:
            if self._process.poll() is None:
                _ask_to_end(self._process)
                try:
                    self._process.wait(STOP_TIMEOUT)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
            if self._temporary is not None:
                with contextlib.suppress(OSError):
                    self._log.unlink(missing_ok=True)
                    self._temporary.rmdir()

    def last_log_lines(self, count: int = 8) -> str:
        """The last lines of Azurite's output."""
        try:
            lines = self._log.read_text("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join([line for line in lines if line.strip()][-count:])


def spawn(connection: Connection, data_dir: Path | None, node: Node, program: AzuriteProgram) -> AzuriteProcess:
    """Start Azurite without waiting for it. It ends when its standard input, a pipe from this process, is closed."""
    temporary = None
    if data_dir is None:
        temporary = Path(tempfile.mkdtemp(prefix="durable-host-azurite-"))
        folder = temporary
    else:
        make_app_folder(data_dir)
        folder = data_dir
    environ = {**os.environ, **account_environment(connection), "DURABLE_HOST_PID": str(os.getpid())}
    environ.setdefault("NODE_COMPILE_CACHE", str(cache_dir() / "node-compile-cache"))
    environ.pop("NODE_OPTIONS", None)
    if data_dir is not None:
        environ["DURABLE_HOST_AZURITE_NOTE"] = str(data_dir / NOTE)
    command = [node.program, str(PACKAGE / "run.js"), str(program.path)]
    command += command_line(connection, data_dir, program=program)
    log = folder / LOG
    try:
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
            process = _popen(command, folder, environ, output)
    except OSError as error:
        raise AzuriteStartFailed("Azurite could not be started.", cause=str(error)) from error
    return AzuriteProcess(process, log, temporary, program.origin)


def wait_until_ready(
    azurite: AzuriteProcess, connection: Connection, *, timeout: float, cancelled: threading.Event | None
) -> bool:
    """Poll until all services answer. False if it has ended and another Azurite answers on the ports instead.

    Raises AzuriteStartFailed, and stops it, if it ends, does not become ready in time, or `cancelled` is set.
    """
    deadline = time.monotonic() + timeout
    try:
        while True:
            running = azurite.is_running
            health = probe(connection)
            if health.is_ready:
                if running and azurite.is_running:
                    return True
                azurite.stop()
                return False
            if not running:
                raise _ended(azurite)
            problem = health.problem(connection.setting)
            if problem is not None and any(service.state == "refused" for service in health.services):
                raise problem
            if cancelled is not None and cancelled.is_set():
                raise AzuriteStartFailed("The start of Azurite was interrupted.")
            if time.monotonic() > deadline:
                raise AzuriteStartFailed(
                    f"Azurite did not become ready within {timeout:.0f} s.",
                    cause=azurite.last_log_lines() or None,
                    remedy="Check what keeps the machine busy and start again.",
                )
            time.sleep(_POLL_SECONDS)
    except BaseException:
        azurite.stop()
        raise


def _ended(azurite: AzuriteProcess) -> AzuriteError:
    log = azurite.last_log_lines()
    if "EADDRINUSE" in log or "EACCES" in log:
        return AzuriteStartFailed(
            "Azurite could not listen on its ports.", cause=log, remedy="Stop the program that uses the port."
        )
    return AzuriteStartFailed(
        "Azurite ended immediately after it was started.",
        cause=log or None,
        remedy="If its data is damaged, move the folder '.azurite' of the app away and start again.",
    )


def _ask_to_end(process: "subprocess.Popen[bytes]") -> None:
    if sys.platform == "win32":
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
    else:
        process.terminate()


def _popen(command: list[str], folder: Path, environ: dict[str, str], output: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start Azurite so that Ctrl+C in the terminal does not reach it: the host decides when storage ends."""
    options: dict[str, Any] = {"start_new_session": True, "umask": 0o077}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    process = subprocess.Popen(
        command, cwd=folder, env=environ, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, **options
    )
    return cast("subprocess.Popen[bytes]", process)
