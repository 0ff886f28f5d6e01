"""The gRPC endpoint for the stream of one worker process.

Source: docs/protocol/function-rpc.md#messages
"""

import logging
from collections.abc import Callable
from typing import Any

from durable_host.function_rpc.rpc_messages import EVENT_STREAM, StreamingMessage
from durable_host.grpc_port import CallEnded, DuplexCall, GrpcServer, Metadata, Method, StatusCode

_log = logging.getLogger("Host.Worker")

ADDRESS = "127.0.0.1"


class WorkerEventStream:
    """Listens on a free port from `listen` to `close`.

    Accepts one stream, which has to begin with `worker_id`. `receive` gets its messages, the first one included;
    `ended` is called when it has ended.
    """

    def __init__(self, worker_id: str, receive: Callable[[Any], None], ended: Callable[[], None]) -> None:
        self._expected: str | None = worker_id
        self._receive = receive
        self._ended = ended
        self._call: DuplexCall | None = None
        method = Method(StreamingMessage.FromString, StreamingMessage.SerializeToString, duplex=self._accept)
        self._server = GrpcServer({EVENT_STREAM: method})

    @property
    def is_open(self) -> bool:
        """True from the worker's first message to the end of its stream."""
        return self._call is not None

    async def listen(self) -> int:
        """Listen, and return the port. Raises OSError."""
        return await self._server.listen(ADDRESS, 0)

    def send(self, message: Any) -> None:
        """Send a message. Does nothing without a stream. Raises ValueError for one that cannot be encoded."""
        if self._call is not None:
            self._call.send(message.SerializeToString())

    async def drain(self) -> None:
        """Wait until everything was written that the worker is ready to receive."""
        if self._call is not None:
            await self._call.drain()

    def close(self) -> None:
        """End the stream and stop listening. Idempotent."""
        self._expected = None
        self._server.close()

    def _accept(self, call: DuplexCall, metadata: Metadata) -> "_Caller":
        return _Caller(self, call)

    def begin(self, call: DuplexCall, message: Any) -> None:
        """Take the first message of a caller. Raises CallEnded unless it has the expected worker ID."""
        is_known = message.WhichOneof("content") == "start_stream" and (
            self._expected is not None and message.start_stream.worker_id == self._expected
        )
        if not is_known:
            _log.warning("A stream that does not begin with the ID of a started worker process was refused.")
            raise CallEnded(StatusCode.PERMISSION_DENIED, "The stream does not begin with the ID of a worker.")
        self._expected, self._call = None, call
        self._receive(message)

    def pass_on(self, message: Any) -> None:
        """Pass a message of the worker on."""
        self._receive(message)

    def end(self) -> None:
        """The worker's stream has ended."""
        self._call = None
        self._ended()


class _Caller:
    """A `DuplexPeer`: not known to be the worker before its first message."""

    def __init__(self, stream: WorkerEventStream, call: DuplexCall) -> None:
        self._stream = stream
        self._call = call
        self._is_worker = False

    def received(self, request: Any) -> None:
        if self._is_worker:
            self._stream.pass_on(request)
        else:
            self._stream.begin(self._call, request)
            self._is_worker = True

    def ended(self) -> None:
        if self._is_worker:
            self._stream.end()
