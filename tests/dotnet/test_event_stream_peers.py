"""The endpoint of a worker's stream, and peers that do not behave: none of them disturbs the worker."""

import asyncio
import contextlib
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import rpc_messages as rpc
from event_stream_client import DATA, EventStreamClient, frame, message_frame, request_headers

from durable_host.function_rpc.event_stream import WorkerEventStream

PATIENCE = 30
ID = "0b1c6a1e-worker"
SEEDS = range(20)
CASES = 15
"""Peers of each seed."""
PERMISSION_DENIED = "7"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Endpoint:
    """A listening endpoint, and what it has received."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.arrived = asyncio.Event()
        self.times_ended = 0
        self.ended = asyncio.Event()
        self.stream = WorkerEventStream(ID, self._receive, self._end)
        self.port = 0

    def _receive(self, message: Any) -> None:
        self.received.append(message)
        self.arrived.set()

    def _end(self) -> None:
        self.times_ended += 1
        self.ended.set()


@asynccontextmanager
async def listening() -> AsyncIterator[Endpoint]:
    """Fails if anything was raised in the event loop."""
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    endpoint = Endpoint()
    endpoint.port = await endpoint.stream.listen()
    try:
        yield endpoint
    finally:
        endpoint.stream.close()
    assert raised == []


def start(worker_id: str = ID) -> bytes:
    return rpc.StreamingMessage(start_stream=rpc.StartStream(worker_id=worker_id)).SerializeToString()


async def connect(endpoint: Endpoint, first: bytes | None = None, **options: Any) -> EventStreamClient:
    client = await EventStreamClient.connect("127.0.0.1", endpoint.port, **options)
    if first is not None:
        client.send(first)
    return client


async def status_of(client: EventStreamClient) -> str | None:
    """The status with which the host ends the call; None if it only closes the connection."""
    async with asyncio.timeout(PATIENCE):
        async for _ in client.messages():
            pass
    await client.close()
    return client.status


async def is_served(endpoint: Endpoint) -> None:
    """A worker with the expected ID is served: its messages arrive, and it gets those of the host."""
    client = await connect(endpoint, start())
    async with asyncio.timeout(PATIENCE):
        await endpoint.arrived.wait()
        endpoint.stream.send(rpc.StreamingMessage(request_id="hello"))
        async for body in client.messages():
            assert rpc.StreamingMessage.FromString(body).request_id == "hello"
            break
    await client.close()


FIRST_MESSAGES = {
    "another ID": start("another"),
    "no ID": start(""),
    "another kind": rpc.StreamingMessage(worker_status_response=rpc.WorkerStatusResponse()).SerializeToString(),
    "an empty message": b"",
    "an unknown kind": b"\xd2\x3e\x01x",
}


@pytest.mark.parametrize("case", FIRST_MESSAGES)
async def test_a_stream_that_does_not_begin_with_the_id_is_refused(case: str) -> None:
    async with listening() as endpoint:
        assert await status_of(await connect(endpoint, FIRST_MESSAGES[case])) == PERMISSION_DENIED
        assert endpoint.received == []
        await is_served(endpoint)


async def test_a_first_message_that_is_not_protobuf_is_refused() -> None:
    async with listening() as endpoint:
        assert await status_of(await connect(endpoint, b"\xff\xff\xff\xff")) not in ("0", "")
        assert endpoint.received == []
        await is_served(endpoint)


async def test_of_several_streams_with_one_id_the_first_stays() -> None:
    async with listening() as endpoint:
        first = await connect(endpoint, start())
        await asyncio.wait_for(endpoint.arrived.wait(), PATIENCE)
        others = await asyncio.gather(*(connect(endpoint, start()) for _ in range(5)))
        assert [await status_of(other) for other in others] == [PERMISSION_DENIED] * 5
        endpoint.stream.send(rpc.StreamingMessage(request_id="still here"))
        async with asyncio.timeout(PATIENCE):
            body = await anext(first.messages())
        assert rpc.StreamingMessage.FromString(body).request_id == "still here"
        assert endpoint.times_ended == 0
        await first.close()


async def test_garbage_in_the_middle_ends_the_stream_once() -> None:
    async with listening() as endpoint:
        client = await connect(endpoint, start())
        await asyncio.wait_for(endpoint.arrived.wait(), PATIENCE)
        client.send(b"\xff\xff\xff\xff")
        await asyncio.wait_for(endpoint.ended.wait(), PATIENCE)
        assert await status_of(client) != "0"
        assert (len(endpoint.received), endpoint.times_ended) == (1, 1)


async def test_a_peer_that_never_reads_holds_the_sender_until_it_goes() -> None:
    async with listening() as endpoint:
        client = await connect(endpoint, start(), window=16)
        await asyncio.wait_for(endpoint.arrived.wait(), PATIENCE)
        client.reads.clear()
        endpoint.stream.send(rpc.StreamingMessage(request_id="x" * 1_000_000))
        draining = asyncio.ensure_future(endpoint.stream.drain())
        done, _ = await asyncio.wait((draining,), timeout=0.05)
        assert not done
        await client.close()
        await asyncio.wait_for(draining, PATIENCE)
        await asyncio.wait_for(endpoint.ended.wait(), PATIENCE)


async def test_a_peer_that_says_nothing_keeps_nobody_out() -> None:
    async with listening() as endpoint:
        silent = [await connect(endpoint) for _ in range(10)]
        await is_served(endpoint)
        for client in silent:
            await client.close()


async def test_a_message_longer_than_a_window_arrives() -> None:
    async with listening() as endpoint:
        client = await connect(endpoint, start())
        reading = asyncio.ensure_future(anext(client.messages(), None))  # lets the windows be refilled
        large = rpc.StreamingMessage(rpc_log=rpc.RpcLog(message="x" * 5_000_000))
        client.send(large.SerializeToString())
        async with asyncio.timeout(PATIENCE):
            while len(endpoint.received) < 2:
                endpoint.arrived.clear()
                await endpoint.arrived.wait()
        assert len(endpoint.received[1].rpc_log.message) == 5_000_000
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await client.close()


def conversation(port: int, worker_id: str) -> bytes:
    """What a worker sends first: preface, settings, the call, and three messages."""
    log = rpc.StreamingMessage(rpc_log=rpc.RpcLog(message="a line")).SerializeToString()
    return b"".join(
        (
            PREFACE,
            frame(4, 0, 0, struct.pack(">HI", 4, 2**20)),
            frame(8, 0, 0, struct.pack(">I", 2**20)),
            frame(1, 4, 1, request_headers("127.0.0.1", port)),
            frame(DATA, 0, 1, message_frame(start(worker_id))),
            frame(DATA, 0, 1, message_frame(log) + message_frame(log)),
        )
    )


def spoiled(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few random changes behind the preface."""
    content = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(PREFACE), len(content))
        kind = chance.choice(("change", "insert", "remove", "repeat", "cut"))
        if kind == "change":
            content[at] = chance.randrange(256)
        elif kind == "insert":
            content[at:at] = chance.randbytes(chance.randint(1, 40))
        elif kind == "remove":
            del content[at : at + chance.randint(1, 20)]
        elif kind == "repeat":
            content[at:at] = content[max(len(PREFACE), at - 30) : at]
        else:
            del content[at + 1 :]
        if len(content) <= len(PREFACE) + 1:
            break
    return bytes(content)


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_peers_disturb_nobody(seed: int) -> None:
    """Spoiled conversations with another worker's ID, and pure noise; then the worker is served."""
    chance = random.Random(seed)
    async with listening() as endpoint:
        for _ in range(CASES):
            noise = PREFACE + chance.randbytes(chance.randint(1, 300))
            data = chance.choice((spoiled(conversation(endpoint.port, "another-worker!"), chance), noise))
            reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
            with contextlib.suppress(OSError):
                for begin in range(0, len(data), size := chance.choice((1_000, 7))):
                    writer.write(data[begin : begin + size])
                    await asyncio.sleep(0)
                writer.write_eof()
                await asyncio.wait_for(reader.read(), PATIENCE)
            writer.close()
        assert endpoint.received == []
        await is_served(endpoint)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_worker_that_turns_random_ends_at_most_once(seed: int) -> None:
    """The ID is right, and everything after it is spoiled."""
    chance = random.Random(1_000 + seed)
    async with listening() as endpoint:
        data = conversation(endpoint.port, ID)
        intact = len(data) - len(frame(DATA, 0, 1, message_frame(b""))) - 20
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
        with contextlib.suppress(OSError):
            writer.write(data[:intact] + spoiled(PREFACE + data[intact:], chance)[len(PREFACE) :])
            writer.write_eof()
            await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        if endpoint.received:
            await asyncio.wait_for(endpoint.ended.wait(), PATIENCE)
        assert endpoint.times_ended <= 1
