"""A `func start` in a separate process, measured from outside."""

import compileall
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import durable_host

APP = Path(__file__).parent / "app"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _compile_product() -> None:
    """As pip does when it installs a package: here, Python may be told not to write compiled modules."""
    compileall.compile_dir(Path(durable_host.__file__).parent, rx=re.compile(r"[\\/]templates[\\/]"), quiet=2)


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process in MB; 0 if there is no /proc or the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used; 0 if there is no /proc or the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_descriptors(pid: int) -> int:
    """Open files and sockets of a process; 0 if there is no /proc or the process has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def process_tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return [pid]
    return [pid, *(grandchild for child in children for grandchild in process_tree(int(child)))]


class RunningHost:
    """Starts in the constructor. `seconds_to_ready` is the time from there to the first `Running` answer.

    Output is appended to a file next to `log`.
    """

    def __init__(
        self,
        storage: str,
        hub: str,
        log: Path,
        *,
        app: Path = APP,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        python: str = sys.executable,
        options: Sequence[str] = ("--no-azurite",),
    ) -> None:
        self.port = port or free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.queue = f"{hub}-messages"
        self._output = log.with_suffix(".host.txt").open("ab")
        environ = {
            **os.environ,
            "AzureWebJobsStorage": storage,
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "BENCH_HUB": hub,
            "BENCH_QUEUE": self.queue,
            "BENCH_LOG": str(log),
            **(settings or {}),
        }
        _compile_product()
        begun = time.perf_counter()
        command = [sys.executable, "-m", "durable_host", "start", "--port", str(self.port), "--python", python]
        command += options
        self._process = subprocess.Popen(
            command, cwd=app, env=environ, stdout=self._output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        self._wait_until_running()
        self.seconds_to_ready = time.perf_counter() - begun

    def _wait_until_running(self) -> None:
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            if self._process.poll() is not None:
                raise RuntimeError(f"func start ended with {self._process.returncode}; see {self._output.name}")
            try:
                with urllib.request.urlopen(f"{self.base}/admin/host/status", timeout=2) as answer:
                    if json.load(answer)["state"] == "Running":
                        return
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError("func start was not ready within 60 s")

    def processes(self) -> tuple[int, list[int]]:
        """The IDs of the host's process and of its workers."""
        host, *workers = process_tree(self._process.pid)
        return host, workers

    def megabytes(self) -> float:
        """The memory of the host and its workers."""
        return sum(resident_megabytes(pid) for pid in process_tree(self._process.pid))

    def kill(self) -> None:
        """Send `kill -9`. Workers end by themselves."""
        self._process.kill()
        self._process.wait()
        self._output.close()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
