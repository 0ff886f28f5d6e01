"""Streams for clients without sessions that listen for changes (`subscriptions/listen`)."""

from collections.abc import Iterable
from typing import Any, cast

import msgspec
from aiohttp import web

from durable_host.triggers.mcp import jsonrpc
from durable_host.triggers.mcp.exchange import Refused
from durable_host.triggers.mcp.jsonrpc import Request, RpcError
from durable_host.triggers.mcp.streams import EventStream

MOST = 200
CHANGES = {
    "toolsListChanged": "notifications/tools/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
}
"""Requested kind → notification."""
_ID = "io.modelcontextprotocol/subscriptionId"


class _Subscription(msgspec.Struct, frozen=True, eq=False):
    request: Request
    stream: EventStream
    methods: frozenset[str]

    @property
    def meta(self) -> dict[str, Any]:
        return {_ID: self.request.id}


class Subscriptions:
    """At most `MOST` streams at a time."""

    def __init__(self) -> None:
        self._open: list[_Subscription] = []

    async def serve(self, http: web.Request, request: Request) -> web.StreamResponse:
        """Serve a stream until the client closes it, or until `close`. Raises Refused."""
        wanted: Any = request.params.get("notifications")
        if not isinstance(wanted, dict):
            text = "The params must have 'notifications', an object."
            raise Refused(400, RpcError(jsonrpc.INVALID_PARAMS, text, id=request.id))
        if len(self._open) >= MOST:
            raise Refused(503, RpcError(jsonrpc.SERVER_BUSY, f"{MOST} subscriptions are already open.", id=request.id))
        honoured = {name: True for name in CHANGES if cast("dict[str, Any]", wanted).get(name) is True}
        methods = frozenset(CHANGES[name] for name in honoured)
        subscription = _Subscription(request, EventStream(http), methods)
        params = {"notifications": honoured, "_meta": subscription.meta}
        subscription.stream.send(jsonrpc.notification("notifications/subscriptions/acknowledged", params))
        self._open.append(subscription)
        try:
            return await subscription.stream.serve()
        finally:
            self._open.remove(subscription)

    def notify(self, methods: Iterable[str]) -> None:
        """Send these notifications to the clients that subscribed to them."""
        for subscription in self._open:
            for method in methods:
                if method in subscription.methods:
                    subscription.stream.send(jsonrpc.notification(method, {"_meta": subscription.meta}))

    def close(self) -> None:
        for subscription in self._open:
            result = {"resultType": "complete", "_meta": subscription.meta}
            subscription.stream.send(jsonrpc.result(subscription.request.id, result))
            subscription.stream.close()
