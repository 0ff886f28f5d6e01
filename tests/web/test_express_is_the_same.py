"""The same requests, with and without express answers to plain ones: functions see the same, and clients receive it."""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from durable_host.config.extensions import HttpOptions
from durable_host.errors import HostError
from durable_host.http_port import HttpPort, plain_response
from durable_host.invocation.datum import NONE, Datum, HttpReply, binary, string
from durable_host.invocation.errors import FunctionCancelled, FunctionFailed
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.testing.memory_transport import connect
from durable_host.triggers.http.failure_reply import ErrorDetails
from durable_host.triggers.http.trigger import HttpTrigger
from durable_host.web.admin import AdminApi
from durable_host.web.front import Front

LIMIT = 3000
OF_EACH_CALL = {"invocation_id", "workers"}

REPLIES: dict[str, Datum | Exception] = {
    "nothing": NONE,
    "text": string("text"),
    "empty": string(""),
    "bytes": binary(b"\x00\xff"),
    "object": string('{"status": 201, "body": {"a": 1}, "headers": {"x-a": "b"}}'),
    "framing in an object": string(
        '{"body": "text", "headers": {"Transfer-Encoding": "chunked", "content-length": 99, "Connection": "close"}}'
    ),
    "long": binary(b"x" * 524_289),
    "wrong status": string('{"status": "no", "body": ""}'),
    "headers": Datum("http", HttpReply(200, {"X-A": "1", "x-a": "2", "Date": "today", "Server": "mine"}, body=b"b")),
    "length": Datum("http", HttpReply(200, {"Content-Length": "7", "Connection": "close"}, body=b"body")),
    "cookies": Datum("http", HttpReply(200, {}, ["a=\u00e4", "b=2; Path=/"], b"body")),
    "complete": Datum("http", HttpReply(202, {}, body=b"untyped", is_complete=True)),
    "bad header": Datum("http", HttpReply(200, {"X-A": "1\n2"}, body=b"b")),
    "204": Datum("http", HttpReply(204, {"X-A": "1"}, body=b"body")),
    "304": Datum("http", HttpReply(304, {"ETag": "1"}, body=b"body")),
    "599": Datum("http", HttpReply(599, {}, body=b"what")),
    "1000": Datum("http", HttpReply(1000, {}, body=b"what")),
    "failed": FunctionFailed("ValueError", "<no>", "stack"),
    "wrong type": FunctionFailed("TypeError", 'unsupported type "http" for Python type "dict"', ""),
    "cancelled": FunctionCancelled(),
    "host": HostError("No worker.", cause="None", remedy="Wait."),
    "bug": ZeroDivisionError("bug"),
}


