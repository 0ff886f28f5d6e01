"""One connection of a client: reads frames, runs calls, writes frames (RFC 9113, and gRPC over HTTP/2)."""

import asyncio
import inspect
import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from durable_host.grpc_port import header_blocks
from durable_host.grpc_port import http2_frames as frames
from durable_host.grpc_port.grpc_call import LARGEST_MESSAGE, GrpcCall
from durable_host.grpc_port.grpc_methods import CallEnded, DuplexPeer, Methods
from durable_host.grpc_port.http2_frames import PeerError
from durable_host.grpc_port.status_code import StatusCode

_log = logging.getLogger("Host.Grpc")

_WINDOW = 1024 * 1024
_LARGEST_WINDOW = 2**31 - 1
_PREFACE_SECONDS = 20.0
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class GrpcConnection(asyncio.Protocol):
    """Owned by its server, which keeps it in `connections`.

    `window` is the peer's flow-control window for all calls. `blocked` are the calls that wait for a window.
    """

    def __init__(self, methods: Methods, connections: "set[GrpcConnection]") -> None:
        self.window = 65_535
        self.largest_frame = frames.LARGEST_FRAME
        self.blocked: set[GrpcCall] = set()
        self._methods = methods
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._unread = b""
        self._has_preface = False
        self._headers = header_blocks.RequestHeaders()
        self._block: tuple[int, int, list[bytes]] | None = None
        self._calls: dict[int, GrpcCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_id = 0
        self._call_window = 65_535
        self._unacknowledged = 0
        self._buffered = 0
        self._out: list[bytes] = []
        self._writable: asyncio.Future[None] | None = None
        self._is_closing = False
        self._hurry: asyncio.TimerHandle | None = None

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._hurry = self._loop.call_later(_PREFACE_SECONDS, self._transport.close)
        self.write(frames.settings({frames.INITIAL_WINDOW_SIZE: _WINDOW}) + frames.window_update(0, 15 * _WINDOW))

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._connections.discard(self)
        if self._hurry is not None:
            self._hurry.cancel()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        for call in list(self._calls.values()):
            self._drop(call)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        try:
            self._read(self._unread + data if self._unread else data)
        except PeerError as error:
            self._refuse(error)

    def eof_received(self) -> bool:
        return False

    # What calls need

    def write(self, data: bytes) -> None:
        """Send `data` together with everything else that is written in this turn of the event loop."""
        self._out.append(data)
        if len(self._out) == 1:
            self._loop.call_soon(self._flush)

    async def writable(self) -> None:
        """Wait while the socket's buffer is full."""
        if self._writable is not None:
            await self._writable

    def forget(self, call: GrpcCall) -> None:
        """Remove a call that has ended, with everything sent."""
        if call.is_over:
            return
        call.is_over = True
        if call.deadline is not None:
            call.deadline.cancel()
        if not call.has_request:
            self.write(frames.reset(call.id, frames.NO_ERROR))
            self._buffered -= call.received
        self._calls.pop(call.id, None)
        self._end_requests(call)

    # What the server calls

    def close(self, text: str) -> list[asyncio.Task[None]]:
        """End all calls with UNAVAILABLE and close the connection. Return the tasks that are still running."""
        if not self._is_closing and self._transport is not None:
            self._is_closing = True
            for call in list(self._calls.values()):
                if call.task is not None:
                    call.task.cancel()
                call.end(StatusCode.UNAVAILABLE, text)
            self.write(frames.goaway(self._last_id, frames.NO_ERROR))
            self._flush()
            self._transport.close()
        return list(self._tasks)

    @property
    def running(self) -> list[asyncio.Task[None]]:
        """The tasks of running calls."""
        return list(self._tasks)

    # Frames

    def _read(self, data: bytes) -> None:
        at = 0
        if not self._has_preface:
            size = len(frames.PREFACE)
            if not frames.PREFACE.startswith(data[:size]):
                raise PeerError(frames.PROTOCOL_ERROR, "this port speaks HTTP/2 only")
            if len(data) < size:
                self._unread = data
                return
            self._has_preface, at = True, size
            if self._hurry is not None:
                self._hurry.cancel()
        end = len(data)
        while end - at >= frames.HEADER_SIZE:
            size = int.from_bytes(data[at : at + 3], "big")
            if size > frames.LARGEST_FRAME:
                raise PeerError(frames.FRAME_SIZE_ERROR, "the frame is too large")
            begin = at + frames.HEADER_SIZE
            if end - begin < size:
                break
            stream_id = int.from_bytes(data[at + 5 : begin], "big") & 0x7FFFFFFF
            self._frame(data[at + 3], data[at + 4], stream_id, data[begin : begin + size])
            at = begin + size
        self._unread = data[at:]

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is not None and (kind != frames.CONTINUATION or stream_id != self._block[0]):
            raise PeerError(frames.PROTOCOL_ERROR, "headers are interrupted")
        match kind:
            case frames.DATA:
                self._data(flags, stream_id, payload)
            case frames.HEADERS:
                block = frames.unpadded(flags, payload)
                self._block = (stream_id, flags, [block[5:] if flags & frames.HAS_PRIORITY else block])
                if flags & frames.END_HEADERS:
                    self._headers_end()
            case frames.CONTINUATION:
                self._continuation(flags, payload)
            case frames.WINDOW_UPDATE:
                self._window_update(stream_id, payload)
            case frames.PING:
                if len(payload) != 8:
                    raise PeerError(frames.FRAME_SIZE_ERROR, "PING has 8 bytes")
                if not flags & frames.ACK:
                    self.write(frames.frame(frames.PING, frames.ACK, 0, payload))
            case frames.SETTINGS:
                if not flags & frames.ACK:
                    self._settings(payload)
            case frames.RST_STREAM:
                call = self._calls.get(stream_id)
                if call is not None:
                    self._drop(call)
            case frames.PUSH_PROMISE:
                raise PeerError(frames.PROTOCOL_ERROR, "clients promise nothing")
            case _:
                pass  # PRIORITY, GOAWAY and unknown frames have no effect.

    def _continuation(self, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise PeerError(frames.PROTOCOL_ERROR, "there are no headers to continue")
        self._block[2].append(payload)
        if sum(map(len, self._block[2])) > header_blocks.LARGEST_BLOCK or len(self._block[2]) > 64:
            raise PeerError(frames.ENHANCE_YOUR_CALM, "the headers are too long")
        if flags & frames.END_HEADERS:
            self._headers_end()

    def _headers_end(self) -> None:
        assert self._block is not None
        (stream_id, flags, parts), self._block = self._block, None
        headers = self._headers.read(parts[0] if len(parts) == 1 else b"".join(parts))
        if stream_id <= self._last_id:
            call = self._calls.get(stream_id)
            if call is not None and flags & frames.END_STREAM:  # Trailers of the request.
                self._request_end(call)
            return
        if not stream_id % 2:
            raise PeerError(frames.PROTOCOL_ERROR, "streams of clients have odd numbers")
        self._last_id = stream_id
        if not headers.get("content-type", "").startswith("application/grpc") or headers.get(":method") != "POST":
            block = header_blocks.not_grpc(415)
            self.write(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream_id, block))
            return
        path = headers.get(":path", "")
        method = self._methods.get(path)
        if method is None:
            block = header_blocks.STARTED + header_blocks.ended(StatusCode.UNIMPLEMENTED, f"There is no method {path}.")
            self.write(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream_id, block))
            return
        call = self._calls[stream_id] = GrpcCall(self, stream_id, method, headers, self._call_window)
        timeout = _TIMEOUT.fullmatch(headers.get("grpc-timeout", ""))
        if timeout is not None:
            seconds = int(timeout[1]) * _SECONDS[timeout[2]]
            call.deadline = self._loop.call_later(seconds, self._expire, call)
        if method.duplex is not None:
            call.peer = method.duplex(call, headers)
        if flags & frames.END_STREAM:
            self._request_end(call)

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._unacknowledged += size
        if self._unacknowledged >= _WINDOW:
            self.write(frames.window_update(0, self._unacknowledged))
            self._unacknowledged = 0
        call = self._calls.get(stream_id)
        if call is None or call.has_request:
            if stream_id > self._last_id:
                raise PeerError(frames.PROTOCOL_ERROR, "data without headers")
            return
        part = frames.unpadded(flags, payload) if flags & frames.PADDED else payload
        if call.peer is not None:
            self._pass_on(call, call.peer, part)
        else:
            call.received += len(part)
            self._buffered += len(part)
            if self._buffered > LARGEST_MESSAGE:
                call.end(StatusCode.RESOURCE_EXHAUSTED, f"Requests may have {LARGEST_MESSAGE} bytes.")
                return
            call.body.append(part)
        if flags & frames.END_STREAM:
            self._request_end(call)
            return
        call.unacknowledged += size
        if call.unacknowledged >= _WINDOW // 2:
            self.write(frames.window_update(stream_id, call.unacknowledged))
            call.unacknowledged = 0

    def _window_update(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise PeerError(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE has 4 bytes")
        increment = int.from_bytes(payload, "big") & 0x7FFFFFFF
        if stream_id:
            call = self._calls.get(stream_id)
            if call is not None:
                call.window = min(call.window + increment, _LARGEST_WINDOW)
                if call in self.blocked:
                    call.flush()
            return
        self.window += increment
        if self.window > _LARGEST_WINDOW:
            raise PeerError(frames.FLOW_CONTROL_ERROR, "the window is too large")
        self._flush_blocked()

    def _settings(self, payload: bytes) -> None:
        for number, value in frames.read_settings(payload):
            if number == frames.INITIAL_WINDOW_SIZE:
                if value > _LARGEST_WINDOW:
                    raise PeerError(frames.FLOW_CONTROL_ERROR, "the window is too large")
                change, self._call_window = value - self._call_window, value
                for call in self._calls.values():
                    call.window += change
            elif number == frames.MAX_FRAME_SIZE:
                self.largest_frame = max(frames.LARGEST_FRAME, min(value, 2**24 - 1))
        self.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._flush_blocked()

    def _flush_blocked(self) -> None:
        for call in list(self.blocked):
            call.flush()

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            if not self._transport.is_closing():
                self._transport.write(data)

    # Calls

    def _request_end(self, call: GrpcCall) -> None:
        """Answer a request that was received completely."""
        if call.has_request:
            return
        call.has_request = True
        self._buffered -= call.received
        if call.peer is not None:
            self._end_requests(call)
            return
        try:
            request = call.request()
        except CallEnded as ended:
            call.end(ended.code, ended.text)
            return
        method = call.method
        if method.stream is not None:
            self._begin(call, self._stream(call, method.stream(request, call.metadata)))
            return
        assert method.answer is not None
        try:
            answer = method.answer(request, call.metadata)
            if not inspect.isawaitable(answer):
                call.answer(method.write(answer))
                return
        except Exception as error:
            _end(call, error)
            return
        self._begin(call, self._answer(call, answer))

    def _pass_on(self, call: GrpcCall, peer: DuplexPeer, part: bytes) -> None:
        """Hand the requests that `part` completes to the receiver of a duplex call."""
        before = call.received
        try:
            for request in call.requests(part):
                peer.received(request)
                if call.is_over:
                    break
        except Exception as error:
            _end(call, error)
        finally:
            self._buffered += call.received - before
        if self._buffered > LARGEST_MESSAGE:
            call.end(StatusCode.RESOURCE_EXHAUSTED, f"Requests may have {LARGEST_MESSAGE} bytes.")

    def _end_requests(self, call: GrpcCall) -> None:
        """Tell the receiver of a duplex call that no more requests come."""
        peer, call.peer = call.peer, None
        if peer is not None:
            peer.ended()

    def _begin(self, call: GrpcCall, work: Any) -> None:
        task = call.task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, call: GrpcCall, answer: Any) -> None:
        try:
            response = call.method.write(await answer)
        except Exception as error:
            _end(call, error)
        else:
            if not call.is_over:
                call.answer(response)

    async def _stream(self, call: GrpcCall, responses: AsyncIterator[Any]) -> None:
        try:
            async with aclosing(cast("Any", responses)) as open_responses:
                async for response in open_responses:
                    call.send(call.method.write(response))
                    await call.drain()
        except Exception as error:
            _end(call, error)
        else:
            call.end()

    def _expire(self, call: GrpcCall) -> None:
        if call.task is not None:
            call.task.cancel()
        call.end(StatusCode.DEADLINE_EXCEEDED, "The deadline of the call has passed.")

    def _drop(self, call: GrpcCall) -> None:
        """Cancel a call that the caller has reset."""
        if not call.has_request:
            self._buffered -= call.received
        self.blocked.discard(call)
        self._calls.pop(call.id, None)
        call.cancel()
        self._end_requests(call)

    def _refuse(self, error: PeerError) -> None:
        _log.debug("A gRPC connection was closed: %s", error)
        self._is_closing = True
        self.write(frames.goaway(self._last_id, error.code, str(error)))
        self._flush()
        if self._transport is not None:
            self._transport.close()


def _end(call: GrpcCall, error: Exception) -> None:
    if isinstance(error, CallEnded):
        call.end(error.code, error.text)
    else:
        _log.error("A gRPC call failed: %s", error, exc_info=error)
        call.end(StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")
