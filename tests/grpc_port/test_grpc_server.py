"""The gRPC server, called by grpcio and with raw bytes."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from durable_host.grpc_port import CallEnded, GrpcServer, Metadata, Method, StatusCode, grpc_connection
from durable_host.grpc_port import http2_frames as frames

PATIENCE = 30
LARGE = 8 * 1024 * 1024


class Service:
    """Takes and returns bytes."""

    def __init__(self) -> None:
        self.sent = 0
        self.cancelled = asyncio.Event()
        self.is_waiting = asyncio.Event()

    def echo(self, request: bytes, metadata: Metadata) -> bytes:
        return request

    async def echo_later(self, request: bytes, metadata: Metadata) -> bytes:
        await asyncio.sleep(0)
        return request

    def header(self, request: bytes, metadata: Metadata) -> bytes:
        return metadata[request.decode()].encode()

    def refuse(self, request: bytes, metadata: Metadata) -> bytes:
        raise CallEnded(StatusCode.FAILED_PRECONDITION, request.decode())

    async def fail(self, request: bytes, metadata: Metadata) -> bytes:
        raise ValueError("a mistake")

    async def wait(self, request: bytes, metadata: Metadata) -> bytes:
        try:
            self.is_waiting.set()
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return b""

    async def count(self, request: bytes, metadata: Metadata) -> AsyncIterator[bytes]:
        try:
            until, _, padding = request.partition(b" ")
            for number in range(int(until)):
                self.sent = number
                yield str(number).encode() + padding
        finally:
            self.cancelled.set()

    async def count_and_fail(self, request: bytes, metadata: Metadata) -> AsyncIterator[bytes]:
        yield b"0"
        raise CallEnded(StatusCode.NOT_FOUND, "no more")


class Client:
    def __init__(self, channel: grpc.aio.Channel, port: int, service: Service, server: GrpcServer) -> None:
        self.channel, self.port, self.service, self.server = channel, port, service, server

    async def call(self, name: str, request: bytes = b"", **options: Any) -> bytes:
        return await self.channel.unary_unary(f"/Test/{name}")(request, timeout=PATIENCE, **options)

    def stream(self, name: str, request: bytes = b"") -> Any:
        return self.channel.unary_stream(f"/Test/{name}")(request, timeout=PATIENCE)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    service = Service()
    answers = ("echo", "echo_later", "header", "refuse", "fail", "wait")
    methods = {f"/Test/{name}": Method(bytes, bytes, answer=getattr(service, name)) for name in answers}
    for name in ("count", "count_and_fail"):
        methods[f"/Test/{name}"] = Method(bytes, bytes, stream=getattr(service, name))
    server = GrpcServer(methods)
    port = await server.listen("127.0.0.1", 0)
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield Client(channel, port, service, server)
    await server.stop()


@pytest.mark.parametrize("name", ["echo", "echo_later"])
@pytest.mark.parametrize("request_", [b"", b"hello", bytes(LARGE)], ids=["empty", "short", "long"])
async def test_a_call_is_answered(client: Client, name: str, request_: bytes) -> None:
    assert await client.call(name, request_) == request_


async def test_many_calls_run_at_once(client: Client) -> None:
    answers = await asyncio.gather(*(client.call("echo_later", str(one).encode() * 1000) for one in range(300)))
    assert answers == [str(one).encode() * 1000 for one in range(300)]


async def test_a_client_of_the_blocking_kind_is_answered(client: Client) -> None:
    def calls() -> list[bytes]:
        with grpc.insecure_channel(f"localhost:{client.port}") as channel:
            return [channel.unary_unary("/Test/echo")(b"x", timeout=PATIENCE) for _ in range(50)]

    assert await asyncio.to_thread(calls) == [b"x"] * 50


async def test_a_stream_arrives_in_order(client: Client) -> None:
    assert [int(one) async for one in client.stream("count", b"20000")] == list(range(20_000))


async def test_a_stream_that_nobody_reads_is_held_back_and_ends_with_its_call(client: Client) -> None:
    call = client.stream("count", b"100000 " + bytes(10_000))
    assert (await call.read()).startswith(b"0")
    before = -1
    while before != client.service.sent:
        before = client.service.sent
        await asyncio.sleep(0.2)
    assert before < 10_000
    call.cancel()
    async with asyncio.timeout(PATIENCE):
        await client.service.cancelled.wait()
    assert await client.call("echo", b"others go on") == b"others go on"


async def test_headers_reach_the_method(client: Client) -> None:
    metadata = (("taskhub", "my-hub"), ("odd", 'a b%20c;d="e"'))
    assert await client.call("header", b"taskhub", metadata=metadata) == b"my-hub"
    assert await client.call("header", b"odd", metadata=metadata) == b'a b%20c;d="e"'
    assert (await client.call("header", b"user-agent")).startswith(b"grpc-python")


@pytest.mark.parametrize("text", ["plain", "naïve ✓ 100%", "two\nlines", "x" * 5000])
async def test_a_call_ends_with_code_and_text(client: Client, text: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await client.call("refuse", text.encode())
    assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.FAILED_PRECONDITION, text)


async def test_a_stream_may_end_with_an_error(client: Client) -> None:
    call = client.stream("count_and_fail")
    assert await call.read() == b"0"
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.NOT_FOUND, "no more")


async def test_an_error_of_the_host_is_reported_and_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await client.call("fail")
    assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.UNKNOWN, "ValueError: a mistake")
    assert "A gRPC call failed: a mistake" in caplog.text


async def test_a_method_that_does_not_exist_is_unimplemented(client: Client) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await client.call("nothing")
    assert ended.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_deadline_ends_the_method(client: Client) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await client.channel.unary_unary("/Test/wait")(b"", timeout=0.2)
    assert ended.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(PATIENCE):
        await client.service.cancelled.wait()


async def test_a_client_that_disappears_ends_its_calls(client: Client) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{client.port}") as channel:
        call = channel.unary_unary("/Test/wait")(b"")
        await client.service.is_waiting.wait()
    async with asyncio.timeout(PATIENCE):
        await client.service.cancelled.wait()
    assert call.done()


async def test_a_stop_ends_calls_as_unavailable(client: Client) -> None:
    call = asyncio.create_task(client.call("wait"))
    await client.service.is_waiting.wait()
    await client.server.stop()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call
    assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.UNAVAILABLE, "The host stops.")
    assert client.service.cancelled.is_set()


async def test_a_stop_with_grace_lets_calls_end(client: Client) -> None:
    call = asyncio.create_task(client.call("echo_later", bytes(LARGE)))
    await asyncio.sleep(0)
    await asyncio.gather(call, asyncio.sleep(0))
    await client.server.stop(PATIENCE)
    assert call.result() == bytes(LARGE)


async def test_a_request_that_is_too_long_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_connection, "LARGEST_MESSAGE", 100_000)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await client.call("echo", bytes(200_000))
    assert ended.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await client.call("echo", b"short") == b"short"


async def test_a_compressed_request_is_refused(client: Client) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await client.call("echo", bytes(1000), compression=grpc.Compression.Gzip)
    assert ended.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "compressed" in str(ended.value.details())


def _frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return frames.frame(kind, flags, stream_id, payload)


_BAD = {
    "another protocol": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "noise": bytes(range(256)) * 4,
    "a frame that is too large": frames.PREFACE + b"\xff\xff\xff\0\0\0\0\0\1",
    "headers that cannot be read": frames.PREFACE + _frame(frames.HEADERS, 0x5, 1, b"\xff\xff\xff\xff\xff"),
    "headers on an even stream": frames.PREFACE + _frame(frames.HEADERS, 0x5, 2, b"\x88"),
    "interrupted headers": frames.PREFACE + _frame(frames.HEADERS, 0, 1, b"\x88") + _frame(frames.PING, 0, 0, bytes(8)),
    "endless headers": frames.PREFACE
    + _frame(frames.HEADERS, 0, 1, b"\x88")
    + _frame(frames.CONTINUATION, 0, 1, bytes(16_000)) * 5,
    "a continuation of nothing": frames.PREFACE + _frame(frames.CONTINUATION, 0x4, 1, b"\x88"),
    "data without headers": frames.PREFACE + _frame(frames.DATA, 0, 1, b"x"),
    "more padding than frame": frames.PREFACE + _frame(frames.HEADERS, 0x0D, 1, b"\x09\x88"),
    "a short PING": frames.PREFACE + _frame(frames.PING, 0, 0, b"x"),
    "settings of a strange length": frames.PREFACE + _frame(frames.SETTINGS, 0, 0, b"x"),
    "a promise": frames.PREFACE + _frame(frames.PUSH_PROMISE, 0, 1, b"x"),
    "a window that is too large": frames.PREFACE + frames.window_update(0, 2**31 - 1),
}


@pytest.mark.parametrize("sent", _BAD.values(), ids=_BAD)
async def test_a_connection_that_breaks_the_protocol_is_closed_and_others_continue(client: Client, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(sent)
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionError):
            assert frames.goaway(0, 0)[3:5] in await reader.read()
    writer.close()
    assert await client.call("echo", b"fine") == b"fine"


async def test_what_is_not_a_call_gets_an_http_status(client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    get = b"\x82\x84\x86\x41\x09localhost"
    writer.write(frames.PREFACE + frames.settings({}) + _frame(frames.HEADERS, 0x5, 1, get))
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(b"\x07:status\x03415")
    writer.close()


async def test_a_client_that_says_nothing_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_connection, "_PREFACE_SECONDS", 0.05)
    server = GrpcServer({})
    port = await server.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE):
        await reader.read()
    writer.close()
    await server.stop()


async def test_bytes_may_arrive_one_by_one(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port)) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ping = frames.PREFACE + frames.settings({}) + _frame(frames.PING, 0, 0, b"12345678")
        raw.settimeout(PATIENCE)
        received = b""

        def talk() -> None:
            nonlocal received
            for one in ping:
                raw.sendall(bytes((one,)))
            while b"12345678" not in received:
                received += raw.recv(4096)

        await asyncio.to_thread(talk)
    assert _frame(frames.PING, frames.ACK, 0, b"12345678") in received
