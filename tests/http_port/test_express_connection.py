"""A connection with plain requests: order, ends, time limits and slow readers are those of other requests."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from loop_time import skip
from multidict import CIMultiDict

from durable_host.http_port import (
    BODY_MISTAKES,
    ConnectionTimes,
    ExpressAnswer,
    HttpPort,
    PlainRequest,
    body_refusal,
    guarded,
    plain_response,
)

LONG = 60.0
CLOSE_WITHIN = 2.0
LIMIT = 1000
HEAD = b"Host: localhost\r\n\r\n"


class World:
    """Answers with the path: paths below `/usual` in the usual way, those that contain `wait` not before `go_on`."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.has_begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.size = 0
        self.port: HttpPort
        self._number = 0

    def express(self, request: PlainRequest) -> ExpressAnswer | None:
        path = request.rel_url.raw_path
        if path == "/bug":
            raise ZeroDivisionError
        return None if path.startswith("/usual") else self._express(request, path)

    async def handle(self, request: web.Request) -> web.Response:
        return web.Response(text=await request.text() + await self._run(request.path))

    async def open(self, **times: float) -> None:
        limits = ConnectionTimes(**{"headers": LONG, **times})
        self.port = HttpPort(
            guarded(self.handle, LIMIT), body_limit=LIMIT, close_within=CLOSE_WITHIN, times=limits, express=self.express
        )
        await self.port.start_listening("127.0.0.1", 0)
        assert self.port._listener is not None
        self._number = self.port._listener.sockets[0].getsockname()[1]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._number)

    async def _express(self, request: PlainRequest, path: str) -> bytes | web.StreamResponse:
        try:
            text = (await request.read()).decode() + await self._run(path)
        except BODY_MISTAKES as error:
            return body_refusal(request, error, LIMIT)
        answer = plain_response(request.method, 200, CIMultiDict(), text.encode())
        assert answer is not None
        return answer

    async def _run(self, path: str) -> str:
        self.begun.append(path)
        self.has_begun.set()
        try:
            if "wait" in path:
                await self.go_on.wait()
            return path + "x" * self.size
        finally:
            self.ended.append(path)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.open()
    yield world
    await world.port.close()


def get(*paths: str) -> bytes:
    return b"".join(f"GET {path} HTTP/1.1\r\n".encode() + HEAD for path in paths)


async def body_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0]))


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


