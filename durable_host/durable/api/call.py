"""One call of the management API: the request, and the task hub it is about."""

from typing import Literal

import msgspec
from aiohttp import web

from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.payload import ManagementUrls
from durable_host.durable.api.query import QueryParameters
from durable_host.durable.model.events import TraceContext

Face = Literal["webhook", "rpc"]


class BodyTooLarge(Exception):
    """The body is longer than this face takes."""


class Call(msgspec.Struct, frozen=True):
    """`urls` are those of the hub as seen by the caller; `max_body` in bytes, None without limit."""

    request: web.Request
    client: DurableClient
    query: QueryParameters
    urls: ManagementUrls
    url: str
    max_body: int | None

    async def body(self) -> bytes:
        """The whole body, empty when there is none. Raises `BodyTooLarge`."""
        limit = self.max_body
        if limit is not None and (self.request.content_length or 0) > limit:
            raise BodyTooLarge
        parts: list[bytes] = []
        size = 0
        async for part in self.request.content.iter_any():
            size += len(part)
            if limit is not None and size > limit:
                raise BodyTooLarge
            parts.append(part)
        return b"".join(parts)

    @property
    def is_connected(self) -> bool:
        """Whether somebody still waits for the answer."""
        transport = self.request.transport
        return transport is not None and not transport.is_closing()

    def trace(self) -> TraceContext | None:
        """The caller's W3C trace context."""
        parent = self.request.headers.get("traceparent")
        return TraceContext(parent, self.request.headers.get("tracestate")) if parent else None
