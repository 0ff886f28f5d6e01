"""The worker processes of the host and which of them runs a call.

Source: spec/functions-host.md, sections 2.1 and 2.8 to 2.10.
"""

import asyncio
import itertools
import logging
import uuid
import zlib
from collections.abc import Coroutine
from typing import Any

from durable_host.invocation.errors import FunctionTimedOut, WorkerLost
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.requests import InvocationRequest, InvocationResponse, decode_response, encode_request
from durable_host.invocation.slot import CrashBudget, WorkerSlot
from durable_host.invocation.worker_options import WorkerOptions
from durable_host.invocation.worker_process import WorkerProcess

LOG = logging.getLogger("Host.Worker")
WAIT_FOR_WORKER = 30.0
TIMEOUT_GRACE = 2.0


class WorkerPool:
    """Owns the worker processes. Calls go round robin; those of one orchestration session always to the same slot."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._slots: list[WorkerSlot] = []
        self._retiring: list[WorkerSlot] = []
        self._budget = CrashBudget(options.process_count)
        self._turns = itertools.count()
        self._changed = asyncio.Event()
        self._background: set[asyncio.Task[Any]] = set()
        self._is_stopped = False
        self.index = IndexResult()

    async def start(self) -> IndexResult:
        """Start the first process and index the app; further processes come up in the background.

        An app that does not load is told by `failure`. Raises InterpreterUnusable, WorkerStartFailed.
        """
        return await self._renew()

    async def reload(self) -> IndexResult:
        """Load the app anew in fresh processes. Running calls finish on the old ones.

        If the app does not load (`failure`), the old processes go on. Raises as `start` does.
        """
        return await self._renew()

    async def stop(self, grace: float) -> None:
        """Give running calls `grace` seconds, then end the processes."""
        self._is_stopped = True
        slots, self._slots = [*self._slots, *self._retiring], []
        self._changed.set()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.gather(*(slot.stop(grace) for slot in slots))

    @property
    def pids(self) -> tuple[int, ...]:
        """Process IDs of the workers that take calls."""
        return tuple(process.pid for process in self._processes() if process.pid is not None)

    @property
    def running_calls(self) -> int:
        return sum(process.running_calls for process in self._processes())

    async def invoke(self, request: InvocationRequest, *, timeout: float | None = None) -> InvocationResponse:
        """Run a function. Raises FunctionFailed, FunctionTimedOut after `timeout` seconds, WorkerLost."""
        header, blob = encode_request(request)
        process = await self._pick()
        running = process.request(header, blob, request.instance_id)
        if timeout is None:
            return decode_response(*await running)
        return decode_response(*await self._in_time(running, timeout, process, request.function, request.invocation_id))

    async def orchestrate(
        self,
        function: str,
        payload: dict[str, Any],
        *,
        key: str = "",
        instance_id: str | None = None,
        invocation_id: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Run one turn of an orchestration session. `payload` and answer are `worker.orchestrations`'; the session's
        key is `key`, else `payload["key"]`.

        Raises FunctionFailed, FunctionTimedOut, WorkerLost.
        """
        process = await self._pick(key or str(payload.get("key", "")))
        call_id = invocation_id or str(uuid.uuid4())
        header = {"k": "orchestrate", "i": call_id, "f": function, "p": payload}
        running = process.request(header, None, instance_id)
        if timeout is None:
            reply, _ = await running
        else:
            reply, _ = await self._in_time(running, timeout, process, function, call_id)
        return reply["p"]

    def forget_session(self, key: str) -> None:
        """Drop the live session of `key` in the worker, if there is one."""
        process = self._slots[_slot_of(key, len(self._slots))].process if self._slots else None
        if process is not None and not process.exited.done():
            process.send({"k": "forget", "key": key})

    async def _renew(self) -> IndexResult:
        fresh = [WorkerSlot(self._options, self._budget, self._changed.set) for _ in range(self._options.process_count)]
        index = await fresh[0].start()
        if index.failure is not None:
            return index
        if self._is_stopped:
            await fresh[0].stop(0)
            return index
        old, self._slots, self.index = self._slots, fresh, index
        self._changed.set()
        for slot in fresh[1:]:
            self._spawn(self._start_further(slot))
        self._retiring += old
        for slot in old:
            self._spawn(self._retire(slot))
        return index

    async def _start_further(self, slot: WorkerSlot) -> None:
        index = await slot.start()
        if index.failure is not None:
            LOG.error("A further worker process has not loaded the app: %s", index.failure)

    async def _retire(self, slot: WorkerSlot) -> None:
        await slot.retire()
        self._retiring.remove(slot)

    def _processes(self) -> list[WorkerProcess]:
        return [slot.process for slot in self._slots if slot.process is not None and not slot.process.exited.done()]

    async def _pick(self, key: str | None = None) -> WorkerProcess:
        """A process that takes calls; waits for one while workers are starting."""
        slots = self._slots
        count = len(slots)
        if count:
            first = next(self._turns) if key is None else _slot_of(key, count)
            for offset in range(count):
                process = slots[(first + offset) % count].process
                if process is not None and not process.exited.done():
                    return process
        try:
            async with asyncio.timeout(WAIT_FOR_WORKER):
                while not self._is_stopped:
                    self._changed.clear()
                    await self._changed.wait()
                    if self._processes():
                        return await self._pick(key)
        except TimeoutError:
            pass
        raise WorkerLost(
            "Did not find any initialized language workers.",
            cause="The host is stopping." if self._is_stopped else "The worker process is not running.",
            remedy="Look above in the log for why it does not start.",
        )

    async def _in_time(
        self,
        running: Coroutine[Any, Any, tuple[dict[str, Any], bytes]],
        timeout: float,
        process: WorkerProcess,
        function: str,
        invocation_id: str,
    ) -> tuple[dict[str, Any], bytes]:
        try:
            async with asyncio.timeout(timeout):
                return await running
        except TimeoutError:
            span = _span(timeout)
            LOG.error(
                "Timeout value of %s exceeded by function 'Functions.%s' (Id: '%s'). Initiating cancellation.",
                span,
                function,
                invocation_id,
            )
            self._spawn(self._abandon(process, invocation_id))
            raise FunctionTimedOut(
                "FunctionTimeoutException", f"Timeout value of {span} was exceeded by function: Functions.{function}"
            ) from None

    async def _abandon(self, process: WorkerProcess, invocation_id: str) -> None:
        """Cancel a call that took too long; a call that cannot be cancelled costs its process."""
        process.send({"k": "cancel", "i": invocation_id})
        if await process.wait_ended(invocation_id, TIMEOUT_GRACE):
            return
        LOG.error(
            "A function timeout has occurred. Restarting worker process executing invocationId '%s'.", invocation_id
        )
        process.kill()
        await asyncio.shield(process.exited)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            LOG.error("A worker process could not be started or stopped: %s", error)


def _slot_of(key: str, count: int) -> int:
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % count


def _span(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
