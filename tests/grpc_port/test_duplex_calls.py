"""Calls in which both sides send at any time, by grpcio and with raw bytes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from durable_host.grpc_port import CallEnded, DuplexCall, GrpcServer, Metadata, Method, StatusCode, grpc_call

PATIENCE = 30
LARGE = 8 * 1024 * 1024


class Peer:
    """Sends each message back. `ends` ends the call, `refuse` refuses it, `many` sends 1,000 messages."""

    def __init__(self, call: DuplexCall) -> None:
        self.call = call
        self.received_messages: list[bytes] = []
        self.times_ended = 0
        self.has_ended = asyncio.Event()

    def received(self, request: bytes) -> None:
        self.received_messages.append(request)
        if request == b"refuse":
            raise CallEnded(StatusCode.PERMISSION_DENIED, "not you")
        if request == b"fail":
            raise ValueError("a mistake")
        if request == b"ends":
            self.call.end()
        elif request == b"many":
            for number in range(1000):
                self.call.send(str(number).encode() + bytes(10_000))
        else:
            self.call.send(request)

    def ended(self) -> None:
        self.times_ended += 1
        self.has_ended.set()


class Duplex:
    """A server with one duplex method, and a channel to it."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.server = GrpcServer({"/Test/Talk": Method(bytes, bytes, duplex=self.accept)})
        self.channel: Any = None
        self.port = 0

    def accept(self, call: DuplexCall, metadata: Metadata) -> Peer:
        self.peers.append(Peer(call))
        return self.peers[-1]

    def talk(self) -> Any:
        return self.channel.stream_stream("/Test/Talk")(timeout=PATIENCE)


@pytest.fixture
async def duplex() -> AsyncIterator[Duplex]:
    one = Duplex()
    one.port = await one.server.listen("127.0.0.1", 0)
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{one.port}", options=options) as channel:
        one.channel = channel
        yield one
    await one.server.stop()


async def test_messages_go_both_ways_until_the_caller_has_finished(duplex: Duplex) -> None:
    call = duplex.talk()
    for message in (b"a", b"", bytes(LARGE), b"z"):
        await call.write(message)
        assert await call.read() == message
    await call.done_writing()
    async with asyncio.timeout(PATIENCE):
        await duplex.peers[0].has_ended.wait()
    duplex.peers[0].call.send(b"last")
    duplex.peers[0].call.end()
    assert await call.read() == b"last"
    assert await call.read() == grpc.aio.EOF
    assert await call.code() == grpc.StatusCode.OK


async def test_many_small_messages_arrive_in_order(duplex: Duplex) -> None:
    call = duplex.talk()

    async def write() -> None:
        for number in range(5000):
            await call.write(str(number).encode())
        await call.done_writing()

    writing = asyncio.create_task(write())
    assert [int(await call.read()) for _ in range(5000)] == list(range(5000))
    await writing
    assert duplex.peers[0].received_messages == [str(number).encode() for number in range(5000)]


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        (b"refuse", grpc.StatusCode.PERMISSION_DENIED, "not you"),
        (b"fail", grpc.StatusCode.UNKNOWN, "ValueError: a mistake"),
        (b"ends", grpc.StatusCode.OK, ""),
    ],
)
async def test_the_receiver_can_end_the_call(duplex: Duplex, message: bytes, code: grpc.StatusCode, text: str) -> None:
    call = duplex.talk()
    await call.write(message)
    assert (await call.code(), await call.details()) == (code, text)
    assert duplex.peers[0].times_ended == 1


async def test_a_message_over_the_limit_ends_the_call(duplex: Duplex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_call, "LARGEST_MESSAGE", 1000)
    call = duplex.talk()
    await call.write(bytes(1001))
    assert await call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert duplex.peers[0].received_messages == []


async def test_a_caller_that_leaves_ends_the_call_once(duplex: Duplex) -> None:
    call = duplex.talk()
    await call.write(b"a")
    await call.read()
    call.cancel()
    peer = duplex.peers[0]
    async with asyncio.timeout(PATIENCE):
        await peer.has_ended.wait()
    peer.call.send(b"nobody reads this")
    await peer.call.drain()
    peer.call.end()
    assert peer.times_ended == 1


async def test_nobody_waits_for_a_caller_that_has_left(duplex: Duplex) -> None:
    call = duplex.talk()
    await call.write(b"many")
    assert (await call.read()).startswith(b"0")
    waiting = [asyncio.create_task(duplex.peers[0].call.drain()) for _ in range(3)]
    call.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*waiting)


async def test_drain_waits_until_the_caller_reads(duplex: Duplex) -> None:
    call = duplex.talk()
    await call.write(b"many")
    assert (await call.read()).startswith(b"0")
    waiting = asyncio.create_task(duplex.peers[0].call.drain())
    numbers = [int((await call.read()).rstrip(b"\0")) for _ in range(999)]
    assert numbers == list(range(1, 1000))
    async with asyncio.timeout(PATIENCE):
        await waiting


async def test_a_server_that_stops_ends_the_call(duplex: Duplex) -> None:
    call = duplex.talk()
    await call.write(b"a")
    await call.read()
    await duplex.server.stop()
    assert await call.code() == grpc.StatusCode.UNAVAILABLE
    assert duplex.peers[0].times_ended == 1


async def test_a_message_may_come_byte_by_byte() -> None:
    call = grpc_call.GrpcCall(
        connection=None,  # type: ignore[arg-type]
        id=1,
        method=Method(bytes, bytes),
        metadata={},
        window=0,
    )
    wire = b"".join(b"\0" + len(one).to_bytes(4, "big") + one for one in (b"first", b"", b"second"))
    whole = [request for number in range(len(wire)) for request in call.requests(wire[number : number + 1])]
    assert whole == [b"first", b"", b"second"]
    assert list(call.requests(wire + wire[:7])) == [b"first", b"", b"second"]
    assert list(call.requests(wire[7:])) == [b"first", b"", b"second"]
    assert call.received == 0
