"""Two protocols of one event loop, connected without a socket."""

import asyncio

import pytest

from durable_host.testing.memory_transport import MemoryTransport, connect


class _Peer(asyncio.Protocol):
    """Records what happens to it."""

    def __init__(self) -> None:
        self.received = b""
        self.is_paused = False
        self.lost: list[Exception | None] = []
        self.transport: MemoryTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, MemoryTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


@pytest.fixture
async def peers() -> tuple[_Peer, _Peer]:
    client, server = _Peer(), _Peer()
    connect(client, server, server_address=("127.0.0.1", 7071))
    return client, server


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_bytes_arrive_in_order_at_the_other_end(peers: tuple[_Peer, _Peer]) -> None:
    client, server = peers
    client.transport.write(b"ab")
    client.transport.writelines([b"c", b"d"])
    server.transport.write(b"reply")
    assert server.received == b""
    await _turns()
    assert (server.received, client.received) == (b"abcd", b"reply")


async def test_both_ends_have_loopback_addresses(peers: tuple[_Peer, _Peer]) -> None:
    client, server = peers
    assert client.transport.get_extra_info("peername") == ("127.0.0.1", 7071)
    assert server.transport.get_extra_info("peername")[0] == "127.0.0.1"


async def test_a_writer_waits_for_a_reader_that_has_paused(peers: tuple[_Peer, _Peer]) -> None:
    client, server = peers
    server.transport.pause_reading()
    client.transport.write(b"x" * 70_000)
    await _turns()
    assert client.is_paused
    assert server.received == b""
    server.transport.resume_reading()
    await _turns()
    assert not client.is_paused
    assert len(server.received) == 70_000


async def test_a_peer_reads_everything_before_it_notices_the_end(peers: tuple[_Peer, _Peer]) -> None:
    client, server = peers
    server.transport.pause_reading()
    client.transport.write(b"last words")
    client.transport.close()
    await _turns()
    assert (client.lost, server.lost) == ([None], [])
    server.transport.resume_reading()
    await _turns()
    assert server.received == b"last words"
    assert (client.lost, server.lost) == ([None], [None])


async def test_an_aborted_connection_loses_what_was_not_read(peers: tuple[_Peer, _Peer]) -> None:
    client, server = peers
    client.transport.write(b"never seen")
    client.transport.abort()
    await _turns()
    assert server.received == b""
    assert [type(error) for error in server.lost] == [ConnectionResetError]


async def test_nothing_is_written_to_a_closed_connection(peers: tuple[_Peer, _Peer]) -> None:
    client, server = peers
    server.transport.close()
    server.transport.write(b"too late")
    client.transport.write(b"too late")
    await _turns()
    assert (client.received, server.received) == (b"", b"")
    assert len(client.lost) == len(server.lost) == 1
