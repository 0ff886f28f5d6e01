"""A worker process: starts it, exchanges frames with it, and handles its end."""

import asyncio
import contextlib
import re
import subprocess
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any, TypeVar, cast

from durable_host.invocation import log_relay, worker_stream
from durable_host.invocation.batch_scheduling import MANY, BatchScheduling
from durable_host.invocation.code_failure import read_code_failure
from durable_host.invocation.errors import FunctionFailed, WorkerLost
from durable_host.invocation.frames import decode_header, encode_to_worker
from durable_host.invocation.http_exchange import HttpExchange
from durable_host.invocation.index import read_index
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.process_group import kill_group, kill_rest_of_group, own_group
from durable_host.invocation.requests import InvocationRequest, InvocationResponse, decode_response, encode_request
from durable_host.invocation.worker_exit import OVERDUE, lost_in_exit, lost_in_given_up
from durable_host.invocation.worker_options import DebuggerAddress, WorkerOptions
from durable_host.invocation.worker_stream import WorkerStream
from durable_host.worker.frames import FrameBody, FrameParser

START_SECONDS = 120.0
"""How long an app may take to load."""
PATIENCE = 2.0
"""Seconds that a compiler may take from the first file that it deletes to the last one that it writes."""
STDERR_LINES_KEPT = 20
LONGEST_LINE = 64 * 1024
PIPES_CLOSE_WITHIN = 0.5
_NOT_RUNNING = (None, "")

P = TypeVar("P", bound=asyncio.SubprocessProtocol)
T = TypeVar("T")


def worker_environment(options: WorkerOptions) -> dict[str, str]:
    """The environment of a worker process, with the variables that the Functions host adds for its workers."""
    environment = options.kind.environment(options.environment)
    environment["FUNCTIONS_APPLICATION_DIRECTORY"] = str(options.root)
    return environment


async def start_process(
    protocol: Callable[[], P], command: list[str], *, cwd: str, environment: Mapping[str, str]
) -> P:
    """Start a program in a session of its own, with pipes for its streams. Raises OSError."""
    _, process = await asyncio.get_running_loop().subprocess_exec(
        protocol,
        *command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=environment,
        **own_group(),
    )
    return process


