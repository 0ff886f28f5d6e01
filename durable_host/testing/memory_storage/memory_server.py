"""Serves the storage in memory over HTTP on this machine: for SDK clients in the app's code and in tests."""

import asyncio
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from aiohttp import web

from durable_host.testing.memory_storage.memory_connections import MemoryPorts
from durable_host.testing.memory_storage.storage_exchange import StorageAnswer, StorageRequest, refused_answer

AnswerStorage = Callable[[str, StorageRequest], StorageAnswer]
"""Answers a request to the account with this name."""

_LOOPBACK = "127.0.0.1"
_SERVICES = ("blob", "queue", "table")
_GRACE = 0.05
"""Seconds for open requests. Zero would be without limit."""
_VERSION = "2021-08-06"


class MemoryServer:
    """Three listeners on free ports. Signatures are not checked. Whoever serves the app sets `answers`."""

    def __init__(self) -> None:
        self.answers: AnswerStorage | None = None
        self._servers: list[asyncio.Server] = []
        self._handlers: list[web.Server] = []

    async def start(self) -> MemoryPorts:
        """Start listening, and return the ports."""
        ports: dict[str, int] = {}
        for service in _SERVICES:
            handler = web.Server(partial(self._respond, service), access_log=None)
            listener = await asyncio.get_running_loop().create_server(handler, _LOOPBACK, 0)
            self._handlers.append(handler)
            self._servers.append(listener)
            ports[service] = listener.sockets[0].getsockname()[1]
        return MemoryPorts(**ports)

    async def close(self) -> None:
        """Stop listening and close all connections."""
        for listener in self._servers:
            listener.close()
        for handler in self._handlers:
            await handler.shutdown(_GRACE)

    async def _respond(self, service: str, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        path, _, query = request.raw_path.partition("?")
        account, _, rest = path.lstrip("/").partition("/")
        asked = StorageRequest(
            service,
            request.method,
            f"/{unquote(rest)}",
            dict(parse_qsl(query, keep_blank_values=True)),
            dict(request.headers),
            body,
        )
        answers = self.answers
        answer = answers(unquote(account), asked) if answers is not None else refused_answer(service, 503, "ServerBusy")
        headers = {"x-ms-request-id": str(uuid4()), "x-ms-version": _VERSION, **answer.headers}
        if (client_id := asked.header("x-ms-client-request-id")) is not None:
            headers["x-ms-client-request-id"] = client_id
        return web.Response(status=answer.status, headers=headers, body=answer.body or None)
