"""A connection with plain requests: order, ends, time limits and slow readers are those of other requests."""

import asyncio
import contextlib
import inspect
import logging
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from aiohttp import web
from loop_time import skip

from durable_host.http_port import (
    BODY_MISTAKES,
    ConnectionTimes,
    ExpressAnswer,
    HttpPort,
    PlainRequest,
    body_refusal,
    express_connection,
    guarded,
)
from durable_host.http_port.methods import AnyMethodParser

LONG = 60.0
CLOSE_WITHIN = 2.0
LIMIT = 1000
variable = ContextVar("variable", default="none")
HEAD = b"Host: localhost\r\n\r\n"


class World:
    """Answers with the path: paths below `/usual` in the usual way, those that contain `wait` not before `go_on`.

    Below `/response`, `express` returns a response instead of bytes.
    """

    def __init__(self) -> None:
        self.answers: list[ExpressAnswer] = []
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
        if path.startswith("/usual"):
            return None
        answer = self._express(request, path)
        self.answers.append(answer)
        return answer

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

    def connection(self) -> Any:
        """The only one."""
        assert self.port._runner is not None
        server = self.port._runner.server
        assert server is not None
        (connection,) = server.connections
        return connection

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._number)

    async def _express(self, request: PlainRequest, path: str) -> bytes | web.StreamResponse:
        try:
            text = (await request.read()).decode() + await self._run(path)
        except BODY_MISTAKES as error:
            return body_refusal(request, error, LIMIT)
        if path.startswith("/response"):
            return web.Response(text=text)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text.encode())

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
    await until(lambda: len(world.connection()._messages) == 5)
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


@pytest.mark.parametrize("path", ["/wait", "/response/wait", "/usual/wait"])
async def test_a_call_continues_without_its_client(world: World, path: str, caplog: pytest.LogCaptureFixture) -> None:
    _, writer = await world.connect()
    writer.write(get(path))
    await world.has_begun.wait()
    connection = world.connection()
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


@pytest.mark.parametrize("prefix", ["", "/response", "/usual"])
async def test_the_next_call_begins_when_its_client_can_receive_the_answer(world: World, prefix: str) -> None:
    world.size = 20_000_000
    reader, writer = await world.connect()
    writer.write(get(f"{prefix}/1", f"{prefix}/2"))
    head = await reader.readuntil(b"\r\n\r\n")
    await until(lambda: len(world.connection()._messages) == 1)
    assert world.begun == [f"{prefix}/1"]
    with contextlib.suppress(asyncio.IncompleteReadError):
        await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0]))
    assert (await body_of(reader)).startswith(f"{prefix}/2".encode())
    assert world.begun == [f"{prefix}/1", f"{prefix}/2"]
    writer.close()


@pytest.mark.parametrize("prefix", ["", "/response", "/usual"])
async def test_a_client_that_sends_many_requests_at_once_gets_all_answers(world: World, prefix: str) -> None:
    paths = [f"{prefix}/wait", *(f"{prefix if number % 7 else '/usual'}/{number}" for number in range(150))]
    reader, writer = await world.connect()
    writer.write(get(*paths))
    await world.has_begun.wait()
    connection = world.connection()
    await until(lambda: connection._buffer_paused)
    assert len(connection._messages) < 50
    world.go_on.set()
    for path in paths:
        assert await body_of(reader) == path.encode()
    assert world.begun == world.ended == paths
    assert not connection._buffer_paused
    writer.close()


@pytest.mark.parametrize("prefix", ["", "/response", "/usual"])
async def test_a_call_that_is_cancelled_while_its_answer_is_sent_ends_the_connection(world: World, prefix: str) -> None:
    world.size = 20_000_000
    _, writer = await world.connect()
    writer.write(get(f"{prefix}/1", f"{prefix}/2"))
    await world.has_begun.wait()
    connection = world.connection()
    await until(lambda: connection._drain_waiter is not None)
    connection._task_handler.cancel()
    await until(lambda: connection.transport is None)
    assert world.begun == [f"{prefix}/1"]
    writer.transport.abort()


@pytest.mark.parametrize("prefix", ["", "/response", "/usual"])
@pytest.mark.parametrize("body", [b"", b"abc", b"x" * LIMIT])
async def test_a_connection_is_kept_for_longer_than_headers_may_take(prefix: str, body: bytes) -> None:
    world = World()
    await world.open(headers=LONG, keep_alive=100 * LONG)
    reader, writer = await world.connect()
    for path in (f"{prefix}/1", f"{prefix}/2"):
        head = f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n".encode() + HEAD
        writer.write((head if body else get(path)) + body)
        assert await body_of(reader) == body + path.encode()
        for _ in range(3):
            skip(LONG)
            await asyncio.sleep(0.005)
    writer.close()
    await world.port.close()


@pytest.mark.parametrize("prefix", ["", "/response", "/usual"])
async def test_a_request_leaves_no_context_variable_to_the_next_one(
    world: World, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    async def run(_: World, path: str) -> str:
        found.append(variable.get())
        variable.set(path)
        await asyncio.sleep(0)
        found.append(variable.get())
        return path

    monkeypatch.setattr(World, "_run", run)
    reader, writer = await world.connect()
    paths = [f"{prefix}/1", f"{prefix}/2"]
    writer.write(get(*paths))
    for path in paths:
        assert await body_of(reader) == path.encode()
    assert found == ["none", paths[0], "none", paths[1]]
    writer.close()


async def test_a_bug_in_the_short_way_leaves_the_request_to_the_usual_one(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await world.connect()
    paths = ["/1", "/bug", "/2"]
    writer.write(get(*paths))
    for path in paths:
        assert await body_of(reader) == path.encode()
    assert world.begun == paths
    assert "ZeroDivisionError" in caplog.text
    writer.close()


async def test_a_connection_that_cannot_continue_does_not_begin_the_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AnyMethodParser, "message_consumed", None)
    reader, writer = await world.connect()
    writer.write(get("/1"))
    assert await reader.read() == b""
    (answer,) = world.answers
    assert inspect.getcoroutinestate(answer) == inspect.CORO_CLOSED
    assert world.begun == []
    writer.close()


class OldParser:
    """A parser of an earlier aiohttp."""


def _without_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(web.RequestHandler, "_resume_reading_if_drained")


def _with_an_old_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(express_connection, "HttpRequestParser", OldParser)


@pytest.mark.parametrize("change", [_without_a_member, _with_an_old_parser])
async def test_with_another_aiohttp_all_requests_go_the_usual_way(
    change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch)
    world = World()
    await world.open()
    reader, writer = await world.connect()
    writer.write(get("/1", "/2"))
    assert await body_of(reader) == b"/1"
    assert await body_of(reader) == b"/2"
    assert world.answers == []
    writer.close()
    await world.port.close()


def test_this_aiohttp_supports_express() -> None:
    assert express_connection.is_supported()


def test_express_cannot_be_combined_with_a_path() -> None:
    world = World()
    with pytest.raises(ValueError, match="cannot be combined"):
        HttpPort(world.handle, body_limit=LIMIT, close_within=1, path="/below", express=world.express)
