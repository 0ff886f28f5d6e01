"""The client for storage on this machine: what it reads, when it keeps connections, and how requests fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from yarl import URL

from durable_host.storage.plain_http import PlainHttp

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TIMEOUT = aiohttp.ClientTimeout(sock_read=30, sock_connect=5)


class Peer:
    """A server that sends `pieces` as the response to each request, one by one, and counts its connections."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = [OK]
        self.ends = False
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.url = URL()
        self.answers = asyncio.Event()
        self.answers.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                length = next((line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), b":0")
                self.bodies.append(await reader.readexactly(int(length.split(b":")[1])))
                await self.answers.wait()
                for piece in self.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.ends:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/account/path?a=b%2F", encoded=True)
    yield peer
    server.close()


@pytest.fixture
async def http() -> AsyncIterator[PlainHttp]:
    http = PlainHttp(4, 600, TIMEOUT)
    yield http
    await http.close()


async def read(
    http: PlainHttp, peer: Peer, method: str = "GET", data: bytes | BytesIO | None = None, **headers: str
) -> tuple[int, bytes]:
    async with http.request(method, peer.url, data=data, headers=headers) as response:
        return response.status, await response.read()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the state of sockets has no event
            await asyncio.sleep(0.001)


CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123\r\n6789\r\n0\r\nTrailer: 1\r\n\r\n"
)
RESPONSES = {
    "with a length": (OK, (200, b"ok")),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
    "in chunks": (CHUNKED, (200, b"abc0123\r\n6789")),
    "after an interim response": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, (200, b"ok")),
    "without a reason": (b"HTTP/1.1 201\r\ncontent-length: 0\r\n\r\n", (201, b"")),
}


@pytest.mark.parametrize("one_by_one", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(("response", "expected"), RESPONSES.values(), ids=RESPONSES)
async def test_response_is_read_and_its_connection_is_used_again(
    http: PlainHttp, peer: Peer, response: bytes, expected: tuple[int, bytes], one_by_one: bool
) -> None:
    peer.pieces = [response[at : at + 1] for at in range(len(response))] if one_by_one else [response]
    assert [await read(http, peer) for _ in range(3)] == [expected] * 3
    assert peer.connections == 1


async def test_response_to_head_has_no_body(http: PlainHttp, peer: Peer) -> None:
    peer.pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nETag: 1\r\n\r\n"]
    assert [await read(http, peer, "HEAD") for _ in range(2)] == [(200, b"")] * 2
    assert peer.connections == 1


@pytest.mark.parametrize(
    "response", [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 200 OK\r\n\r\nok"]
)
async def test_response_that_ends_the_connection_is_read(http: PlainHttp, peer: Peer, response: bytes) -> None:
    peer.pieces, peer.ends = [response], True
    assert [await read(http, peer) for _ in range(2)] == [(200, b"ok")] * 2
    assert peer.connections == 2


async def test_request_has_the_path_the_headers_and_the_body(http: PlainHttp, peer: Peer) -> None:
    large = b"x" * 200_000
    for data in (b"some", BytesIO(large), None):
        await read(http, peer, "PUT", data, Name="value")
    assert peer.bodies == [b"some", large, b""]
    first, *lines = peer.heads[0].decode().rstrip().split("\r\n")
    assert first == "PUT /account/path?a=b%2F HTTP/1.1"
    assert sorted(lines) == ["Content-Length: 4", f"Host: {peer.url.authority}", "Name: value"]


async def test_line_break_in_a_header_is_refused(http: PlainHttp, peer: Peer) -> None:
    with pytest.raises(ValueError, match="line break"):
        await read(http, peer, Name="value\r\nOther: value")
    assert peer.heads == []


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (b"", aiohttp.ServerDisconnectedError),
        (b"HTTP/1.1 200 OK\r\nContent-Le", aiohttp.ServerDisconnectedError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nok", aiohttp.ClientPayloadError),
        (b"SSH-2.0 hello\r\n\r\n", aiohttp.ClientPayloadError),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", aiohttp.ClientPayloadError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", aiohttp.ClientPayloadError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", aiohttp.ClientPayloadError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", aiohttp.ClientPayloadError),
    ],
)
async def test_broken_response_is_an_error_of_aiohttp(
    http: PlainHttp, peer: Peer, response: bytes, error: type[Exception]
) -> None:
    peer.pieces, peer.ends = [response], True
    with pytest.raises(error):
        await read(http, peer)
    await until(lambda: peer.open == 0)


