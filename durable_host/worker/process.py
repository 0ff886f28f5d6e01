"""The worker process from its first frame to its exit."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import faulthandler
import gc
import logging
import os
import platform
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from . import captured_streams, debugging, failures, logs, orphan, scope, sdk, slow_load
from .call_dispatcher import CallDispatcher
from .channel import PipeChannel
from .late_aiohttp import LateAiohttp
from .loaded import LoadedApp
from .loading import load_app
from .request_pipe import CAN_LEND, Actions, Frames, RequestPipe

GRACE_WITHOUT_HOST = 0.8
END_WITHOUT_HOST = 1.5
"""Seconds from the end of the host to the end of this process, whatever user code in Python does."""
LONGEST_WITHOUT_HOST = 3.0
"""Seconds after which the kernel ends this process, if native code holds the interpreter lock or the cores are busy."""
ASGI_SHUTDOWN_SECONDS = 2.0
SESSION_SECONDS = 0.3
THREADS_SECONDS = ASGI_SHUTDOWN_SECONDS + 1
"""The longest wait for calls that still run when the event loop has ended."""
UNREADABLE_REQUEST = 70
"""Exit code."""


def run() -> None:
    """Serve the host on descriptors 0 and 1 until it requests a stop or ends."""
    host = os.getppid()
    orphan.end_with_parent()
    if orphan.host_has_ended(0):
        return
    orphan.end_group_with_process()
    requests, answers = captured_streams.take_pipes()
    channel = PipeChannel(answers)
    capture = captured_streams.Capture(channel)
    faulthandler.enable(file=2, all_threads=False)
    _ignore_signals()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: _after_fork(channel, requests))
    pipe = RequestPipe(requests)
    frames = pipe.read()
    if not frames:
        return
    (start, _), *early = frames
    AppWorker(channel, capture, pipe, start, host).serve(early)


class AppWorker:
    """Loads the app, then passes request frames to the dispatcher."""

    def __init__(
        self,
        channel: PipeChannel,
        capture: captured_streams.Capture,
        pipe: RequestPipe,
        start: dict[str, Any],
        host: int,
    ) -> None:
        self._channel = channel
        self._capture = capture
        self._pipe = pipe
        self._start = start
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._is_stopping = False
        self._is_orphan = False
        self._stop_request: dict[str, Any] | None = None
        self._actions: deque[Callable[[], None]] = deque()

    def serve(self, early: Frames) -> None:
        logs.install(self._channel, self._start["level"])
        scope.inherit_into_threads()
        asyncio.set_event_loop(self._loop)
        self._channel.attach(self._loop)
        loading = self._loop.create_task(self._load_on_loop())
        self._run(lambda: self._loop.run_until_complete(loading))
        app = loading.result()
        dispatcher = CallDispatcher(app, self._channel, self._loop)
        reading = threading.Thread(
            target=self._read, args=(dispatcher, early), name="durable-host-requests", daemon=True
        )
        try:
            debugging.never_paused(reading).start()
            while not self._is_stopping:
                self._run(self._loop.run_forever)
            self._capture.finish()
            if self._is_orphan:
                # A normal exit would wait for threads and leave processes behind.
                atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
                orphan.end(self._host)
        finally:  # Also if a signal handler of user code has raised an exception.
            dispatcher.end_threads(THREADS_SECONDS)
            self._channel.flush()

    def _run(self, turn_loop: Callable[[], object]) -> None:
        try:
            turn_loop()
        except (SystemExit, KeyboardInterrupt) as error:
            text = f"A background task of the app raised {type(error).__name__}; the worker continues"
            logs.report(self._channel, logging.ERROR, text)

    async def _load_on_loop(self) -> LoadedApp:
        """Load the app while the event loop runs, as in Azure.

        The app may create async clients and start tasks, but must not call `asyncio.run`.
        """
        return self._load()

    def _load(self) -> LoadedApp:
        root: str = self._start["root"]
        os.chdir(root)
        packages = os.path.join(root, ".python_packages", "lib", "site-packages")
        sys.path.extend(path for path in (packages, root) if path not in sys.path and os.path.isdir(path))
        late_aiohttp = LateAiohttp()
        sys.meta_path.insert(0, late_aiohttp)
        gc.freeze()
        gc.enable()
        app = self._open_debugger()
        if app is None:
            with slow_load.reporting(self._channel, root):
                app = load_app(root, self._start["script"], self._start.get("functions"))
        if self._start.get("reload"):  # Calls begin at once: the process that it replaces has served until now.
            self._settle(app, late_aiohttp)
        self._send_index(app)
        if not self._start.get("reload"):  # Meanwhile the host starts what serves the functions.
            self._settle(app, late_aiohttp)
        return app

    def _settle(self, app: LoadedApp, late_aiohttp: LateAiohttp) -> None:
        """Do what can wait until the app is indexed. The objects created so far live as long as the process."""
        if app.failure is not None:
            return
        try:
            late_aiohttp.settle()
        except Exception as error:
            text = f"The Durable Functions client cannot send requests: {type(error).__name__}: {error}"
            logs.report(self._channel, logging.WARNING, text)
        gc.collect()
        gc.freeze()
        gc.collect()  # so that the threshold for the next collection does not include the frozen objects

    def _send_index(self, app: LoadedApp) -> None:
        self._channel.send(
            {
                "k": "indexed",
                "functions": [function.describe() for function in app.functions.values()],
                "errors": app.errors,
                "failure": app.failure,
                "warnings": app.warnings,
                "excluded": app.excluded,
                "model": app.model,
                "python": platform.python_version(),
                "executable": sys.executable,
                "sdk": sdk.versions(),
            }
        )

    def _open_debugger(self) -> LoadedApp | None:
        """Open the debugger before the app is loaded, if requested. Returns a failed app if that is not possible."""
        address = self._start.get("debugger")
        if address is None:
            return None
        try:
            debugging.open_debug_port(self._channel, address)
        except debugging.DebuggerFailed as error:
            return LoadedApp(failure={"kind": error.kind, **failures.describe(error)})
        return None

    def _read(self, dispatcher: CallDispatcher, frames: Frames) -> None:
        """Run the request thread. It continues while user code blocks the event loop, and notices the host's end."""
        try:
            begin = partial(self._begin_all, dispatcher)
            while self._stop_request is None:
                on_loop = begin(frames)
                frames.clear()
                if on_loop:
                    self._loop.call_soon_threadsafe(self._run_all, on_loop)
                    del on_loop
                    if CAN_LEND:
                        self._pipe.lend(self._loop, begin, self._run_all)
                if self._stop_request is None and not (frames := self._pipe.read()):
                    self._end_without_host(dispatcher)
                    return
        except Exception as error:
            text = f"The worker cannot read the host's requests and ends:\n{failures.stack_of(error)}"
            logs.report(self._channel, logging.CRITICAL, text)
            os._exit(UNREADABLE_REQUEST)
        self._stop(dispatcher, float(self._stop_request["grace"]))

    def _begin_all(self, dispatcher: CallDispatcher, frames: Frames) -> Actions | None:
        """Begin requests, and return what the event loop has to run; None after the request to stop.

        Keeps no reference to the other requests: they may be large.
        """
        on_loop: Actions = []
        for header, blob in frames:
            if header["k"] == "stop":
                self._stop_request = header
            elif header["k"] == "debug":
                opening = threading.Thread(target=debugging.listen_when_free, args=(self._channel, header), daemon=True)
                debugging.never_paused(opening).start()
            elif (action := self._handle(dispatcher, header, blob)) is not None:
                on_loop.append(action)
        if self._stop_request is None:
            return on_loop
        if on_loop:
            self._loop.call_soon_threadsafe(self._run_all, on_loop)
        return None

    def _run_all(self, actions: Actions) -> None:
        """Run what is for the event loop, in order. If a signal handler of user code raises, the rest runs later."""
        try:
            self._actions.extend(actions)
            while self._actions:
                self._run_action(self._actions.popleft())
        except BaseException:
            nothing: Actions = []
            self._loop.call_soon(self._run_all, nothing)
            raise

    def _run_action(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            text = f"A request was not carried out:\n{failures.stack_of(error)}"
            logs.report(self._channel, logging.ERROR, text)

    def _handle(self, dispatcher: CallDispatcher, header: dict[str, Any], blob: bytes) -> Callable[[], None] | None:
        try:
            return dispatcher.handle(header, blob)
        except Exception as error:
            self._channel.send({"k": "failed", "i": header.get("i"), **failures.describe(error)})
            return None

    def _stop(self, dispatcher: CallDispatcher, grace: float) -> None:
        """Let calls finish, then end the process even if user code does not end."""
        dispatcher.wait_idle(grace)
        self._is_stopping = True
        deadline = threading.Timer(THREADS_SECONDS, self._exit)
        deadline.daemon = True
        deadline.start()
        self._leave_loop(dispatcher, ASGI_SHUTDOWN_SECONDS)

    def _end_without_host(self, dispatcher: CallDispatcher) -> None:
        """Give calls a moment to finish, then end the process and the processes that user code has started."""
        orphan.postpone(LONGEST_WITHOUT_HOST)
        latest = threading.Timer(END_WITHOUT_HOST, orphan.end, (self._host,))
        latest.daemon = True
        latest.start()
        dispatcher.wait_idle(GRACE_WITHOUT_HOST)
        self._is_stopping = self._is_orphan = True
        self._leave_loop(dispatcher, END_WITHOUT_HOST - GRACE_WITHOUT_HOST)

    def _leave_loop(self, dispatcher: CallDispatcher, patience: float) -> None:
        if dispatcher.has_started_asgi:
            self._shut_down_asgi(dispatcher, patience)
        if (closing := sdk.closing_client_session()) is not None:
            with contextlib.suppress(Exception):  # Only so that aiohttp does not log an error about it.
                asyncio.run_coroutine_threadsafe(closing, self._loop).result(SESSION_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _shut_down_asgi(self, dispatcher: CallDispatcher, patience: float) -> None:
        try:
            shutdown = asyncio.run_coroutine_threadsafe(dispatcher.shut_down_asgi(), self._loop)
            shutdown.result(patience)
        except Exception as error:
            text = f"The shutdown of the ASGI app failed: {type(error).__name__}: {error}"
            logs.report(self._channel, logging.WARNING, text)

    def _exit(self) -> None:
        self._capture.finish()
        self._channel.flush()
        os._exit(0)


def _ignore(number: int, frame: Any) -> None:
    pass


def _ignore_signals() -> None:
    """Ignore Ctrl+C and SIGTERM: the host handles them and ends the worker through the pipe.

    Use handlers instead of SIG_IGN, which programs started by user code would inherit.
    """
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), _ignore)


def _after_fork(channel: PipeChannel, requests: int) -> None:
    orphan.after_fork()
    captured_streams.after_fork()
    channel.after_fork()
    os.close(requests)
    for number, original in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is _ignore:
            signal.signal(number, original)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, logs.HostHandler)]:
        root.removeHandler(handler)
        root.addHandler(logging.StreamHandler())
