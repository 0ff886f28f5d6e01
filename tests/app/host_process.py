"""`func start` as a child process, for tests."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import requests
from func_command import start_func
from host_template import ForkedHost, can_fork

READY = re.compile(r"Listening: +(http://\S+)")
START_LIMIT = 40.0
LIMIT = 30.0


class HostProcess:
    """Started by `start`; `stop` and `kill` end it. Its output is kept in `lines`."""

    def __init__(self, root: Path, settings: Mapping[str, str]) -> None:
        self.root = root
        self.settings = dict(settings)
        self.base_url = ""
        self.lines: list[str] = []
        self._process: subprocess.Popen[str] | ForkedHost | None = None
        self._changed = threading.Condition()
        self._reader: threading.Thread | None = None

    def start(self, *arguments: str, wait: bool = True, fork: bool = True) -> "HostProcess":
        """Run `func start` with these arguments; `wait` until it listens. `fork`: from a process that is prepared."""
        kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "AzureWebJobsStorage")}
        environment = {**kept, "PYTHONUNBUFFERED": "1", **self.settings}
        self.lines = []
        azurite = () if "--azurite" in arguments else ("--no-azurite",)
        arguments = ("start", "--port", "0", *azurite, *arguments)
        fork = fork and can_fork(environment)
        self._process = start_func(arguments, self.root, environment, fork=fork)
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if wait:
            match = READY.search(self.wait_for(READY.pattern, START_LIMIT))
            assert match is not None
            self.base_url = match[1].rstrip(",")
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, limit: float = LIMIT) -> str:
        """The first line that matches; fails with the whole output when none comes."""
        compiled = re.compile(pattern)
        deadline = time.monotonic() + limit
        seen = 0
        with self._changed:
            while True:
                for line in self.lines[seen:]:
                    if compiled.search(line):
                        return line
                seen = len(self.lines)
                if time.monotonic() > deadline or self._has_said_all():
                    raise AssertionError(f"no line matches {pattern!r} in:\n{self.output}")
                self._changed.wait(0.2)

    def _has_said_all(self) -> bool:
        ended = self._process is None or self._process.poll() is not None
        return ended and (self._reader is None or not self._reader.is_alive())

    def wait_exit(self, limit: float = LIMIT) -> int:
        assert self._process is not None
        code = self._process.wait(limit)
        if self._reader is not None:
            self._reader.join(5)
        return code

    def send_signal(self, number: int = signal.SIGINT) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to stop and return its exit code."""
        self.send_signal(number)
        return self.wait_exit(15)

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self.wait_exit()

    def end(self) -> None:
        """End it after a test. Kill it, unless coverage is measured, which a killed process would lose."""
        if "COVERAGE_PROCESS_CONFIG" in os.environ and self._process is not None and self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop()
        self.kill()

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        url = path if path.startswith("http") else self.base_url + path
        return requests.request(method, url, timeout=LIMIT, allow_redirects=False, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.request("POST", path, **options)

    def status(self, instance_id: str) -> dict[str, Any]:
        """The instance as the management API shows it, with its history."""
        path = f"/runtime/webhooks/durabletask/instances/{instance_id}?showHistory=true&showHistoryOutput=true"
        return self.get(path).json()

    def wait_status(self, instance_id: str, wanted: str, limit: float = LIMIT) -> dict[str, Any]:
        """The instance once its runtime status is `wanted`."""

        def there() -> dict[str, Any] | None:
            found = self.status(instance_id)
            return found if found["runtimeStatus"] == wanted else None

        return until(there, limit, self)

    def _read(self, process: "subprocess.Popen[str] | ForkedHost") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()


def until(condition: Callable[[], Any], limit: float = LIMIT, host: HostProcess | None = None) -> Any:
    """The first truthy result of `condition`, which is called less and less often; fails after `limit` seconds."""
    deadline = time.monotonic() + limit
    pause = 0.02
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError("the condition did not come true" + (f":\n{host.output}" if host else ""))
        time.sleep(pause)
        pause = min(pause * 1.2, 0.2)
    return result


def write_app(root: Path, files: Mapping[str, str]) -> Path:
    """Write an app; host.json is added when the files have none."""
    for name, content in {"host.json": '{"version": "2.0"}', **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def hub_settings(connection_string: str, hub: str | None = None) -> dict[str, str]:
    """Settings of an app on the session's storage with a task hub of its own."""
    return {
        "AzureWebJobsStorage": connection_string,
        "AzureFunctionsJobHost__extensions__durableTask__hubName": hub or f"T{uuid.uuid4().hex[:16]}",
        "FUNCTIONS_WORKER_RUNTIME": "python",
    }


def ends_of(process_ids: Iterable[int]) -> bool:
    """Whether all of the processes have ended."""
    for pid in process_ids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                if file.read().rpartition(")")[2].split()[0] != "Z":
                    return False
        except OSError:
            continue
    return True
