"""Sessions of MCP clients: their limit, and when they end."""

from types import SimpleNamespace
from typing import Any

import pytest

from durable_host.triggers.mcp.jsonrpc import RpcError
from durable_host.triggers.mcp.mcp_sessions import MOST_REQUESTS, McpSession, Sessions
from durable_host.triggers.mcp.streams import MOST_WAITING, EventStream


class Moment:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Connection:
    """As much of a request as a stream looks at."""

    def __init__(self) -> None:
        self.is_closed = False
        self.protocol = None
        self.transport = SimpleNamespace(is_closing=lambda: self.is_closed, abort=self.abort)

    def abort(self) -> None:
        self.is_closed = True


def begin(sessions: Sessions) -> McpSession:
    return sessions.begin("http-streamable", "2025-11-25")


def listening(session: McpSession) -> Connection:
    connection = Connection()
    request: Any = connection
    session.stream = EventStream(request)
    return connection


def test_a_session_that_nobody_uses_ends() -> None:
    moment = Moment()
    sessions = Sessions(idle=10, now=moment)
    one, other = begin(sessions), begin(sessions)
    moment.now = 8
    assert sessions.find(other.id, "http-streamable") is other
    moment.now = 12
    assert sessions.find(one.id, "http-streamable") is None
    assert sessions.find(other.id, "http-streamable") is other


async def test_a_session_with_an_open_stream_or_a_running_request_is_not_idle() -> None:
    moment = Moment()
    sessions = Sessions(idle=10, now=moment)
    with_stream, with_request = begin(sessions), begin(sessions)
    connection = listening(with_stream)
    with_request.begin(1)
    moment.now = 100
    begin(sessions)
    assert len(sessions) == 3
    connection.abort()
    with_request.finish(1)
    begin(sessions)
    assert len(sessions) == 2


def test_a_new_session_takes_the_place_of_the_one_that_is_idle_the_longest() -> None:
    moment = Moment()
    sessions = Sessions(most=2, now=moment)
    first, second = begin(sessions), begin(sessions)
    moment.now = 1
    sessions.find(first.id, "http-streamable")
    third = begin(sessions)
    assert {session.id for session in sessions} == {first.id, third.id}
    assert sessions.find(second.id, "http-streamable") is None


def test_no_session_begins_while_all_are_in_use() -> None:
    sessions = Sessions(most=1)
    listening(begin(sessions))
    with pytest.raises(RpcError, match="already in use"):
        begin(sessions)


def test_a_session_is_known_on_its_own_transport_only() -> None:
    sessions = Sessions()
    assert sessions.find(begin(sessions).id, "http-sse") is None


async def test_requests_of_a_session_are_bounded_and_have_ids_of_their_own() -> None:
    session = begin(Sessions())
    session.begin(1)
    with pytest.raises(RpcError, match="already running"):
        session.begin(1)
    for number in range(MOST_REQUESTS - 1):
        session.begin(f"r{number}")
    with pytest.raises(RpcError, match="100 requests of this session are already running"):
        session.begin("one more")


async def test_an_ended_session_gives_its_requests_up() -> None:
    sessions = Sessions()
    session = begin(sessions)
    gives_up = session.begin(1)
    sessions.end(session.id)
    assert gives_up.done()


async def test_a_client_that_listens_late_learns_once_what_has_changed() -> None:
    session = begin(Sessions())
    session.notify(["a", "b"])
    session.notify(["a"])
    sent: list[dict[str, Any]] = []
    stream: Any = SimpleNamespace(is_open=True, send=sent.append)
    session.attach(stream)
    assert [message["method"] for message in sent] == ["a", "b"]
    session.notify(["c"])
    assert [message["method"] for message in sent] == ["a", "b", "c"]


async def test_a_client_that_does_not_read_loses_its_stream() -> None:
    session = begin(Sessions())
    connection = listening(session)
    assert session.stream is not None
    for number in range(MOST_WAITING):
        session.stream.send({"n": number})
    assert session.stream.is_open
    session.stream.send({"n": "one too many"})
    assert connection.is_closed
    assert not session.stream.is_open