class WorkerProcess(asyncio.SubprocessProtocol):
    """Owns a child process and its running calls.

    `exited` is done, with the exit code, when the process has ended and all its output has been read.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._pending: dict[str, tuple[asyncio.Future[tuple[dict[str, Any], bytes]], str]] = {}
        self._watched: dict[str, asyncio.Event] = {}
        self._streams: dict[str, WorkerStream] = {}
        self._instances: dict[str, str] = {}
        self._outgoing: list[bytes] = []
        self._parser = FrameParser(decode_header)
        self._stderr = bytearray()
        self._last_stderr: deque[str] = deque(maxlen=STDERR_LINES_KEPT)
        self._writable = asyncio.Event()
        self._writable.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._pings = 0
        self._ponged = asyncio.Event()
        self._ponged.set()
        self._not_logged: re.Pattern[str] | None = None
        self._wanted_lines: asyncio.Queue[str] | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self.outlives_time_outs = True
        self.start_seconds: float | None = START_SECONDS
        self.is_given_up = False
        self._given_up_because = OVERDUE
        self.ended_in_calls = False
        self._is_ended_by_host = False
        self._unstarted: set[str] = set()
        self.overdue_calls = 0
        """Calls that took too long, so that the process may have to be stopped; it accepts no other calls."""
        self.indexed: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self.exited: asyncio.Future[int] = self._loop.create_future()

    @classmethod
    async def start(cls, options: WorkerOptions, debugger: DebuggerAddress | None = None) -> "WorkerProcess":
        """Start the process and send it the first request; `indexed` is done when it has loaded the app.

        Raises InterpreterUnusable.
        """
        try:
            worker = await start_process(
                lambda: cls(options),
                options.kind.command(options.executable, options.arguments, options.environment),
                cwd=str(options.root),
                environment=worker_environment(options),
            )
        except OSError as error:
            raise options.kind.cannot_start(options.executable, str(error)) from error
        start: dict[str, Any] = {
            "k": "start",
            "root": str(options.root),
            "script": options.script,
        }
        if debugger is not None:
            start["debugger"] = _debugger_fields(debugger)
        if options.is_reload:
            start.update(reload=True, patience=PATIENCE)
        if options.functions is not None:
            start["functions"] = options.functions
        worker.send({**start, "level": options.minimum_level})
        return worker

    def read_index(self) -> IndexResult:
        """What the process has loaded, after `indexed`."""
        return read_index(self.indexed.result(), self._options.kind, self._options.root)

    @property
    def pid(self) -> int | None:
        return self._transport.get_pid() if self._transport is not None else None

    @property
    def takes_calls(self) -> bool:
        return not self.overdue_calls and not self.exited.done()

    @property
    def running_calls(self) -> int:
        return len(self._pending)

    @property
    def running_functions(self) -> set[str]:
        return {function for _, function in self._pending.values()}

    @property
    def last_stderr(self) -> tuple[str, ...]:
        return tuple(self._last_stderr)

    def send(self, header: dict[str, Any], blob: FrameBody | None = None) -> None:
        """Write a frame. With many calls, the frames of one iteration of the event loop are sent together."""
        frame = encode_to_worker(header, blob.parts if blob is not None else None)
        if not self._outgoing:
            if len(self._pending) < MANY:
                self._write(frame)
                return
            self._loop.call_soon(self._flush)
        self._outgoing.append(frame)

    def open_debugger(self, address: DebuggerAddress) -> None:
        """Make the process listen for a debugger from now on."""
        self.send({"k": "debug", **_debugger_fields(address)})

    async def request(
        self,
        header: dict[str, Any],
        decode: Callable[[dict[str, Any], bytes], T],
        blob: FrameBody | None = None,
        instance_id: str | None = None,
    ) -> T:
        """Run the call in `header`, in which `i` is the invocation ID. Raises FunctionFailed, WorkerLost.

        If the caller is cancelled, the call continues in the worker.
        """
        if self.exited.done():
            raise WorkerLost("The worker process ended before it ran the function.")
        invocation_id: str = header["i"]
        answer: asyncio.Future[tuple[dict[str, Any], bytes]] = self._loop.create_future()
        self._pending[invocation_id] = answer, header["f"]
        self._idle.clear()
        if len(self._pending) >= MANY:
            self._scheduling.note_many_calls()
        if instance_id is not None:
            self._instances[invocation_id] = instance_id
        try:
            self.send(header, blob)
            if not self._writable.is_set():
                await self._writable.wait()
            reply, data = await answer
        finally:
            if instance_id is not None:
                self._instances.pop(invocation_id, None)
        if reply["k"] == "failed":
            failure = read_code_failure(reply, names_type=self._options.kind.names_error_types)
            raise FunctionFailed(reply["type"], reply["message"], reply["stack"], failure)
        return decode(reply, data)

    def runs(self, invocation_id: str) -> bool:
        """Whether this process is running the call."""
        return invocation_id in self._pending

    def invoke(self, request: InvocationRequest) -> Coroutine[Any, Any, InvocationResponse]:
        header, blob = encode_request(request)
        return self.request(header, decode_response, blob, request.instance_id)

    def orchestrate(
        self, function: str, payload: dict[str, Any], invocation_id: str, instance_id: str | None
    ) -> Coroutine[Any, Any, dict[str, Any]]:
        header = {"k": "orchestrate", "i": invocation_id, "f": function, "p": payload}
        return self.request(header, _decoded_turn, None, instance_id)

    def cancel(self, invocation_id: str) -> None:
        self.send({"k": "cancel", "i": invocation_id})

    def forget_session(self, key: str) -> None:
        self.send({"k": "forget", "key": key})

    async def stream(self, request: InvocationRequest, exchange: HttpExchange) -> InvocationResponse:
        """Run a call with the HTTP request and response of `exchange`.

        Raises the exceptions of `request`, ClientGone, and those of `exchange` for a response that cannot be sent. If
        the caller is cancelled, the call continues in the worker, which is notified that the client has disconnected.
        """
        if self.exited.done():
            raise WorkerLost("The worker process ended before it ran the function.")
        header, blob = encode_request(request)
        invocation_id = request.invocation_id
        answer: asyncio.Future[tuple[dict[str, Any], bytes]] = self._loop.create_future()
        self._pending[invocation_id] = answer, request.function
        self._idle.clear()
        if len(self._pending) >= MANY:
            self._scheduling.note_many_calls()
        self.send({**header, "k": "stream", "http": exchange.head.fields()}, blob)
        names_type = self._options.kind.names_error_types
        stream = WorkerStream(invocation_id, exchange, self.send, names_type=names_type)
        self._streams[invocation_id] = stream
        try:
            return decode_response(*await stream.run(answer))
        finally:
            del self._streams[invocation_id]

    async def wait_ended(self, invocation_id: str, timeout: float) -> bool:
        """Whether the call ends in the worker within `timeout` seconds."""
        if invocation_id not in self._pending:
            return True
        ended = self._watched.setdefault(invocation_id, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await ended.wait()
        return ended.is_set()

    def take_unstarted(self, invocation_id: str) -> bool:
        """Whether a call was cancelled before any of its code ran. Call it after `wait_ended`."""
        was_unstarted = invocation_id in self._unstarted
        self._unstarted.discard(invocation_id)
        return was_unstarted

    async def answers_ping(self, within: float) -> bool:
        """Whether the worker's event loop turns, or the process has ended."""
        self._pings += 1
        self._ponged.clear()
        self.send({"k": "ping", "n": self._pings})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.wait_pong()
        return self._ponged.is_set()

    async def wait_pong(self) -> None:
        """Wait until the last ping is answered or the process has ended."""
        await self._ponged.wait()

    @contextlib.contextmanager
    def reading_stderr(self, pattern: re.Pattern[str]) -> Generator[asyncio.Queue[str]]:
        """Yield a queue of the lines on stderr that match. They are not logged, even afterwards."""
        self._not_logged = pattern
        self._wanted_lines = asyncio.Queue()
        try:
            yield self._wanted_lines
        finally:
            self._wanted_lines = None

    async def wait_idle(self) -> None:
        """Wait until no call is running, or the process has ended."""
        await self._idle.wait()

    async def stop(self, grace: float) -> None:
        """Ask the process to finish its calls and end; kill it if it has not ended a little after `grace` seconds."""
        self._is_ended_by_host = True
        if not self.exited.done():
            self.send({"k": "stop", "grace": grace})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace + 4):
                    await asyncio.shield(self.exited)
                return
        await self.destroy()

    def kill(self) -> None:
        """Kill the process and the processes that user code has started in its group."""
        if self.pid is not None and not self.exited.done():
            kill_group(self.pid)

    def give_up(self, why: str = OVERDUE) -> None:
        """Kill a process in which a function does not end, or for another reason."""
        self._given_up_because = why
        self.is_given_up = True
        self.kill()

    async def destroy(self) -> None:
        """Kill the process and wait until it has ended."""
        self._is_ended_by_host = True
        self.kill()
        await asyncio.shield(self.exited)

    def _lost(self, code: int, *, was_alone: bool) -> WorkerLost:
        """The error for a call that ran in the process when it ended."""
        if self.is_given_up:
            return lost_in_given_up(self._given_up_because)
        kind, is_ended_by_host = self._options.kind, self._is_ended_by_host
        return lost_in_exit(kind, code, self.last_stderr, is_ended_by_host=is_ended_by_host, was_alone=was_alone)

    # asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
        self._scheduling = BatchScheduling(self._transport.get_pid())

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            for header, blob in self._parser.feed(data):
                self._received(header, blob)
        else:
            *ends, rest = data.split(b"\n")
            for end in ends:
                self._stderr += end
                self._end_stderr_line()
            self._stderr += rest
            if len(self._stderr) > LONGEST_LINE:
                self._end_stderr_line()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def process_exited(self) -> None:
        if self.pid is not None:
            kill_rest_of_group(self.pid)  # processes that user code has started
        # A program that user code started may keep the pipes open forever.
        self._loop.call_later(PIPES_CLOSE_WITHIN, self._ended)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()

    def _flush(self) -> None:
        frames, self._outgoing = self._outgoing, []
        self._write(frames[0] if len(frames) == 1 else b"".join(frames))

    def _write(self, data: bytes) -> None:
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(data)

    def _received(self, header: dict[str, Any], blob: bytes) -> None:
        kind = header["k"]
        if kind in ("result", "failed", "orchestrated"):
            answer, _ = self._pending.pop(header["i"], _NOT_RUNNING)
            if (watched := self._watched.pop(header["i"], None)) is not None:
                watched.set()
                if header.get("unstarted"):
                    self._unstarted.add(header["i"])
            if not self._pending:
                self._idle.set()
            if answer is not None and not answer.done():
                answer.set_result((header, blob))
        elif kind == "pong":
            if header["n"] == self._pings:
                self._ponged.set()
        elif kind == "indexed":
            if not self.indexed.done():
                self.indexed.set_result(header)
        elif kind in worker_stream.FRAMES:
            if (stream := self._streams.get(header["i"])) is not None:
                stream.received(header, blob)
        else:
            if kind == "console" and header["s"] == "stderr":
                self._last_stderr.append(header["t"])
            log_relay.relay(header, self._instances.get(header.get("i", "")))

    def _end_stderr_line(self) -> None:
        text = self._stderr.decode("utf-8", "replace").rstrip("\r")
        self._stderr.clear()
        if self._not_logged is not None and self._not_logged.match(text):
            if self._wanted_lines is not None:
                self._wanted_lines.put_nowait(text)
            return
        self._last_stderr.append(text)
        log_relay.relay({"k": "console", "s": "stderr", "t": text}, None)

    def _ended(self) -> None:
        if self.exited.done() or self._transport is None:
            return
        if self._stderr:
            self._end_stderr_line()
        code = self._transport.get_returncode()
        code = -1 if code is None else code
        self.exited.set_result(code)
        self._transport.close()
        if not self.indexed.done():
            self.indexed.cancel()
        self.ended_in_calls = bool(self._pending)
        was_alone = len(self._pending) == 1
        for answer, _ in self._pending.values():
            if not answer.done():
                answer.set_exception(self._lost(code, was_alone=was_alone))
        self._pending.clear()
        for watched in self._watched.values():
            watched.set()
        self._idle.set()
        self._ponged.set()
        self._writable.set()


def _decoded_turn(reply: dict[str, Any], _: bytes) -> dict[str, Any]:
    return reply["p"]


def _debugger_fields(address: DebuggerAddress) -> dict[str, Any]:
    return {"host": address.host, "port": address.port, "wait": address.wait}
