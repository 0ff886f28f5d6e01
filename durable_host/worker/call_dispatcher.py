"""Runs functions for request frames: async ones on the event loop, plain ones in the thread pool."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from . import failures, http_stream, logs, scope, trace
from .call_threads import CallThreads
from .channel import PipeChannel
from .function_call import Answer, FunctionCall
from .loaded import LoadedApp, LoadedFunction
from .loop_watchdog import LoopWatchdog
from .streamed_calls import StreamedCall, StreamedCalls

ORCHESTRATOR_THREADS = 4
IDLE_CHECK_SECONDS = 0.005
GIVEN_UP = "the host abandoned the invocation"

_T = TypeVar("_T")
_C = TypeVar("_C", bound=FunctionCall)


class CallDispatcher:
    """Owns the running calls. Whoever reads the pipe calls `handle`: the request thread or the event loop."""

    def __init__(self, app: LoadedApp, channel: PipeChannel, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._channel = channel
        self._loop = loop
        self._watchdog = LoopWatchdog(loop, channel)
        self._threads = CallThreads(_thread_count(channel), "durable-host-sync")
        self._orchestrator_threads = CallThreads(ORCHESTRATOR_THREADS, "durable-host-orchestrator")
        self._sessions: Any = None
        self._numbered_sessions: Any = None
        self._sessions_lock = threading.Lock()
        self._streams = StreamedCalls(self._run_in_thread)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, Callable[[], None]] = {}
        self._running: set[str] = set()
        self._asgi_startup = asyncio.Lock()

    def handle(self, header: dict[str, Any], blob: bytes) -> Callable[[], None] | None:
        """Begin a request. If it returns a callable, run that on the event loop."""
        kind = header["k"]
        if kind == "invoke":
            return self._invoke(header, blob)
        if kind == "orchestrate":
            self._submit(self._orchestrator_threads, header["i"], lambda: self._orchestrate(header))
        elif kind == "forget":
            for sessions in (self._sessions, self._numbered_sessions):
                if sessions is not None:
                    self._orchestrator_threads.run(partial(sessions.forget, header["key"]))
        elif kind == "stream":
            return self._stream(header, blob)
        elif kind in http_stream.FRAMES:
            return lambda: self._streams.deliver(header, blob)
        elif kind == "cancel" and not self._cancel_waiting(header["i"]):
            return lambda: self._cancel(header["i"])
        return None

    def wait_idle(self, timeout: float) -> bool:
        """Wait until no call is running; False after `timeout` seconds."""
        until = time.monotonic() + timeout
        while self._running and time.monotonic() < until:
            time.sleep(IDLE_CHECK_SECONDS)
        return not self._running

    def end_threads(self, seconds: float) -> None:
        """Wait for the calls that still run in threads, in each group of threads for up to `seconds`."""
        self._threads.end(seconds)
        self._orchestrator_threads.end(seconds)

    @property
    def has_started_asgi(self) -> bool:
        """True if an ASGI app has been started and needs `shut_down_asgi`."""
        return any(f.asgi_app is not None and f.asgi_app.startup_task_done for f in self._app.functions.values())

    async def shut_down_asgi(self) -> None:
        """Send the shutdown event to ASGI apps that have been started."""
        for app in {id(app): app for app in (f.asgi_app for f in self._app.functions.values()) if app}.values():
            if app.startup_task_done:
                app.startup_task_done = False
                await app.middleware.notify_shutdown()

    def _invoke(self, header: dict[str, Any], blob: bytes) -> Callable[[], None] | None:
        function = self._app.functions.get(header["f"])
        if function is None:
            self._channel.send(_unknown(header))
            return None
        call = FunctionCall(self._app.sdk, function, header, blob)
        if function.signature.is_async:
            self._running.add(call.scope[0])
            return lambda: self._start_task(call, self._run_function)
        self._submit(self._threads, call.scope[0], lambda: self._run_sync(call))
        return None

    def _stream(self, header: dict[str, Any], blob: bytes) -> Callable[[], None] | None:
        function = self._app.functions.get(header["f"])
        if function is None or function.signature.request is None:
            self._channel.send(_unknown(header))
            return None
        call = StreamedCall(self._app.sdk, function, header, blob, self._channel)
        self._running.add(call.scope[0])

        def start() -> None:
            self._streams.open(call)
            self._start_task(call, self._streams.run)
            self._tasks[call.scope[0]].add_done_callback(lambda _: self._streams.close(call))

        return start

    def _submit(self, threads: CallThreads, invocation_id: str, run: Callable[[], None]) -> None:
        """Run a call in one of `threads`. While it waits for a free thread, `_cancel_waiting` can end it."""
        self._running.add(invocation_id)
        self._waiting[invocation_id] = run
        try:
            threads.run(lambda: self._run_waiting(invocation_id))
        except BaseException:
            self._waiting.pop(invocation_id, None)
            self._running.discard(invocation_id)
            raise

    def _run_waiting(self, invocation_id: str) -> None:
        run = self._waiting.pop(invocation_id, None)
        if run is not None:
            run()

    def _cancel_waiting(self, invocation_id: str) -> bool:
        """End a call that no thread has begun; False if there is none."""
        if self._waiting.pop(invocation_id, None) is None:
            return False
        self._answer(_unstarted(invocation_id), self._channel.send)
        return True

    def _start_task(self, call: _C, run: Callable[[_C], Awaitable[Answer]]) -> None:
        task = self._loop.create_task(self._run_async(call, run))
        self._tasks[call.scope[0]] = task
        task.add_done_callback(lambda task: self._task_ended(task, call))
        self._watchdog.begin(task, call.scope)

    def _task_ended(self, task: asyncio.Task[None], call: FunctionCall) -> None:
        """Answer for a task that was cancelled before its first step, because it never ran."""
        self._tasks.pop(call.scope[0], None)
        self._watchdog.end(task)
        if task.cancelled():
            self._answer(_unstarted(call.scope[0]), self._channel.gather)

    async def _run_async(self, call: _C, run: Callable[[_C], Awaitable[Answer]]) -> None:
        scope.current.set(call.scope)
        scope.enter(call.scope)
        trace.enter(call.trace_parent, call.trace_state)
        try:
            answer = await run(call)
        except BaseException as error:
            answer = call.failure(error)
        finally:
            scope.leave(call.scope)
        self._answer(answer, self._channel.gather)

    async def _run_function(self, call: FunctionCall) -> Answer:
        function, arguments = call.function, call.arguments()
        if function.asgi_app is not None:
            await self._start_up(function.asgi_app)
        return call.answer(await function.function(**arguments))

    async def _start_up(self, app: Any) -> None:
        """Run the lifespan startup of an ASGI app once, even with several first requests."""
        if app.startup_task_done:
            return
        async with self._asgi_startup:
            if not app.startup_task_done:
                if not await app.middleware.notify_startup():
                    raise RuntimeError("ASGI middleware startup failed.")
                app.startup_task_done = True

    def _run_sync(self, call: FunctionCall) -> None:
        def run() -> Answer:
            trace.enter(call.trace_parent, call.trace_state)
            try:
                return call.answer(call.target(**call.arguments()))
            except BaseException as error:
                return call.failure(error)

        self._answer(self._in_scope(call.scope, run), self._channel.post)

    async def _run_in_thread(self, call: FunctionCall, run: Callable[[], Any]) -> Any:
        def work() -> Any:
            trace.enter(call.trace_parent, call.trace_state)
            return run()

        running = self._threads.result_of(lambda: self._in_scope(call.scope, work))
        future = asyncio.wrap_future(running)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            running.cancel()
            while not running.done():  # A thread cannot be cancelled, so the call lasts until the thread ends.
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait((future,))
            raise

    def _orchestrate(self, header: dict[str, Any]) -> None:
        def run() -> Answer:
            try:
                function = self._app.functions.get(header["f"])
                if function is None:
                    return _unknown(header), None
                return {"k": "orchestrated", "i": header["i"], "p": self._handle_turn(header["p"], function)}, None
            except BaseException as error:
                return {"k": "failed", "i": header["i"], **failures.describe(error)}, None

        self._answer(self._in_scope((header["i"], header["f"]), run), self._channel.post)

    def _handle_turn(self, request: dict[str, Any], function: LoadedFunction) -> dict[str, Any]:
        if function.requires_grpc:
            return self._numbered().handle(request, function)
        with self._sessions_lock:
            if self._sessions is None:
                from .orchestrations_v1 import OrchestrationSessions

                self._sessions = OrchestrationSessions()
        return self._sessions.handle(request, function.function)

    def _numbered(self) -> Any:
        with self._sessions_lock:
            if self._numbered_sessions is None:
                from .orchestrations_v2 import NumberedSessions

                self._numbered_sessions = NumberedSessions(self._on_loop)
        return self._numbered_sessions

    def _on_loop(self, start: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Run a coroutine on the event loop as part of this thread's call, and wait for the result."""
        result: Future[_T] = Future()
        context = contextvars.copy_context()

        def settle(task: asyncio.Task[_T]) -> None:
            if task.cancelled():
                result.cancel()
            elif (error := task.exception()) is not None:
                result.set_exception(error)
            else:
                result.set_result(task.result())

        def begin() -> None:
            context.run(lambda: self._loop.create_task(start()).add_done_callback(settle))

        self._loop.call_soon_threadsafe(begin)
        return result.result()

    def _in_scope(self, owner: scope.Scope, run: Callable[[], _T]) -> _T:
        scope.enter(owner)
        scope.thread_local_storage.invocation_id = owner[0]
        context = contextvars.copy_context()
        context.run(scope.current.set, owner)
        try:
            return context.run(run)
        finally:
            scope.leave(owner)
            scope.thread_local_storage.invocation_id = None

    def _answer(self, answer: Answer, write: Callable[..., None]) -> None:
        try:
            write(*answer)
        except Exception as error:
            write({"k": "failed", "i": answer[0]["i"], **failures.describe(error)})
        finally:
            self._running.discard(answer[0]["i"])

    def _cancel(self, invocation_id: str) -> None:
        if (task := self._tasks.get(invocation_id)) is not None:
            task.cancel(GIVEN_UP)


def _unknown(header: dict[str, Any]) -> dict[str, Any]:
    return {
        "k": "failed",
        "i": header["i"],
        "type": "RuntimeError",
        "message": f"the app has no function {header['f']!r}",
        "stack": "",
    }


def _unstarted(invocation_id: str) -> Answer:
    """The answer for a call that was cancelled before any of its code ran. The host does not count it as an attempt."""
    failure = {"k": "failed", "i": invocation_id, "type": "CancelledError", "message": GIVEN_UP, "stack": ""}
    return {**failure, "unstarted": True}, None


def _thread_count(channel: PipeChannel) -> int | None:
    """The value of PYTHON_THREADPOOL_THREAD_COUNT, which the host sets; None means Python's default."""
    setting = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
    if setting is None:
        return None
    if setting.strip().isdecimal() and int(setting) >= 1:
        return int(setting)
    logs.report(
        channel,
        logging.WARNING,
        f"PYTHON_THREADPOOL_THREAD_COUNT must be a number from 1, not {setting!r}; Python's default is used",
    )
    return None
