"""Compares gRPC servers on the load of FunctionRpc: round trips on one stream in which both sides send at any time.

`python -m bench.event_streams` prints CPU time of the server per round trip. It needs grpcio, and grpclib to have its
row. The worker is a child process on grpcio, the same for all servers.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc.aio
from rich.console import Console
from rich.table import Table

from bench.command import run_command
from durable_host.function_rpc.rpc_messages import EVENT_STREAM, StreamingMessage
from durable_host.grpc_port import DuplexCall, GrpcServer, Metadata, Method

ROUND_TRIPS = 20_000
IN_FLIGHT = 32
ROUNDS = 3
WORKER = f"""
import asyncio, sys
import grpc.aio

async def main():
    async with grpc.aio.insecure_channel("127.0.0.1:" + sys.argv[1]) as channel:
        stream = channel.stream_stream({EVENT_STREAM!r})()
        await stream.write(b"\\x0a\\x05start")
        while (message := await stream.read()) is not grpc.aio.EOF:
            await stream.write(message)

asyncio.run(main())
"""


class Trips:
    """Counts round trips. `send` is what the server under test offers."""

    def __init__(self) -> None:
        self.send: Callable[[bytes], None] = lambda body: None
        self.done = asyncio.Event()
        self.ended = asyncio.Event()
        self.cpu = 0.0
        self.seconds = 0.0
        self._left = ROUND_TRIPS
        self._request = _request()

    def received(self, body: bytes) -> None:
        message = StreamingMessage.FromString(body)
        if message.request_id == "start":
            self.cpu, self.seconds = time.process_time(), time.perf_counter()
            for _ in range(IN_FLIGHT):
                self._ask()
        elif self._left > 0:
            self._ask()
        elif not self.done.is_set():
            self.cpu, self.seconds = time.process_time() - self.cpu, time.perf_counter() - self.seconds
            self.done.set()

    def _ask(self) -> None:
        self._left -= 1
        self.send(self._request.SerializeToString())


def _request() -> Any:
    """An invocation of a small HTTP function."""
    message = StreamingMessage(request_id="r" * 36)
    rpc = message.invocation_request
    rpc.invocation_id, rpc.function_id = "i" * 36, "1231997795"
    http = rpc.input_data.add(name="req").data.http
    http.method, http.url = "GET", "http://localhost:7071/api/hello?name=x"
    for name in ("host", "accept", "user-agent"):
        http.nullable_headers[name].value = "value of it"
    return message


async def on_own(trips: Trips, worker: Callable[[int], None]) -> None:
    """`durable_host.grpc_port`."""

    class Peer:
        def received(self, request: Any) -> None:
            trips.received(request)

        def ended(self) -> None:
            pass

    def accept(call: DuplexCall, metadata: Metadata) -> Peer:
        trips.send = call.send
        return Peer()

    server = GrpcServer({EVENT_STREAM: Method(bytes, bytes, duplex=accept)})
    worker(await server.listen("127.0.0.1", 0))
    await trips.done.wait()
    server.close()


async def on_grpcio(trips: Trips, worker: Callable[[int], None]) -> None:
    """`grpc.aio`."""

    async def stream(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        trips.send = outgoing.put_nowait

        async def read() -> None:
            async for body in requests:
                trips.received(body)

        reading = asyncio.ensure_future(read())
        try:
            while not trips.done.is_set():
                yield await outgoing.get()
        finally:
            reading.cancel()

    service, method = EVENT_STREAM.removeprefix("/").split("/")
    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(stream)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    worker(port)
    await trips.done.wait()
    await server.stop(None)


async def on_grpclib(trips: Trips, worker: Callable[[int], None]) -> None:
    """`grpclib`, on h2."""
    from grpclib.const import Cardinality, Handler  # pyright: ignore[reportMissingImports]
    from grpclib.encoding.base import CodecBase  # pyright: ignore[reportMissingImports]
    from grpclib.server import Server  # pyright: ignore[reportMissingImports]

    class Raw(CodecBase):
        __content_subtype__ = "proto"

        def encode(self, message: Any, message_type: Any) -> bytes:
            return message

        def decode(self, data: bytes, message_type: Any) -> Any:
            return data

    async def serve(stream: Any) -> None:
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        trips.send = outgoing.put_nowait

        async def write() -> None:
            while True:
                await stream.send_message(await outgoing.get())

        writing = asyncio.ensure_future(write())
        try:
            while not trips.done.is_set() and (body := await stream.recv_message()) is not None:
                trips.received(body)
        finally:
            writing.cancel()

    class Service:
        def __mapping__(self) -> dict[str, Handler]:
            return {EVENT_STREAM: Handler(serve, Cardinality.STREAM_STREAM, bytes, bytes)}

    server = Server([Service()], codec=Raw())
    await server.start("127.0.0.1", 0)
    worker(server._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]
    await trips.done.wait()
    server.close()


async def _measure(serve: Any) -> tuple[float, float]:
    """Microseconds of CPU time per round trip, and round trips per second."""
    trips = Trips()
    child: subprocess.Popen[bytes] | None = None

    def worker(port: int) -> None:
        nonlocal child
        child = subprocess.Popen([sys.executable, "-c", WORKER, str(port)], stderr=subprocess.DEVNULL)

    try:
        await asyncio.wait_for(serve(trips, worker), 300)
    finally:
        if child is not None:
            child.kill()
            child.wait()
    return trips.cpu / ROUND_TRIPS * 1e6, ROUND_TRIPS / trips.seconds


def main() -> None:
    table = Table("server", "CPU time per round trip", "round trips", title="Round trips on one FunctionRpc stream")
    for serve in (on_own, on_grpcio, on_grpclib):
        try:
            found = [asyncio.run(_measure(serve)) for _ in range(ROUNDS)]
        except ImportError as error:
            table.add_row(serve.__doc__, f"left out: {error}", "")
            continue
        cpu, rate = min(found)[0], max(rate for _, rate in found)
        table.add_row(serve.__doc__, f"{cpu:.0f} µs", f"{rate:.0f}/s")
    Console(width=100).print(table)


if __name__ == "__main__":
    run_command(main)