async def test_server_that_is_not_there_is_an_error_of_aiohttp(http: PlainHttp, peer: Peer) -> None:
    peer.url = peer.url.with_port(1)
    with pytest.raises(aiohttp.ClientConnectorError):
        await read(http, peer)


async def test_response_with_more_bytes_than_its_length_ends_the_connection(http: PlainHttp, peer: Peer) -> None:
    peer.pieces = [OK + b"more"]
    assert [await read(http, peer) for _ in range(2)] == [(200, b"ok")] * 2
    assert peer.connections == 2


@pytest.mark.parametrize("timeout", [aiohttp.ClientTimeout(sock_read=0.02), aiohttp.ClientTimeout(total=0.02)])
async def test_silent_server_is_left_after_the_timeout(peer: Peer, timeout: aiohttp.ClientTimeout) -> None:
    http = PlainHttp(1, 600, timeout)
    peer.answers.clear()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await read(http, peer)
    peer.answers.set()
    await until(lambda: peer.open == 0)


async def test_cancelled_request_closes_its_connection_and_lets_the_next_one_run(peer: Peer) -> None:
    http = PlainHttp(1, 600, TIMEOUT)
    peer.answers.clear()
    async with asyncio.TaskGroup() as group:
        first, second, third = (group.create_task(read(http, peer)) for _ in range(3))
        await until(lambda: len(peer.heads) == 1)
        second.cancel()
        first.cancel()
        peer.answers.set()
        assert await third == (200, b"ok")
    await http.close()
    await until(lambda: peer.open == 0)


async def test_requests_that_run_or_wait_fail_when_the_connections_are_closed(peer: Peer) -> None:
    http = PlainHttp(1, 600, TIMEOUT)
    peer.answers.clear()
    requests = [asyncio.ensure_future(read(http, peer)) for _ in range(3)]
    await until(lambda: len(peer.heads) == 1)
    await http.close()
    errors = await asyncio.gather(*requests, return_exceptions=True)
    assert all(isinstance(error, aiohttp.ClientConnectionError) for error in errors)
    peer.answers.set()
    await until(lambda: peer.open == 0)


async def test_connection_that_opens_while_the_others_are_closed_is_closed_too(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = PlainHttp(1, 600, TIMEOUT)
    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def connect_and_close(*arguments: Any, **options: Any) -> Any:
        connected = await connect(*arguments, **options)
        http._open.clear()  # The connection is made when `close` has run.
        await http.close()
        http._open.add(connected[1])
        return connected

    monkeypatch.setattr(loop, "create_connection", connect_and_close)
    with pytest.raises(aiohttp.ClientConnectionError):
        await read(http, peer)
    assert not http._open
    await until(lambda: peer.open == 0)
    assert peer.heads == []


async def test_connection_on_which_a_request_was_not_sent_completely_is_not_used_again(http: PlainHttp) -> None:
    heads: list[bytes] = []

    async def refuse_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await released.wait()
        writer.close()

    released = asyncio.Event()
    server = await asyncio.start_server(refuse_early, "127.0.0.1", 0, limit=1024)
    url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    for _ in range(2):
        async with http.request("PUT", url, data=b"x" * 32_000_000, headers={}) as response:
            assert response.status == 413
    assert len(heads) == 2
    released.set()
    server.close()


async def test_no_more_connections_than_the_limit_are_open(http: PlainHttp, peer: Peer) -> None:
    await asyncio.gather(*(read(http, peer) for _ in range(40)))
    assert peer.connections <= 4


async def test_connections_of_a_burst_are_closed_after_the_keep_alive_time(peer: Peer) -> None:
    http = PlainHttp(4, 0.05, TIMEOUT)
    peer.answers.clear()
    burst: list[Awaitable[object]] = [asyncio.ensure_future(read(http, peer)) for _ in range(4)]
    await until(lambda: len(peer.heads) == 4)
    peer.answers.set()
    await asyncio.gather(*burst)
    assert peer.connections == 4
    await until(lambda: peer.open == 0)
    assert await read(http, peer) == (200, b"ok")
    await http.close()
