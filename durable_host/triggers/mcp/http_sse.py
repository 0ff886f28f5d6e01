"""The transport "HTTP with SSE" of 2024-11-05: a POST for each message, and a GET whose events are the responses.

Source: https://modelcontextprotocol.io/specification/2024-11-05/basic/transports
"""

import asyncio
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from durable_host.triggers.mcp import dialogue, jsonrpc, versions
from durable_host.triggers.mcp.exchange import Refused, content_of, headers_of, not_allowed, refused, require_events
from durable_host.triggers.mcp.jsonrpc import Notification, Request, RpcError
from durable_host.triggers.mcp.mcp_sessions import McpSession, Sessions
from durable_host.triggers.mcp.server import McpServer
from durable_host.triggers.mcp.streams import EventStream, event

TRANSPORT = "http-sse"
SESSION_PARAMETER = "azmcpcs"
"""The query parameter of the message endpoint, as in Azure's extension."""


class HttpSse:
    """The transport. A session lasts as long as its GET request. Methods raise Refused."""

    def __init__(self, server: McpServer, sessions: Sessions) -> None:
        self._server = server
        self._sessions = sessions
        self._groups: dict[str, asyncio.TaskGroup] = {}

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Handle `GET .../sse`. The first event is the address for messages."""
        if request.method != "GET":
            raise not_allowed("GET")
        require_events(request)
        try:
            session = self._sessions.begin(TRANSPORT, versions.HANDSHAKE[0])
        except RpcError as error:
            raise Refused(503, error) from None
        stream = EventStream(request)
        stream.put(event(self._endpoint(request, session).encode("ascii"), "endpoint"))
        session.attach(stream)
        async with asyncio.TaskGroup() as group:
            self._groups[session.id] = group
            try:
                return await stream.serve()
            finally:
                del self._groups[session.id]
                self._sessions.end(session.id)

    async def message(self, request: web.Request) -> web.Response:
        """Handle `POST .../message`: respond with 202, and send the answers as events."""
        if request.method != "POST":
            raise not_allowed("POST")
        content = await content_of(request)
        session = self._sessions.find(request.query.get(SESSION_PARAMETER, ""), TRANSPORT)
        group = self._groups.get(session.id) if session is not None else None
        if session is None or session.stream is None or group is None:
            raise refused(404, "The session is not known, or has ended.")
        try:
            messages = dialogue.messages_of(content, session.version)
        except RpcError as error:
            raise Refused(400, error) from None
        headers = headers_of(request)
        for message in messages:
            if isinstance(message, Request):
                group.create_task(self._answer(message, session, headers))
            elif isinstance(message, Notification):
                dialogue.take(message, session)
            elif isinstance(message, RpcError):
                session.stream.send(jsonrpc.failure(message))
        return web.Response(status=202, text="Accepted")

    async def _answer(self, request: Request, session: McpSession, headers: dict[str, str]) -> None:
        answer = (
            self._initialize(request, session)
            if request.method == "initialize"
            else await dialogue.answer(request, self._server, session, headers)
        )
        if answer is not None and session.stream is not None:
            session.stream.send(answer)

    def _initialize(self, request: Request, session: McpSession) -> dict[str, Any]:
        try:
            session.version, session.client_info = dialogue.negotiated(request.params)
        except RpcError as error:
            return jsonrpc.failure(error, request.id)
        return jsonrpc.result(request.id, self._server.initialized(session.version))

    def _endpoint(self, request: web.Request, session: McpSession) -> str:
        """The address for messages, relative to that of the events. It includes a key in the query of the GET."""
        query = {SESSION_PARAMETER: session.id}
        if code := request.query.get("code"):
            query["code"] = code
        address = f"message?{urlencode(query)}"
        if not self._server.options.uses_absolute_endpoint:
            return address
        return f"{request.scheme}://{request.host}{request.rel_url.raw_path.rstrip('/').rpartition('/')[0]}/{address}"
