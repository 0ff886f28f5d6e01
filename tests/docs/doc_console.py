"""Acts as the reader of a page: runs its commands, writes its files, runs its Python, and checks the output.

Commands run in bash, one after the other, in one folder; `cd` and variables last until the end of the page. `func
start`, `func durable serve` and `make start` run in the background until another start or the end of the page. The
page's ports and its development account are replaced by free ports and the tests' Azurite. `<id>` is the last instance
ID that was shown.

Each expected line must be in the output, in the order of the page; `…` stands for anything. Commands that only read are
repeated until they show it.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from doc_pages import Block, Command
from func_command import end_of, start_func
from host_template import can_fork, fork_host
from other_pytest import WITHOUT_OURS

from durable_host.ports import reserved

LIMIT = 30.0
DEFAULT_HUB = "TestHubName"
COMMAND_LIMIT = 100.0
DEVELOPMENT = "UseDevelopmentStorage=true"
_START = re.compile(r"(make start|func (host )?start\b.*|func durable serve\b.*)")
_ONLY_LOOKS = re.compile(r"(curl (?!.*(-X|-d) )|func durable get-|func doctor|cat )")
NEEDS_NO_SHELL = re.compile(
    r"""(func|python -m (?:pytest|unittest)) (?!exec )('[^'\n]*'|"[^"$!`\\\n]*"|[^'"|&;<>()[\]{}$*?!~#`\\\n])*"""
)
"""Commands that need no shell, and for which there is a process that has imported what they need."""
_FAILURE = re.compile(r"error DH|\d failed")
"""Found in the expected output of a command that may fail."""
_INSTANCE = re.compile(r'"(?:id|instanceId)": ?"([^"]+)"')
_PORTS = ("7071", "7072", "5678", "8080")
_BASH = """source state
cd "$(cat folder)"
set -a
{command}
code=$?
pwd > "{home}/folder"
export -p > "{home}/state"
exit $code
"""