class Recorder:
    """Stands in for the invoker: answers with the reply that the header `reply` names."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    @contextlib.contextmanager
    def held(self) -> Iterator["Recorder"]:
        yield self

    async def invoke(self, function: FunctionMetadata, **call: Any) -> Outcome:
        self.calls.append({"function": function.name, **{n: v for n, v in call.items() if n not in OF_EACH_CALL}})
        await asyncio.sleep(0)
        reply = REPLIES[call["trigger_value"].value.headers.get("reply", "text").partition(",")[0]]
        if isinstance(reply, Exception):
            raise reply
        return Outcome(invocation_id="id", return_value=reply)


def _function(name: str, route: str, *others: Binding) -> FunctionMetadata:
    trigger = Binding("req", "httpTrigger", "in", {"route": route})
    return FunctionMetadata(name=name, bindings=(trigger, Binding("$return", "http", "out"), *others))


FUNCTIONS = (
    _function("named", "named/{name}/{id:int?}"),
    _function("bound", "bound/{*rest}", Binding("row", "table", "in", {"rowKey": "{rest}{Query.q}{Headers.x}"})),
    _function("client", "client", Binding("starter", "durableClient", "in")),
)


class Both:
    """A port with express answers and one without them, with the same functions."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.went_short = 0
        self._front = Front(cast("AdminApi", None), home=lambda _: None, cors=None, body_limit=LIMIT)
        self._front.adopt(
            HttpTrigger(
                FUNCTIONS,
                cast("Invoker", self.recorder),
                HttpOptions(hsts="max-age=1"),
                details=ErrorDetails(True),
                base_url="http://localhost:7071",
            ),
            None,
            None,
        )
        self._ports = [
            HttpPort(self._front.handle, body_limit=LIMIT, close_within=0.1, express=express)
            for express in (self._counting, None)
        ]

    async def open(self) -> None:
        for port in self._ports:
            await port.open()

    async def close(self) -> None:
        for port in self._ports:
            await port.close()

    async def ask(self, *pieces: bytes) -> list[tuple[bytes, list[dict[str, Any]]]]:
        """What each port answers to the pieces until it ends the connection, and the calls of functions."""
        found: list[tuple[bytes, list[dict[str, Any]]]] = []
        for port in self._ports:
            self.recorder.calls.clear()
            reader = asyncio.StreamReader()
            client = asyncio.StreamReaderProtocol(reader)
            connect(client, port.connection(), server_address=("127.0.0.1", 7071))
            transport = client._transport  # type: ignore[attr-defined]
            for piece in (*pieces, b"GET /end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):
                transport.write(piece)
                await asyncio.sleep(0)
            answer = re.sub(rb"Date: [MTWFS].*", b"Date: now", await reader.read())
            found.append((answer, list(self.recorder.calls)))
        return found

    def _counting(self, request: Any) -> Any:
        answer = self._front.express(request)
        self.went_short += answer is not None
        return answer


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def both(runner: asyncio.Runner) -> Iterator[Both]:
    both = Both()
    runner.run(both.open())
    yield both
    runner.run(both.close())


def request_of(
    method: str = "GET",
    target: str = "/api/named/a",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes | None = None,
    version: str = "1.1",
    host: str = "localhost:7071",
) -> bytes:
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + (body or b"")


def test_plain_requests_go_the_short_way(both: Both, runner: asyncio.Runner) -> None:
    before = both.went_short
    runner.run(both.ask(request_of(), request_of("POST", "/api/bound/x?q=1", body=b'{"a": 1}')))
    assert both.went_short == before + 2


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_each_reply_is_sent_alike(both: Both, runner: asyncio.Runner, reply: str, method: str, accept: str) -> None:
    short, usual = runner.run(both.ask(request_of(method, headers=(("reply", reply), ("Accept", accept)))))
    assert short == usual


def test_a_long_body_is_not_copied() -> None:
    headers = CIMultiDict({"X-A": "1"})
    assert plain_response("GET", 200, headers, b"x" * 524_288) is not None
    assert plain_response("GET", 200, headers, b"x" * 524_289) is None
    assert list(headers.items()) == [("X-A", "1")]


def test_headers_of_the_connection_in_a_response_object_are_not_sent(both: Both, runner: asyncio.Runner) -> None:
    for answer, _ in runner.run(both.ask(request_of(headers=(("reply", "framing in an object"),)))):
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert rest.startswith(b"textHTTP/1.1 ")
        assert sorted(line for line in head.splitlines() if not line.startswith((b"Server", b"Strict"))) == [
            b"Content-Length: 4",
            b"Content-Type: text/plain; charset=utf-8",
            b"Date: now",
            b"HTTP/1.1 200 OK",
        ]


@pytest.mark.parametrize(
    "request_text",
    [
        request_of(version="1.0"),
        request_of(headers=(("Connection", "close"),)),
        request_of(headers=(("Connection", "keep-alive"),)),
        request_of(headers=(("Upgrade", "h2c"), ("Connection", "Upgrade"))),
        request_of("POST", headers=(("Expect", "100-continue"),), body=b"abc"),
        request_of("POST", headers=(("Expect", "tea"),)),
        request_of("POST", headers=(("Transfer-Encoding", "chunked"),)) + b"3\r\nabc\r\n0\r\n\r\n",
        request_of("POST", headers=(("Transfer-Encoding", "chunked"),)) + b"zz\r\n",
        request_of("POST", headers=(("Content-Encoding", "gzip"),), body=b"abc"),
        request_of("POST", body=b""),
        request_of("POST", body=b"x" * LIMIT),
        request_of("POST", body=b"x" * (LIMIT + 1)),
        request_of("POST", headers=(("Content-Length", "-1"),)),
        request_of("BREW"),
        request_of("OPTIONS", "*"),
        request_of("CONNECT", "localhost:80"),
        request_of(target="http://elsewhere/api/named/a?q=1"),
        request_of(target="//elsewhere/api/named/a"),
        request_of(target="/api/client", host="elsewhere"),
        request_of(target="/api/client", host="[::1]:7071"),
        request_of(headers=(("Host", "other"),)),
        b"GET /api/named/a HTTP/1.1\r\n\r\n",
        request_of(host=""),
        request_of(headers=(("X-A", "\u00e4"),)),
        request_of(headers=(("X-A", "\udcff"),)),
        request_of(headers=tuple((f"X-{n}", "1") for n in range(99))),
        request_of(headers=tuple((f"X-{n}", "1") for n in range(100))),
        request_of(headers=tuple((f"X-{n}", "x" * 8000) for n in range(5))),
        request_of(target="/api/named/a%00"),
        request_of(target="/api/x/../named/a/"),
        request_of(target="/api/named/%2e%2e/named/%C3%A4%2F"),
        request_of(target="/API/Named/B/7?"),
        request_of(target="/api/named/a/b"),
        request_of(target="/api/named/a#part"),
        request_of(target="/nowhere"),
        request_of(target="/"),
        request_of() + b"\r\n",
        request_of() + request_of("POST", body=b"second") + request_of("HEAD"),
        b"\r\n" + request_of(),
        b"no request\r\n\r\n",
    ],
    ids=lambda text: ascii(text)[2:70],
)
def test_special_requests_are_answered_alike(both: Both, runner: asyncio.Runner, request_text: bytes) -> None:
    short, usual = runner.run(both.ask(request_text))
    assert short == usual


_names = st.sampled_from(["X", "x", "Cookie", "Accept", "traceparent", "tracestate", "Content-Type", "Content-Length2"])
_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(str.strip)
_pieces = st.text(st.sampled_from("aZ0%41%2f%C3%A4+.~!$&'()*,;=:@-_"), max_size=12)
_requests = st.builds(
    request_of,
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"]),
    st.builds(
        "/api/{}/{}{}".format,
        st.sampled_from(["named", "bound", "client", "Named/x"]),
        _pieces,
        st.one_of(st.just(""), st.builds("?{}={}&{}".format, _pieces, _pieces, _pieces)),
    ),
    st.lists(
        st.one_of(st.tuples(_names, _values), st.tuples(st.just("reply"), st.sampled_from(list(REPLIES)))), max_size=5
    ).map(tuple),
    st.one_of(st.none(), st.binary(max_size=50), st.just(b'{"rest": 1, "q": "x"}')),
)


@given(requests=st.lists(_requests, min_size=1, max_size=4), split=st.integers(0, 400))
@examples(200)
def test_all_requests_are_answered_alike(both: Both, runner: asyncio.Runner, requests: list[bytes], split: int) -> None:
    sent = b"".join(requests)
    short, usual = runner.run(both.ask(sent[:split], sent[split:]))
    assert short == usual
