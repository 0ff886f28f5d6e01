"""The port of a worker process: what the pool does with it, whatever protocol it speaks."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from durable_host.invocation.http_exchange import HttpExchange
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.requests import InvocationRequest, InvocationResponse
from durable_host.invocation.worker_exit import OVERDUE
from durable_host.invocation.worker_kind import DebuggerAddress


class LanguageWorker(Protocol):
    """A process in which the app runs, and its running calls.

    `indexed` is done when the process has loaded the app, and fails if it cannot; it is cancelled if the process ends
    before. `exited` is done, with the exit code, when the process has ended and all its output has been read.
    """

    indexed: asyncio.Future[Any]
    exited: asyncio.Future[int]
    is_given_up: bool
    """Whether the host has killed the process with `give_up`."""
    ended_in_calls: bool
    """Whether calls were running when the process ended."""
    outlives_time_outs: bool
    """Whether the process is kept if a call that took too long ends when it is cancelled."""
    start_seconds: float | None
    """How long the process may take to load the app. None if the process has time limits of its own."""
    overdue_calls: int
    """Calls that took too long, so that the process may have to be stopped; it accepts no other calls."""

    @property
    def pid(self) -> int | None: ...

    @property
    def takes_calls(self) -> bool: ...

    @property
    def running_calls(self) -> int: ...

    @property
    def running_functions(self) -> set[str]:
        """The names of the functions that run."""
        ...

    @property
    def last_stderr(self) -> tuple[str, ...]: ...

    def read_index(self) -> IndexResult:
        """What the process has loaded, after `indexed`. Raises the error of `indexed`."""
        ...

    def invoke(self, request: InvocationRequest) -> Coroutine[Any, Any, InvocationResponse]:
        """Run a function. Raises FunctionFailed, WorkerLost. If the caller is cancelled, the call continues."""
        ...

    async def stream(self, request: InvocationRequest, exchange: HttpExchange) -> InvocationResponse:
        """Run a function with the HTTP request and response of `exchange`.

        Raises the exceptions of `invoke`, ClientGone, and those of `exchange` for a response that cannot be sent. If
        the caller is cancelled, the call continues in the worker, which is notified that the client has disconnected.
        """
        ...

    def orchestrate(
        self, function: str, payload: dict[str, Any], invocation_id: str, instance_id: str | None
    ) -> Coroutine[Any, Any, dict[str, Any]]:
        """Run one turn of an orchestration session, see `WorkerPool.orchestrate`. Raises FunctionFailed, WorkerLost."""
        ...

    def forget_session(self, key: str) -> None:
        """Drop the session with this key, if there is one."""
        ...

    def runs(self, invocation_id: str) -> bool:
        """Whether this process is running the call."""
        ...

    def cancel(self, invocation_id: str) -> None:
        """Ask the process to interrupt a call."""
        ...

    async def wait_ended(self, invocation_id: str, timeout: float) -> bool:
        """Whether the call ends in the worker within `timeout` seconds."""
        ...

    def take_unstarted(self, invocation_id: str) -> bool:
        """Whether a call was cancelled before any of its code ran. Call it after `wait_ended`."""
        ...

    async def wait_idle(self) -> None:
        """Wait until no call is running, or the process has ended."""
        ...

    async def stop(self, grace: float) -> None:
        """Ask the process to finish its calls and end; kill it if it has not ended a little after `grace` seconds."""
        ...

    def give_up(self, why: str = OVERDUE) -> None:
        """Kill a process in which a function does not end, or for another reason. It is not the fault of its calls."""
        ...

    async def destroy(self) -> None:
        """Kill the process and wait until it has ended."""
        ...

    def open_debugger(self, address: DebuggerAddress) -> None:
        """Make the process listen for a debugger from now on."""
        ...