class Host:
    """A `func start` of the page, in the background."""

    def __init__(self, command: str, folder: Path, environ: Mapping[str, str]) -> None:
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._process = start_func(shlex.split(command)[1:], folder, environ, fork=can_fork(environ))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return "\n".join(self._lines)

    def wait_until(self, is_enough: Callable[[str], bool]) -> None:
        """Wait until `is_enough` returns true for the output; fail with the output after `LIMIT` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: is_enough(self.output), LIMIT):
                raise AssertionError(f"the host has not printed the expected lines:\n{self.output}")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            raise
        finally:
            self._reader.join(5)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()


class Desk:
    """Follows one page. Its first command runs in `folder`.

    `hub` is the real name of the task hub that the page calls `shown_hub`. If `host` is given, it is already running,
    and the page's first start uses it. `virtual_env` is the active environment, which apps use.
    """

    def __init__(
        self,
        home: Path,
        folder: Path,
        connection_string: str,
        *,
        hub: str,
        shown_hub: str,
        ports: Mapping[str, str] | None = None,
        host: Host | None = None,
        virtual_env: Path | None = None,
    ) -> None:
        self._home = home
        self._connection_string = connection_string
        self._hub, self._shown_hub = hub, shown_hub
        self._reserved = contextlib.ExitStack()
        self.ports = dict(ports or {shown: self._free_port() for shown in _PORTS})
        self._given = host
        self._hosts: dict[str, Host] = {}
        self._instance = ""
        hidden = ("VIRTUAL_ENV", "AzureWebJobsStorage", "CI", "COLUMNS")
        self._environ = {
            **{name: value for name, value in os.environ.items() if name not in hidden},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "PYTEST_ADDOPTS": " ".join(WITHOUT_OURS),
            "AzureWebJobsStorage": connection_string,
            "AzureFunctionsJobHost__extensions__durableTask__hubName": hub,
            **({"VIRTUAL_ENV": str(virtual_env)} if virtual_env is not None else {}),
        }
        (home / "state").write_text("", "utf-8")
        (home / "folder").write_text(str(folder), "utf-8")

    def beside(self, home: Path, host: Host) -> "Desk":
        """Another desk in the same folder, with the same ports and task hub, for which `host` is already running."""
        return Desk(
            home,
            self.folder,
            self._connection_string,
            hub=self._hub,
            shown_hub=self._shown_hub,
            ports=self.ports,  # pyright: ignore[reportArgumentType]
            host=host,
        )

    @property
    def folder(self) -> Path:
        return Path((self._home / "folder").read_text("utf-8").strip())

    def take(self, block: Block) -> None:
        """Do what a reader does with the block."""
        if block.reason_not_run is not None:
            return
        if block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text + "\n", "utf-8")
        elif block.is_run:
            self._python(block)
        elif block.is_of_host:
            lines = tuple(block.text.splitlines())
            [*self._hosts.values()][-1].wait_until(lambda output: missing_line(self._shown(output), lines) is None)
        elif block.kind == "console":
            for command in block.commands():
                self._type(block, command)

    def close(self) -> None:
        for host in self._hosts.values():
            host.stop()
        self._hosts.clear()
        self._reserved.close()

    def start(self, command: str) -> Host:
        """Run `func start` and wait until it is ready."""
        port = re.search(r"--port (\d+)", command)
        shown = port.group(1) if port else "8080" if "durable serve" in command else "7071"
        if (running := self._hosts.pop(shown, None)) is not None:
            running.stop()
        if self._given is not None:
            given, self._given = self._given, None
            return given
        arguments = command.replace("make start", "func start") + ("" if port else f" --port {shown}")
        host = self._hosts[shown] = Host(f"{self._real(arguments)} --no-azurite", self.folder, self._with_state())
        host.wait_until(lambda output: "Listening: " in output)
        return host

    def _free_port(self) -> str:
        """A free port, reserved until the end of the page."""
        return str(self._reserved.enter_context(reserved("127.0.0.1")))

    def _type(self, block: Block, command: Command) -> None:
        text = re.sub(r"\s+#.*$", "", command.text).replace(".venv/bin/", "")
        if _START.fullmatch(text):
            host = self.start(text)
            host.wait_until(lambda output: missing_line(self._shown(output), command.expected) is None)
            return
        deadline = time.monotonic() + LIMIT
        while True:
            code, printed = self._run(self._real(text))
            output = self._shown(printed)
            missing = missing_line(output, command.expected)
            if missing is None or not _ONLY_LOOKS.match(text) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        report = f"{block.place}: $ {command.text}\n{output}\n{self._host_output()}"
        assert missing is None, f"{missing!r} is not in the output of {report}"
        assert code == 0 or any(_FAILURE.search(line) for line in command.expected), report
        if (found := _INSTANCE.search(output)) is not None:
            self._instance = found[1]

    def _run(self, command: str) -> tuple[int, str]:
        """The exit code and the output of a command that ends."""
        if NEEDS_NO_SHELL.fullmatch(command) and can_fork(environment := self._with_state()):
            first, *words = shlex.split(command)
            program = "durable_host" if first == "func" else words[1]
            arguments = words if first == "func" else words[2:]
            return end_of(fork_host(arguments, self.folder, environment, program=program), COMMAND_LIMIT)
        done = subprocess.run(
            ["bash", "-c", _BASH.format(command=command, home=self._home)],
            cwd=self._home, env=self._environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=COMMAND_LIMIT, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def _python(self, block: Block) -> None:
        done = subprocess.run(
            [sys.executable, "-"], input=self._real(block.text), cwd=self.folder, env=self._with_state(),
            capture_output=True, text=True, timeout=COMMAND_LIMIT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block.place}\n{done.stdout}{done.stderr}"

    def _with_state(self) -> dict[str, str]:
        """The environment with the variables that the page has set."""
        command = "source state; env -0"
        done = subprocess.run(
            ["bash", "-c", command], cwd=self._home, env=self._environ, capture_output=True, check=True
        )
        pairs = (entry.partition("=") for entry in done.stdout.decode().split("\0") if entry)
        return {name: value for name, _, value in pairs}

    def _host_output(self) -> str:
        return "\n".join(f"--- host\n{host.output}" for host in self._hosts.values())

    def _real(self, text: str) -> str:
        for shown, port in self.ports.items():
            text = re.sub(rf"\b{shown}\b", port, text)
        text = re.sub(r"^func run ", f"func run --port {self.ports['7071']} ", text)
        assert "<id>" not in text or self._instance, "no instance was shown yet"
        text = re.sub(rf"\b{self._shown_hub}\b", self._hub, text)
        return text.replace("<id>", self._instance).replace(DEVELOPMENT, self._connection_string)

    def _shown(self, text: str) -> str:
        for shown, port in self.ports.items():
            text = text.replace(port, shown)
        return text.replace(self._hub, self._shown_hub)


def patterns_of(expected: tuple[str, ...]) -> list[str]:
    """One pattern for each line of expected output; `…` stands for anything."""
    lines = [line.strip() for line in expected if line.strip() not in ("", "…")]
    return [".*?".join(re.escape(part) for part in line.split("…")) for line in lines]


def missing_line(output: str, expected: tuple[str, ...]) -> str | None:
    """The first expected line that is missing from the output; None if all are there, in order."""
    position = 0
    for pattern in patterns_of(expected):
        found = re.compile(pattern).search(output, position)
        if found is None:
            return pattern
        position = found.end()
    return None


def new_hub() -> str:
    return f"Docs{uuid.uuid4().hex[:12]}"
