"""The child process of a worker, which ends with the host, whatever ends the host."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

from durable_host.function_rpc import rpc_logs
from durable_host.invocation.process_group import kill_group, kill_rest_of_group, own_group

STDERR_LINES_KEPT = 20
LONGEST_LINE = 64 * 1024
PIPES_CLOSE_WITHIN = 0.5
_PARENT_DEATH_SIGNAL: Final = 1
"""The operation PR_SET_PDEATHSIG of prctl."""
_WATCH: Final = """
import os, signal, sys
sys.stdin.buffer.read()
pid = int(sys.argv[1])
os.killpg(pid, signal.SIGKILL) if hasattr(os, "killpg") else os.kill(pid, signal.SIGTERM)
"""
"""Waits until the host closes the pipe, which the operating system does when the host dies, then kills the worker."""


class RpcProcess(asyncio.SubprocessProtocol):
    """Owns the process. Its lines are logged. `ended` is called once, with the exit code, after its last line."""

    def __init__(self, ended: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = ended
        self._transport: asyncio.SubprocessTransport | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._unfinished = {1: bytearray(), 2: bytearray()}
        self._is_over = False
        self.last_stderr: deque[str] = deque(maxlen=STDERR_LINES_KEPT)

    @classmethod
    async def start(
        cls, command: list[str], root: Path, environ: Mapping[str, str], ended: Callable[[int], None]
    ) -> "RpcProcess":
        """Start the process in the folder `root`. Raises OSError."""
        own = own_group()
        if (ask := dies_with_host()) is not None:
            own["preexec_fn"] = ask
        _, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: cls(ended),
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=str(root),
            env=dict(environ),
            **own,
        )
        if ask is None:
            process.watch()
        return process

    @property
    def pid(self) -> int | None:
        return self._transport.get_pid() if self._transport is not None else None

    def watch(self) -> None:
        """Start a second process that kills the first one when the host has died."""
        self._watcher = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _WATCH, str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Kill the process and the processes that user code has started in its group."""
        if self.pid is not None and not self._is_over:
            kill_group(self.pid)

    # asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        unfinished = self._unfinished[fd]
        *ends, rest = data.split(b"\n")
        for end in ends:
            unfinished += end
            self._end_line(fd)
        unfinished += rest
        if len(unfinished) > LONGEST_LINE:
            self._end_line(fd)

    def process_exited(self) -> None:
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.wait()
        if self.pid is not None:
            kill_rest_of_group(self.pid)  # processes that user code has started
        # A program that user code started may keep the pipes open forever.
        self._loop.call_later(PIPES_CLOSE_WITHIN, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end_line(self, fd: int) -> None:
        line = self._unfinished[fd].decode("utf-8", "replace").rstrip("\r")
        self._unfinished[fd].clear()
        if fd == 2:
            self.last_stderr.append(line)
        rpc_logs.relay_line(line, "stdout" if fd == 1 else "stderr")

    def _end(self) -> None:
        if self._is_over or self._transport is None:
            return
        for fd, unfinished in self._unfinished.items():
            if unfinished:
                self._end_line(fd)
        self._is_over = True
        code = self._transport.get_returncode()
        self._transport.close()
        self._ended(-1 if code is None else code)


def dies_with_host() -> Callable[[], None] | None:
    """A function that a child calls before it starts its program: the kernel kills it when the host dies.

    None if the kernel cannot do that.
    """
    if sys.platform != "linux":
        return None
    host, libc = os.getpid(), ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != host:
            os._exit(1)

    return ask