@pytest.mark.parametrize("paths", [("/wait/1", "/2", "/3"), ("/wait/1", "/usual/2", "/3"), ("/usual/wait", "/2", "/3")])
async def test_requests_that_come_early_are_answered_in_turn(world: World, paths: tuple[str, ...]) -> None:
    reader, writer = await world.connect()
    writer.write(get(*paths))
    await world.has_begun.wait()
    writer.write(get("/4", "/usual/5", "/6"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.begun == [paths[0]]
    world.go_on.set()
    for path in (*paths, "/4", "/usual/5", "/6"):
        assert await body_of(reader) == path.encode()
    assert world.begun == world.ended == [*paths, "/4", "/usual/5", "/6"]
    writer.close()


@pytest.mark.parametrize("path", ["/wait", "/usual/wait"])
async def test_a_client_that_closes_its_side_gets_its_answer(world: World, path: str) -> None:
    reader, writer = await world.connect()
    writer.write(get(path))
    writer.write_eof()
    await world.has_begun.wait()
    world.go_on.set()
    assert (await reader.read()).endswith(path.encode())
    writer.close()


@pytest.mark.parametrize("path", ["/wait", "/usual/wait"])
async def test_a_call_goes_on_without_its_client(world: World, path: str, caplog: pytest.LogCaptureFixture) -> None:
    _, writer = await world.connect()
    writer.write(get(path))
    await world.has_begun.wait()
    assert world.port._runner is not None
    server = world.port._runner.server
    assert server is not None
    (connection,) = server.connections
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    await until(lambda: connection.transport is None)
    assert world.ended == []
    world.go_on.set()
    await until(lambda: world.ended == [path])
    reader, writer = await world.connect()
    writer.write(get("/next"))
    assert await body_of(reader) == b"/next"
    writer.close()
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


@pytest.mark.parametrize("path", ["/", "/usual"])
async def test_a_body_may_come_later(world: World, path: str) -> None:
    reader, writer = await world.connect()
    for body in (b"abc", b"def"):
        writer.write(f"POST {path} HTTP/1.1\r\nContent-Length: 3\r\n".encode() + HEAD)
        for piece in (body[:1], body[1:]):
            await asyncio.sleep(0.005)
            writer.write(piece)
        assert await body_of(reader) == body + path.encode()
    writer.close()


@pytest.mark.parametrize("path", ["/", "/usual"])
async def test_a_body_that_stops_coming_ends_its_connection(path: str, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.open(body=LONG)
    reader, writer = await world.connect()
    writer.write(f"POST {path} HTTP/1.1\r\nContent-Length: 3\r\n".encode() + HEAD + b"ab")
    ending = asyncio.ensure_future(reader.read())
    while not ending.done():
        await asyncio.sleep(0.005)
        skip(LONG)
    assert await ending == b""
    await world.port.close()
    assert world.begun == []
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    writer.close()


@pytest.mark.parametrize("path", ["/", "/usual"])
@pytest.mark.parametrize("ends_politely", [True, False])
async def test_a_client_that_leaves_before_its_body_is_complete_starts_nothing(
    world: World, path: str, ends_politely: bool, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await world.connect()
    writer.write(f"POST {path} HTTP/1.1\r\nContent-Length: 3\r\n".encode() + HEAD + b"ab")
    await asyncio.sleep(0.005)
    if ends_politely:
        writer.write_eof()
        await reader.read()
    else:
        writer.transport.abort()
    await world.port.close()
    assert world.begun == []
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    writer.close()


@pytest.mark.parametrize("prefix", ["", "/usual"])
async def test_only_a_connection_without_a_request_is_closed_after_a_while(prefix: str) -> None:
    world = World()
    await world.open(keep_alive=LONG)
    reader, writer = await world.connect()
    for path in ("/1", "/wait/2"):
        writer.write(get(prefix + path))
        if path == "/1":
            assert await body_of(reader) == f"{prefix}{path}".encode()
    await until(lambda: len(world.begun) == 2)
    for _ in range(5):
        skip(LONG)
        await asyncio.sleep(0.005)
    world.go_on.set()
    assert await body_of(reader) == f"{prefix}/wait/2".encode()
    ending = asyncio.ensure_future(reader.read())
    while not ending.done():
        skip(LONG)
        await asyncio.sleep(0.005)
    assert await ending == b""
    writer.close()
    await world.port.close()


@pytest.mark.parametrize("path", ["/wait", "/usual/wait"])
async def test_the_end_of_the_port_waits_for_a_running_call(world: World, path: str) -> None:
    reader, writer = await world.connect()
    idle, idle_writer = await world.connect()
    idle_writer.write(get("/"))
    assert await body_of(idle) == b"/"
    writer.write(get(path, "/never"))
    await until(lambda: path in world.begun)
    closing = asyncio.create_task(world.port.close())
    assert await idle.read() == b""
    assert not closing.done()
    world.go_on.set()
    assert await body_of(reader) == path.encode()
    assert await reader.read() == b""
    await closing
    assert "/never" not in world.begun
    writer.close()
    idle_writer.close()


@pytest.mark.parametrize("path", ["/wait", "/usual/wait"])
async def test_the_end_of_the_port_cancels_a_call_that_takes_too_long(world: World, path: str) -> None:
    reader, writer = await world.connect()
    writer.write(get(path))
    await world.has_begun.wait()
    closing = asyncio.create_task(world.port.close())
    while not closing.done():
        skip(CLOSE_WITHIN)
        await asyncio.sleep(0.005)
    assert await reader.read() == b""
    await closing
    assert world.ended == [path]
    writer.close()


@pytest.mark.parametrize("prefix", ["", "/usual"])
async def test_the_next_call_begins_when_its_client_can_receive_the_answer(world: World, prefix: str) -> None:
    world.size = 20_000_000
    reader, writer = await world.connect()
    writer.write(get(f"{prefix}/1", f"{prefix}/2"))
    head = await reader.readuntil(b"\r\n\r\n")
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.begun == [f"{prefix}/1"]
    with contextlib.suppress(asyncio.IncompleteReadError):
        await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0]))
    assert (await body_of(reader)).startswith(f"{prefix}/2".encode())
    assert world.begun == [f"{prefix}/1", f"{prefix}/2"]
    writer.close()


async def test_a_bug_in_the_short_way_ends_the_connection(world: World, caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = await world.connect()
    writer.write(get("/1", "/bug", "/2"))
    assert await body_of(reader) == b"/1"
    assert await reader.read() == b""
    assert world.begun == ["/1"]
    assert "ZeroDivisionError" in caplog.text
    writer.close()
