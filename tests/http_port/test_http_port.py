"""A port of the host: idle and slow connections, invalid and hostile requests, the body limit."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import ClientConnectionResetError, web
from loop_time import skip

from durable_host.http_port import ConnectionTimes, HttpPort, guarded

LIMIT = 1000
SHORT = 0.05
LONG = 60.0
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def echo(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.method} {len(await request.read())}")


@contextlib.asynccontextmanager
async def serving(handler: Handler = guarded(echo, LIMIT), **times: float) -> AsyncIterator[Open]:
    """A port with the given times, and what opens a connection to it."""
    port = HttpPort(handler, body_limit=LIMIT, close_within=0.1, times=ConnectionTimes(**{"headers": 60.0, **times}))
    await port.start_listening("127.0.0.1", 0)
    listener = port._listener
    assert listener is not None
    number = listener.sockets[0].getsockname()[1]
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writers.append(writer)
        return reader, writer

    yield connect
    for writer in writers:
        writer.close()
    await port.close()


async def answer_of(connect: Open, text: bytes) -> bytes:
    """The first part of the answer to one request."""
    reader, writer = await connect()
    writer.write(text)
    return await reader.read(10_000)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side ends the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(10_000):
            received += data
    return received


@pytest.mark.parametrize(
    "beginning",
    [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "],
    ids=["nothing", "one letter", "half a header"],
)
async def test_a_connection_without_whole_headers_is_closed(beginning: bytes) -> None:
    async with serving(headers=SHORT) as connect:
        reader, writer = await connect()
        writer.write(beginning)
        assert await ended(reader) == b""


async def test_the_headers_of_a_second_request_have_to_come_too() -> None:
    async with serving(headers=LONG, keep_alive=1e9) as connect:
        reader, writer = await connect()
        writer.write(REQUEST)
        assert b"GET 0" in await reader.read(10_000)
        writer.write(REQUEST[:20])
        closing = asyncio.ensure_future(ended(reader))
        while not closing.done():
            skip(LONG)
            await asyncio.sleep(0.005)
        assert await closing == b""


async def test_headers_that_trickle_in_do_not_extend_the_wait() -> None:
    async with serving(headers=SHORT) as connect:
        reader, writer = await connect()
        closing = asyncio.ensure_future(ended(reader))
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        while not closing.done():
            writer.write(b"X-Slow: 1\r\n")
            await asyncio.sleep(0.005)
        assert await closing == b""


async def test_a_connection_that_is_kept_without_a_request_is_closed() -> None:
    async with serving(keep_alive=SHORT) as connect:
        reader, writer = await connect()
        writer.write(REQUEST)
        assert b"200 OK" in await ended(reader)


async def test_a_body_that_stops_coming_ends_its_connection() -> None:
    async with serving(body=SHORT) as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nonly this")
        assert await ended(reader) == b""


async def test_a_slow_body_that_keeps_coming_is_read_to_its_end() -> None:
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def reads(request: web.Request) -> web.Response:
        while piece := await request.content.readany():
            await pieces.put(piece)
        return web.Response(text="read")

    async with serving(reads, body=LONG) as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
        for _ in range(5):
            writer.write(b"x")
            assert await pieces.get() == b"x"
            skip(LONG * 0.9)
        assert (await reader.read(10_000)).endswith(b"read")


async def test_a_request_that_is_being_answered_is_not_cut_off_by_what_comes_behind_it() -> None:
    has_begun, go_on = asyncio.Event(), asyncio.Event()

    async def waits(request: web.Request) -> web.Response:
        has_begun.set()
        await go_on.wait()
        return await echo(request)

    async with serving(waits, headers=LONG) as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")
        await has_begun.wait()
        writer.write(b"\r\n")
        for _ in range(5):
            await asyncio.sleep(0.005)
            skip(LONG)
        go_on.set()
        assert b"POST 3" in await reader.read(10_000)


async def test_a_connection_may_be_used_again() -> None:
    async with serving(body=SHORT) as connect:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")
            assert (await reader.read(10_000)).endswith(b"POST 3")
            await asyncio.sleep(SHORT * 1.5)


async def test_a_request_in_pieces_behind_another_one_keeps_its_method() -> None:
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(REQUEST + b"GE")
        assert b"GET 0" in await reader.read(10_000)
        writer.write(b"T / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.read(10_000)).endswith(b"GET 0")


@pytest.mark.parametrize("before", [b"", REQUEST, b"POST / HTTP/1.1\r\nHost: l\r\nContent-Length: 3\r\n\r\nabc"])
async def test_a_made_up_method_is_taken_and_the_connection_continues(before: bytes) -> None:
    async with serving() as connect:
        reader, writer = await connect()
        for request, answer in ((before, b" "), (b"FOO" + REQUEST[3:], b"FOO 0"), (REQUEST, b"GET 0")):
            if request:
                writer.write(request)
                assert answer in (await reader.read(10_000)).partition(b"\r\n\r\n")[2] + b" "


HOSTILE = [
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: \xff\r\n\r\n", 417),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\n\r\n", 417),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect:\r\n\r\n", 200),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Name: \xff\xfe\r\n\r\n", 400),
    (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
    (b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
    (b"BREW/ / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", 200),
    (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 200),
]


@pytest.mark.parametrize(("request_text", "status"), HOSTILE, ids=[ascii(text)[2:60] for text, _ in HOSTILE])
async def test_what_is_wrong_with_a_request_is_the_callers_mistake(
    request_text: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as connect:
        assert int((await answer_of(connect, request_text)).split(b" ")[1]) == status
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


@pytest.mark.parametrize(
    "head", [f"Content-Length: {LIMIT + 1}", "Transfer-Encoding: chunked"], ids=["its length", "as it comes"]
)
async def test_a_body_over_the_limit_is_answered_with_limit_and_setting(
    head: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = b"x" * (LIMIT + 1)
    sent = body if "Length" in head else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    async with serving() as connect:
        answer = await answer_of(connect, f"POST /api/x HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode() + sent)
    assert answer.startswith(b"HTTP/1.1 413 ")
    (record,) = caplog.records
    for said in (answer.decode(), record.getMessage()):
        assert "POST /api/x" in said
        assert "1000 bytes" in said
        assert "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT" in said


@pytest.mark.parametrize(
    "half", [b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nonly this", b"GET / HTT", b""]
)
async def test_a_client_that_goes_away_is_not_an_error(half: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as connect:
        _, writer = await connect()
        writer.write(half)
        await writer.drain()
        writer.transport.abort()
        assert b"GET 0" in await answer_of(connect, REQUEST)
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


async def test_an_answer_that_its_client_does_not_wait_for_is_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def lost(request: web.Request) -> web.Response:
        raise ClientConnectionResetError("Cannot write to closing transport")

    async with serving(lost) as connect:
        await answer_of(connect, REQUEST)
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
