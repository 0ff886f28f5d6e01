"""A worker process that speaks FunctionRpc: a `LanguageWorker`.

Source: docs/protocol/function-rpc.md#messages, docs/protocol/function-rpc.md#control-messages,
    docs/protocol/function-rpc.md#faults
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable
from typing import Any

from durable_host.function_rpc import handshake, rpc_logs
from durable_host.function_rpc.capabilities import Capabilities
from durable_host.function_rpc.event_stream import WorkerEventStream
from durable_host.function_rpc.function_index import RpcFunction
from durable_host.function_rpc.heartbeat import Heartbeat
from durable_host.function_rpc.http_proxy import HttpProxy, ProxiedCall
from durable_host.function_rpc.invocations import (
    SUCCESS,
    encodable,
    invocation_message,
    proxied_message,
    read_invocation,
    with_route_values,
)
from durable_host.function_rpc.rpc_messages import StreamingMessage
from durable_host.function_rpc.rpc_process import RpcProcess
from durable_host.function_rpc.worker_config import host_arguments
from durable_host.invocation.errors import FunctionCancelled, FunctionFailed, WorkerLost, WorkerStartFailed
from durable_host.invocation.http_exchange import HttpExchange
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.requests import InvocationRequest, InvocationResponse
from durable_host.invocation.worker_exit import OVERDUE, lost_in_exit, lost_in_given_up
from durable_host.invocation.worker_options import DebuggerAddress, WorkerOptions
from durable_host.invocation.worker_process import worker_environment

_log = logging.getLogger("Host.Worker")

TERMINATE_SECONDS = 5.0
"""How long the worker may take to end after the request."""
EXIT_SECONDS = 0.3
"""How long a process may live without its stream: that of a process that dies ends first."""
CANCEL_SECONDS = 1.0
"""How long canceled calls may take to end before the process is ended."""


class _RpcCall:
    """A running call."""

    __slots__ = ("answer", "ended", "function", "instance_id", "is_cancelled")

    def __init__(self, function: str, instance_id: str | None, answer: "asyncio.Future[Any]") -> None:
        self.function = function
        self.instance_id = instance_id
        self.answer = answer
        self.ended: asyncio.Event | None = None
        self.is_cancelled = False


class FunctionRpcWorker:
    """See `LanguageWorker`. Owns the process, the endpoint for its stream, and its running calls."""

    def __init__(self, options: WorkerOptions) -> None:
        loop = asyncio.get_running_loop()
        self._options = options
        self._worker_id = str(uuid.uuid4())
        self._stream = WorkerEventStream(self._worker_id, self._received, self._stream_ended)
        self._process: RpcProcess | None = None
        self._proxy: HttpProxy | None = None
        self._handshake = handshake.Handshake(options, self._stream)
        self._heartbeat = Heartbeat(self._stream, self._is_stuck)
        self._tasks: list[asyncio.Task[None]] = []
        self._calls: dict[str, _RpcCall] = {}
        self._functions: dict[str, RpcFunction] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_ended_by_host = False
        self.capabilities = Capabilities()
        self.outlives_time_outs = False
        self.start_seconds = None
        self.is_given_up = False
        self._given_up_because = OVERDUE
        self.ended_in_calls = False
        self.overdue_calls = 0
        self.indexed: asyncio.Future[IndexResult] = loop.create_future()
        self.exited: asyncio.Future[int] = loop.create_future()

    @classmethod
    async def start(cls, options: WorkerOptions, debugger: DebuggerAddress | None = None) -> "FunctionRpcWorker":
        """Start the process; `indexed` is done when it has loaded its functions.

        A debugger attaches to the process itself. Raises InterpreterUnusable, WorkerStartFailed.
        """
        worker = cls(options)
        environment = worker_environment(options)
        environment["FUNCTIONS_WORKER_DIRECTORY"] = str(options.root)
        command = options.kind.command(options.executable, options.arguments, environment)
        try:
            port = await worker._stream.listen()
            command += host_arguments(port, worker._worker_id, str(uuid.uuid4()))
            worker._process = await RpcProcess.start(command, options.root, environment, worker._process_ended)
        except OSError as error:
            worker._stream.close()
            raise options.kind.cannot_start(options.executable, str(error)) from error
        except BaseException:
            worker._stream.close()
            raise
        worker._tasks.append(asyncio.create_task(worker._index()))
        return worker

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def takes_calls(self) -> bool:
        return not self.overdue_calls and self._stream.is_open and not self.exited.done()

    @property
    def running_calls(self) -> int:
        return len(self._calls)

    @property
    def running_functions(self) -> set[str]:
        return {call.function for call in self._calls.values()}

    @property
    def last_stderr(self) -> tuple[str, ...]:
        return tuple(self._process.last_stderr) if self._process is not None else ()

    def read_index(self) -> IndexResult:
        return self.indexed.result()

    async def invoke(self, request: InvocationRequest) -> InvocationResponse:
        call = self._send(request, invocation_message)
        await self._stream.drain()
        return self._result(call, await call.answer)

    async def stream(self, request: InvocationRequest, exchange: HttpExchange) -> InvocationResponse:
        assert self._proxy is not None
        call = self._send(with_route_values(request, exchange.head.params), proxied_message)
        invocation_id = request.invocation_id
        proxied = ProxiedCall(self._proxy, exchange, invocation_id, call.answer, lambda: self.cancel(invocation_id))
        return self._result(call, await proxied.run())

    async def orchestrate(
        self, function: str, payload: dict[str, Any], invocation_id: str, instance_id: str | None
    ) -> dict[str, Any]:
        """Turns of orchestrations are calls of `invoke`, because the worker keeps no generators."""
        raise NotImplementedError

    def forget_session(self, key: str) -> None:
        pass

    def runs(self, invocation_id: str) -> bool:
        return invocation_id in self._calls

    def cancel(self, invocation_id: str) -> None:
        call = self._calls.get(invocation_id)
        if call is not None and not call.is_cancelled and self.capabilities.can_cancel:
            call.is_cancelled = True
            message = StreamingMessage()
            message.invocation_cancel.invocation_id = invocation_id
            self._stream.send(message)

    async def wait_ended(self, invocation_id: str, timeout: float) -> bool:
        call = self._calls.get(invocation_id)
        if call is None:
            return True
        if call.ended is None:
            call.ended = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await call.ended.wait()
        return call.ended.is_set()

    def take_unstarted(self, invocation_id: str) -> bool:
        """False: the worker runs all calls at once, so none waits."""
        return False

    async def wait_idle(self) -> None:
        await self._idle.wait()

    async def stop(self, grace: float) -> None:
        """Wait `grace` seconds for the calls, cancel those that remain, and end the process."""
        self._is_ended_by_host = True
        if self.exited.done():
            return
        if not await self._is_idle_within(grace):
            for invocation_id in list(self._calls):
                self.cancel(invocation_id)
            await self._is_idle_within(min(grace, CANCEL_SECONDS))
        if self.capabilities.can_terminate:
            message = StreamingMessage()
            message.worker_terminate.grace_period.seconds = int(TERMINATE_SECONDS)
            self._stream.send(message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TERMINATE_SECONDS):
                    await asyncio.shield(self.exited)
        await self.destroy()

    def give_up(self, why: str = OVERDUE) -> None:
        self._given_up_because = why
        self.is_given_up = True
        self._kill()

    async def destroy(self) -> None:
        self._is_ended_by_host = True
        self._kill()
        await asyncio.shield(self.exited)

    def open_debugger(self, address: DebuggerAddress) -> None:
        pass

    async def _is_idle_within(self, seconds: float) -> bool:
        if self._calls and seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
        return not self._calls

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def _index(self) -> None:
        """Take the worker through its start, then watch it, with connections to its HTTP server if it has one."""
        async with contextlib.AsyncExitStack() as stack:
            await self._index_with(stack)

    async def _index_with(self, stack: contextlib.AsyncExitStack) -> None:
        try:
            loaded = await self._handshake.run()
            self.capabilities, self._functions = loaded.capabilities, loaded.functions
            if self.capabilities.http_uri is not None:
                self._proxy = await stack.enter_async_context(HttpProxy(self.capabilities.http_uri))
        except (WorkerStartFailed, FunctionFailed) as error:
            self._fail(error)
            return
        except Exception as error:
            _log.debug("The messages of the worker could not be read.", exc_info=True)
            cause = f"The host could not read what the worker sent: {type(error).__name__}: {error}"
            self._fail(WorkerStartFailed("The worker could not be started.", cause=cause))
            return
        self.indexed.set_result(loaded.index)
        if self.capabilities.answers_status:
            await self._heartbeat.run()
        elif self._proxy is not None:
            await asyncio.Future()

    def _fail(self, error: Exception) -> None:
        if not self.indexed.done():
            self.indexed.set_exception(error)
            self.indexed.exception()

    def _send(
        self, request: InvocationRequest, encode: Callable[[InvocationRequest, RpcFunction, Capabilities], Any]
    ) -> _RpcCall:
        """Begin a call. Raises FunctionFailed, WorkerLost."""
        if self.exited.done() or not self._stream.is_open:
            raise WorkerLost("The worker process ended before it ran the function.")
        function = self._functions.get(request.function)
        if function is None:
            raise FunctionFailed("FunctionNotLoaded", "The worker has not loaded the function.")
        try:
            message = encode(request, function, self.capabilities)
        except UnicodeEncodeError:
            message = encode(encodable(request), function, self.capabilities)
        call = self._begin(request)
        try:
            self._stream.send(message)
        except Exception as error:
            self._end(request.invocation_id)
            raise FunctionFailed("InvalidValue", f"The call cannot be sent to the worker: {error}") from error
        return call

    def _begin(self, request: InvocationRequest) -> _RpcCall:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        call = self._calls[request.invocation_id] = _RpcCall(request.function, request.instance_id, answer)
        self._idle.clear()
        return call

    def _end(self, invocation_id: str) -> _RpcCall | None:
        call = self._calls.pop(invocation_id, None)
        if call is not None and call.ended is not None:
            call.ended.set()
        if not self._calls:
            self._idle.set()
        return call

    def _received(self, message: Any) -> None:
        kind = message.WhichOneof("content")
        if kind == "invocation_response":
            response = message.invocation_response
            call = self._end(response.invocation_id)
            if call is not None and not call.answer.done():
                call.answer.set_result(response)
        elif kind == "rpc_log":
            call = self._calls.get(message.rpc_log.invocation_id)
            if call is None:
                rpc_logs.relay(message.rpc_log, None, None)
            else:
                rpc_logs.relay(message.rpc_log, call.function, call.instance_id)
        elif kind == "worker_status_response":
            self._heartbeat.answered(message.request_id)
        elif kind is not None:
            self._handshake.received(kind, message)

    def _is_stuck(self, silent: float) -> None:
        """Kill a worker that has not answered for `silent` seconds, unless it runs something."""
        if not self._calls:
            _log.error("The worker process has not answered for %.0f s. It is killed and started again.", silent)
            self._kill()

    def _stream_ended(self) -> None:
        """Kill a worker whose stream has ended: it would keep running without connecting again."""
        if not self._is_ended_by_host and not self.is_given_up and not self.exited.done():
            asyncio.get_running_loop().call_later(EXIT_SECONDS, self._kill_unless_ended)

    def _kill_unless_ended(self) -> None:
        if not self.exited.done():
            _log.error("The connection to the worker process has ended. It is killed and started again.")
            self._kill()

    def _process_ended(self, code: int) -> None:
        self.exited.set_result(code)
        self._stream.close()
        for task in self._tasks:
            task.cancel()
        if not self.indexed.done():
            self.indexed.cancel()
        self.ended_in_calls = bool(self._calls)
        was_alone = len(self._calls) == 1
        for invocation_id in list(self._calls):
            call = self._end(invocation_id)
            if call is not None and not call.answer.done():
                call.answer.set_exception(self._lost(code, was_alone=was_alone))
                call.answer.exception()  # Its caller may have been cancelled.

    def _result(self, call: _RpcCall, response: Any) -> InvocationResponse:
        """The result of a call. Raises FunctionFailed, FunctionCancelled; WorkerLost if the host ends the process."""
        if call.is_cancelled and response.result.status != SUCCESS:
            raise self._stopped() if self._is_ended_by_host else FunctionCancelled()
        try:
            return read_invocation(response)
        except ValueError as error:
            raise FunctionFailed("InvalidValue", str(error)) from error

    def _stopped(self) -> WorkerLost:
        """The error for a call that the host has cancelled to end the process."""
        return WorkerLost("The worker process was stopped before the function ended.")

    def _lost(self, code: int, *, was_alone: bool) -> WorkerLost:
        """The error for a call that ran in the process when it ended."""
        if self.is_given_up:
            return lost_in_given_up(self._given_up_because)
        kind, is_ended_by_host = self._options.kind, self._is_ended_by_host
        return lost_in_exit(kind, code, self.last_stderr, is_ended_by_host=is_ended_by_host, was_alone=was_alone)
