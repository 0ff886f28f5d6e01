"""The pool of worker processes.

Source: docs/protocol/functions-host-worker.md#worker-processes, docs/protocol/functions-host-worker.md#time-outs
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

import msgspec

from durable_host.errors import HostError
from durable_host.invocation.errors import FunctionTimedOut, WorkerLost
from durable_host.invocation.http_exchange import HttpExchange
from durable_host.invocation.kills import Kills, killed_in
from durable_host.invocation.language_worker import LanguageWorker
from durable_host.invocation.log_relay import is_unlogged
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.random_ids import new_invocation_id
from durable_host.invocation.requests import InvocationRequest, InvocationResponse
from durable_host.invocation.time_limits import TimeLimits
from durable_host.invocation.worker_kind import WorkerKind
from durable_host.invocation.worker_options import WorkerOptions
from durable_host.invocation.workers import Workers
from durable_host.supervision import Tasks

_T = TypeVar("_T")

LOG = logging.getLogger("Host.Worker")
WAIT_FOR_WORKER = 30.0
TIMEOUT_GRACE = 2.0


class WorkerPool:
    """Owns the worker processes. Calls go to them in turn; those of an orchestration session always to the same slot.

    `current` are the workers of the current app. `kills` decides which calls kill their process on purpose.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._retiring: list[Workers] = []
        self._candidate: Workers | None = None
        self._lone: list[Workers] = []
        self._changed = asyncio.Event()
        self._background = Tasks(LOG)
        self._limits = TimeLimits()
        self._is_stopped = False
        self._waiting = 0
        self.kills: Kills | None = None
        self.current = Workers(options, self._changed.set)

    @property
    def index(self) -> IndexResult:
        """The result of indexing the app in the current workers."""
        return self.current.index

    @property
    def kind(self) -> WorkerKind:
        return self._options.kind

    @property
    def has_debugger(self) -> bool:
        """True if a debugger can attach to a worker, so that calls have no time limit."""
        return self._options.debugger is not None

    async def start(self) -> IndexResult:
        """Start the first process and index the app; the other processes start in the background.

        If the app does not load, `failure` is set. Raises InterpreterUnusable, WorkerStartFailed.
        """
        index = await self.current.start()
        if index.failure is None:
            self._begin(self.current)
        return index

    async def prepare(self, options: WorkerOptions | None = None) -> Workers:
        """Load the app again in a new process, next to the current ones, for `adopt`. Check its `index` first.

        Raises the same exceptions as `start`. Do not call it concurrently.
        """
        if options is not None:
            self._options = options
        fresh = Workers(
            msgspec.structs.replace(self._options, is_reload=True), self._changed.set, debugs_at_start=False
        )
        self._candidate = fresh
        try:
            await fresh.start()
        finally:
            self._candidate = None
        if self._is_stopped:
            await fresh.stop(0)
        return fresh

    def adopt(self, fresh: Workers) -> None:
        """Send new calls to these workers. Running calls finish in the old ones, which then end."""
        if self._is_stopped:
            return
        old, self.current = self.current, fresh
        self._retiring.append(old)
        self._begin(fresh)
        self._background.run("end of the replaced worker processes", self._retire(old))

    async def reload(self, options: WorkerOptions | None = None) -> IndexResult:
        """`prepare` and, if the app has loaded, `adopt`. If it has not (`failure`), the old processes continue."""
        fresh = await self.prepare(options)
        if fresh.index.failure is None:
            self.adopt(fresh)
        return fresh.index

    async def stop(self, grace: float) -> None:
        """Give running calls `grace` seconds, then end the processes."""
        self._is_stopped = True
        self._changed.set()
        await self._background.stop()
        await asyncio.gather(*(workers.stop(grace) for workers in self._all_workers()))

    def _all_workers(self) -> tuple[Workers, ...]:
        candidates = [self._candidate] if self._candidate is not None else []
        return (self.current, *self._retiring, *self._lone, *candidates)

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncGenerator[Workers]:
        """A separate worker process for calls that may end it. Raises WorkerLost if none is available."""
        options = msgspec.structs.replace(self._options, process_count=1, debugger=None)
        workers = Workers(options, lambda: None)
        self._lone.append(workers)
        try:
            try:
                if self._is_stopped:
                    raise WorkerLost("The host is stopping.")
                index = await workers.start()
            except WorkerLost:
                raise
            except HostError as error:
                raise WorkerLost(error.message, cause=error.cause, remedy=error.remedy) from error
            if index.failure is not None:
                raise WorkerLost(f"A worker process has not loaded the app: {index.failure}")
            yield workers
        finally:
            await workers.stop(0)
            self._lone.remove(workers)

    def kill(self) -> None:
        """Kill all processes and the processes that user code has started in them."""
        for pid in self.all_pids:
            with contextlib.suppress(OSError):
                if sys.platform == "win32":
                    os.kill(pid, signal.SIGTERM)
                else:
                    os.killpg(pid, signal.SIGKILL)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process IDs of the workers that accept calls."""
        return tuple(process.pid for process in self.current.processes() if process.pid is not None)

    @property
    def all_pids(self) -> tuple[int, ...]:
        """All process IDs, including those of workers that load the app, finish their last calls or run one call."""
        return tuple(pid for workers in self._all_workers() for pid in workers.pids())

    @property
    def is_busy(self) -> bool:
        """True while a call runs, or waits for a worker."""
        return bool(self._lone) or self._waiting > 0 or self.running_calls > 0

    @property
    def running_calls(self) -> int:
        processes = [process for workers in (self.current, *self._lone) for process in workers.processes()]
        return sum(process.running_calls for process in processes)

    def running_functions(self) -> list[str]:
        """The names of the functions that run, also in workers that are being replaced."""
        processes = [process for workers in self._all_workers() for process in workers.processes()]
        return sorted(set[str]().union(*(process.running_functions for process in processes)))

    async def invoke(
        self,
        request: InvocationRequest,
        *,
        timeout: float | None = None,
        key: str | None = None,
        workers: Workers | None = None,
        exchange: HttpExchange | None = None,
    ) -> InvocationResponse:
        """Run a function, in a process of `workers` (held by the caller) if one is running.

        Calls with the same `key` go to the same process if possible. `exchange` is the HTTP request and response of a
        function that streams them; see `LanguageWorker.stream`.
        Raises FunctionFailed, FunctionTimedOut after `timeout` seconds, WorkerLost.
        """
        process = (workers.pick(key) if workers is not None else None) or await self._pick(key)
        running = process.invoke(request) if exchange is None else process.stream(request, exchange)
        if self.kills is not None:
            running = self._perhaps_killed(
                running, process, request.function, request.instance_id, request.invocation_id
            )
        if timeout is None:
            return await running
        try:
            with self._limits.limit(timeout):
                return await running
        except TimeoutError:
            raise await self._overdue(timeout, process, request.function, request.invocation_id) from None

    def cancel(self, invocation_id: str) -> None:
        """Ask the process that runs the call to interrupt it. Does nothing if the call is not running."""
        for workers in (self.current, *self._retiring):
            for process in workers.processes():
                if process.runs(invocation_id):
                    process.cancel(invocation_id)

    async def orchestrate(
        self,
        function: str,
        payload: dict[str, Any],
        *,
        key: str = "",
        instance_id: str | None = None,
        invocation_id: str | None = None,
        timeout: float | None = None,
        workers: Workers | None = None,
    ) -> dict[str, Any]:
        """Run one turn of an orchestration session.

        `payload` and the answer have the form in `worker.orchestrations_v1` or `worker.orchestrations_v2`. The
        session's key is `key`, otherwise `payload["key"]`. `workers`: see `invoke`.
        Raises FunctionFailed, FunctionTimedOut, WorkerLost; the last also if no code ran before `timeout`.
        """
        key = key or str(payload.get("key", ""))
        process = (workers.pick(key) if workers is not None else None) or await self._pick(key)
        call_id = invocation_id or new_invocation_id()
        running = process.orchestrate(function, payload, call_id, instance_id)
        if self.kills is not None:
            running = self._perhaps_killed(running, process, function, instance_id, call_id)
        if timeout is None:
            return await running
        try:
            with self._limits.limit(timeout):
                return await running
        except TimeoutError:
            raise await self._overdue(timeout, process, function, call_id, must_have_begun=True) from None

    def forget_session(self, key: str) -> None:
        """Drop the live session with this key in the worker, if there is one."""
        process = self.current.session_process(key)
        if process is not None:
            process.forget_session(key)

    def _begin(self, workers: Workers) -> None:
        self._changed.set()
        if self._options.process_count > 1:
            self._background.run("start of further worker processes", workers.start_further())

    async def _retire(self, workers: Workers) -> None:
        await workers.retire()
        self._retiring.remove(workers)
        if not self._retiring:
            self.current.open_debugger()

    async def ready(self) -> None:
        """Wait until a process accepts calls. Raises WorkerLost if that takes too long."""
        await self._pick(None)

    async def _pick(self, key: str | None = None) -> LanguageWorker:
        """A process that accepts calls. Waits while workers are starting."""
        if (process := self.current.pick(key)) is not None:
            return process
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_FOR_WORKER):
                while not self._is_stopped:
                    self._changed.clear()
                    await self._changed.wait()
                    if (process := self.current.pick(key)) is not None:
                        return process
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1
        raise WorkerLost(
            "Did not find any initialized language workers.",
            cause="The host is stopping." if self._is_stopped else "The worker process is not running.",
            remedy="See the log lines above for the reason.",
        )

    def _perhaps_killed(
        self,
        running: Coroutine[Any, Any, _T],
        process: LanguageWorker,
        function: str,
        instance_id: str | None,
        invocation_id: str,
    ) -> Coroutine[Any, Any, _T]:
        """The call, or one in which the process is killed on purpose."""
        if self.kills is None or is_unlogged(invocation_id):
            return running
        kill = self.kills(function, instance_id)
        return running if kill is None else killed_in(running, process, kill)

    async def _overdue(
        self,
        timeout: float,
        process: LanguageWorker,
        function: str,
        invocation_id: str,
        *,
        must_have_begun: bool = False,
    ) -> FunctionTimedOut | WorkerLost:
        """End a call that took too long, and return its error."""
        span = _span(timeout)
        LOG.error(
            "Timeout value of %s exceeded by function 'Functions.%s' (Id: '%s'). Initiating cancellation.",
            span,
            function,
            invocation_id,
        )
        was_alone = process.running_calls == 1
        process.overdue_calls += 1
        abandoning = self._background.run("end of an overdue call", self._abandon(process, invocation_id))
        if must_have_begun:
            await asyncio.wait((abandoning,))
            if abandoning.cancelled() or abandoning.exception() is not None or not abandoning.result():
                return WorkerLost("The call waited too long for a free thread of the worker.")
        return FunctionTimedOut(
            "FunctionTimeoutException",
            f"Timeout value of {span} was exceeded by function: Functions.{function}",
            was_alone=was_alone,
        )

    async def _abandon(self, process: LanguageWorker, invocation_id: str) -> bool:
        """Cancel a call that took too long; if it cannot be cancelled, stop its process.

        False if none of its code ever ran.
        """
        process.cancel(invocation_id)
        if await process.wait_ended(invocation_id, TIMEOUT_GRACE):
            if process.outlives_time_outs:
                process.overdue_calls -= 1
                self._changed.set()
                return not process.take_unstarted(invocation_id)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIMEOUT_GRACE):
                    await process.wait_idle()
        LOG.error(
            "A function timeout has occurred. Restarting worker process executing invocationId '%s'.", invocation_id
        )
        process.give_up()
        await asyncio.shield(process.exited)
        return True


def _span(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
