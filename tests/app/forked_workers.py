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
_order: Callable[[bytes, list[int]], object] | None = None
_template: socket.socket | None = None
_environment: dict[str, str] = {}
"""Of the template."""
_LOCK = threading.Lock()
is_on = True


def install(open_template: Callable[[], socket.socket], order: Callable[[bytes, list[int]], object]) -> None:
    """Fork each worker that can be forked, from a template that is opened when the first one is.

    `order` requests a worker of another environment.
    """
    from durable_host.invocation import worker_process

    global _start, _open_template, _order, _environment
    _open_template, _order, _environment = open_template, order, dict(os.environ)
    _start = worker_process.start_process
    worker_process.start_process = start_process


def prepare() -> None:
    """Open the template now. Its workers end with the thread that opens it, so no other thread must do it first."""
    global _template
    if _template is None and can_fork_any(_environment) and threading.current_thread() is threading.main_thread():
        assert _open_template is not None
        _template = _open_template()


async def start_process(
    protocol: Callable[[], P], command: list[str], *, cwd: str, environment: Mapping[str, str]
) -> P:
    """See `durable_host.invocation.worker_process.start_process`."""
    is_own = command[0] == sys.executable
    is_possible = is_on and can_fork(command, cwd, environment, _environment)
    if is_possible and is_own:
        prepare()
    if is_possible and (_template is not None or not is_own):
        sys.audit("subprocess.Popen", command[0], command, cwd, environment)
        loop = asyncio.get_running_loop()
        request = {"folder": cwd, "environment": dict(environment)}
        with contextlib.suppress(_NoTemplate):
            worker = _Worker(request) if is_own else _OtherWorker({**request, "python": command[0]})
            made, connected = protocol(), loop.create_future()
            _Transport(loop, made, command, False, None, None, None, 0, connected, worker=worker)
            await connected
            return made
    assert _start is not None
    return await _start(protocol, command, cwd=cwd, environment=environment)


class _NoTemplate(Exception):
    """The template of an environment cannot import what it has to, or a template has ended."""


class _Worker:
    """As much of `subprocess.Popen` as its transport needs. It is a child of this process."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.returncode: int | None = None
        answers, answered = os.pipe()
        errors, reported = os.pipe()
        ours, theirs = socket.socketpair()
        self.stdin = open(ours.detach(), "wb", 0)  # noqa: SIM115
        self.stdout = open(answers, "rb", 0)  # noqa: SIM115
        self.stderr = open(errors, "rb", 0)  # noqa: SIM115
        try:
            self.pid = self._fork(json.dumps(request).encode(), [theirs.fileno(), answered, reported])
        except BaseException:
            for file in (self.stdin, self.stdout, self.stderr):
                file.close()
            raise
        finally:
            theirs.close()
            os.close(answered)
            os.close(reported)

    def _fork(self, request: bytes, descriptors: list[int]) -> int:
        """The process ID. `ended` can be read when the process has ended."""
        pid = _ask(request, descriptors)
        self.ended = os.pidfd_open(pid)
        return pid

    def take_exit_code(self) -> int:
        os.close(self.ended)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def poll(self) -> int | None:
        return self.returncode

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class _OtherWorker(_Worker):
    """A worker of another environment. It is a child of its template."""

    def _fork(self, request: bytes, descriptors: list[int]) -> int:
        assert _order is not None
        self._answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            _order(request, [*descriptors, theirs.fileno()])
        answer = self._answers.recv(20)
        if not answer:
            self._answers.close()
            raise _NoTemplate
        self.ended = self._answers.fileno()
        return int(answer)

    def take_exit_code(self) -> int:
        with self._answers:
            return int(self._answers.recv(20) or -signal.SIGKILL)  # nothing if the template has ended


class _Transport(asyncio.base_subprocess.BaseSubprocessTransport):
    def _start(
        self, args: Any, shell: Any, stdin: Any, stdout: Any, stderr: Any, bufsize: Any, *, worker: _Worker
    ) -> None:
        self._proc = worker
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.remove_reader(worker.ended)
            self._process_exited(worker.take_exit_code())  # type: ignore[attr-defined]

        loop.add_reader(worker.ended, tell)


def _ask(request: bytes, descriptors: list[int]) -> int:
    """The process ID that answers the request. If there is none, the next worker comes from another template."""
    global _template
    assert _template is not None
    try:
        with _LOCK:
            socket.send_fds(_template, [request], descriptors)
            answer = _template.recv(20)
        if not answer:
            raise _NoTemplate
        return int(answer)
    except BaseException as error:
        _template = None
        if isinstance(error, OSError):
            raise _NoTemplate from error
        raise
