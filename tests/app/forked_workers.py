"""Forks Python workers from a `WorkerTemplate`, in a process that starts workers: pytest, or a host."""

import asyncio
import asyncio.base_subprocess
import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from worker_template import can_fork, can_fork_any

P = TypeVar("P", bound=asyncio.SubprocessProtocol)

_start: Callable[..., Coroutine[Any, Any, Any]] | None = None
"""What starts workers as usual."""
_open_template: Callable[[], socket.socket] | None = None
_template: socket.socket | None = None
_environment: dict[str, str] = {}
"""Of the template."""
_LOCK = threading.Lock()
is_on = True


def install(open_template: Callable[[], socket.socket]) -> None:
    """Fork each worker that can be forked, from a template that is opened when the first one is."""
    from durable_host.invocation import worker_process

    global _start, _open_template, _environment
    _open_template, _environment = open_template, dict(os.environ)
    _start = worker_process.start_process
    worker_process.start_process = start_process


def prepare() -> None:
    """Open the template now. Its workers end with the thread that does it, so other threads must not be first."""
    global _template
    if _template is None and can_fork_any(_environment) and threading.current_thread() is threading.main_thread():
        assert _open_template is not None
        _template = _open_template()


async def start_process(
    protocol: Callable[[], P], command: list[str], *, cwd: str, environment: Mapping[str, str]
) -> P:
    """See `durable_host.invocation.worker_process.start_process`."""
    is_possible = is_on and can_fork(command, cwd, environment, _environment)
    if is_possible:
        prepare()
    if not is_possible or _template is None:
        assert _start is not None
        return await _start(protocol, command, cwd=cwd, environment=environment)
    sys.audit("subprocess.Popen", command[0], command, cwd, environment)
    loop = asyncio.get_running_loop()
    made, connected = protocol(), loop.create_future()
    _Transport(loop, made, command, False, None, None, None, 0, connected, cwd=cwd, environment=dict(environment))
    await connected
    return made


class _Worker:
    """As much of `subprocess.Popen` as its transport needs. Somebody else waits for the process."""

    def __init__(self, cwd: str, environment: Mapping[str, str]) -> None:
        self.returncode: int | None = None
        answers, answered = os.pipe()
        errors, reported = os.pipe()
        ours, theirs = socket.socketpair()
        with theirs:
            request = json.dumps({"folder": cwd, "environment": environment}).encode()
            try:
                self.pid = _ask(request, [theirs.fileno(), answered, reported])
            finally:
                os.close(answered)
                os.close(reported)
        self.stdin = open(ours.detach(), "wb", 0)  # noqa: SIM115
        self.stdout = open(answers, "rb", 0)  # noqa: SIM115
        self.stderr = open(errors, "rb", 0)  # noqa: SIM115

    def poll(self) -> int | None:
        return self.returncode

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class _Transport(asyncio.base_subprocess.BaseSubprocessTransport):
    def _start(self, args: Any, shell: Any, stdin: Any, stdout: Any, stderr: Any, bufsize: Any, **kwargs: Any) -> None:
        self._proc = worker = _Worker(**kwargs)
        ended = os.pidfd_open(worker.pid)
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.remove_reader(ended)
            os.close(ended)
            code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
            self._process_exited(code)  # type: ignore[attr-defined]

        loop.add_reader(ended, tell)


def _ask(request: bytes, descriptors: list[int]) -> int:
    """The process ID that answers the request. If there is none, the next worker comes from another template."""
    global _template
    assert _template is not None
    try:
        with _LOCK:
            socket.send_fds(_template, [request], descriptors)
            return int(_template.recv(20))
    except BaseException:
        _template = None
        raise
