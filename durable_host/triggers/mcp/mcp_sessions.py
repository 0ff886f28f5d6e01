"""Sessions of clients, which begin with `initialize`."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from durable_host.triggers.mcp import jsonrpc
from durable_host.triggers.mcp.caller import Transport
from durable_host.triggers.mcp.jsonrpc import RpcError
from durable_host.triggers.mcp.streams import EventStream

MOST_SESSIONS = 500
IDLE_SECONDS = 3600.0
MOST_REQUESTS = 100
"""Most running requests of one client."""


class McpSession:
    """A session. `stream` is for messages other than responses; None while the client does not listen for them."""

    def __init__(self, id: str, transport: Transport, version: str, client_info: dict[str, Any] | None) -> None:
        self.id = id
        self.transport: Transport = transport
        self.version = version
        self.client_info = client_info
        self.stream: EventStream | None = None
        self.last_used = 0.0
        self._news: dict[str, None] = {}
        self._requests: dict[str | int, asyncio.Future[None]] = {}

    @property
    def is_in_use(self) -> bool:
        return bool(self._requests) or (self.stream is not None and self.stream.is_open)

    def attach(self, stream: EventStream) -> None:
        """Send messages to `stream` from now on, beginning with those that the client has missed."""
        self.stream = stream
        news, self._news = self._news, {}
        self.notify(news)

    def notify(self, methods: Iterable[str]) -> None:
        """Send notifications. If the client does not listen yet, it gets each of them once, later."""
        for method in methods:
            if self.stream is not None and self.stream.is_open:
                self.stream.send(jsonrpc.notification(method))
            else:
                self._news[method] = None

    def begin(self, id: str | int) -> asyncio.Future[None]:
        """Register a running request. The future is done when the client cancels it. Raises RpcError."""
        if id in self._requests:
            raise RpcError(jsonrpc.INVALID_REQUEST, f"A request with the id {id!r} is already running.")
        if len(self._requests) >= MOST_REQUESTS:
            raise RpcError(jsonrpc.SERVER_BUSY, f"{MOST_REQUESTS} requests of this session are already running.")
        gives_up = self._requests[id] = asyncio.get_running_loop().create_future()
        return gives_up

    def finish(self, id: str | int) -> None:
        self._requests.pop(id, None)

    def cancel(self, id: object) -> None:
        """Cancel a request of the client. IDs that are not running are ignored."""
        gives_up = self._requests.get(id) if isinstance(id, str | int) else None
        if gives_up is not None and not gives_up.done():
            gives_up.set_result(None)

    def end(self) -> None:
        """Cancel the running requests and close the stream."""
        for id in list(self._requests):
            self.cancel(id)
        if self.stream is not None:
            self.stream.close()


class Sessions:
    """At most `most` sessions. Those unused for `idle` seconds end when a session begins or is looked up."""

    def __init__(
        self, most: int = MOST_SESSIONS, idle: float = IDLE_SECONDS, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._idle = idle
        self._now = now
        self._sessions: dict[str, McpSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[McpSession]:
        return iter(list(self._sessions.values()))

    def begin(self, transport: Transport, version: str, client_info: dict[str, Any] | None = None) -> McpSession:
        """Begin a session. If there are too many, the one that has been idle the longest ends. Raises RpcError."""
        self._end_idle()
        if len(self._sessions) >= self._most:
            idle = [session for session in self if not session.is_in_use]
            if not idle:
                raise RpcError(jsonrpc.SERVER_BUSY, f"{self._most} sessions are already in use.")
            self.end(min(idle, key=lambda session: session.last_used).id)
        session = McpSession(secrets.token_urlsafe(24), transport, version, client_info)
        session.last_used = self._now()
        self._sessions[session.id] = session
        return session

    def find(self, id: str, transport: Transport) -> McpSession | None:
        """The session of this transport, or None. Counts as a use of the session."""
        self._end_idle()
        session = self._sessions.get(id)
        if session is None or session.transport != transport:
            return None
        session.last_used = self._now()
        return session

    def end(self, id: str) -> None:
        session = self._sessions.pop(id, None)
        if session is not None:
            session.end()

    def _end_idle(self) -> None:
        limit = self._now() - self._idle
        for session in self:
            if session.last_used < limit and not session.is_in_use:
                self.end(session.id)
