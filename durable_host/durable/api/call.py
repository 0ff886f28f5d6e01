"""One call of the management API: the request and the task hub that it addresses."""

import re
import sys
from typing import Literal

import msgspec
from aiohttp import web

from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.client_payload import ManagementUrls
from durable_host.durable.api.content_coding import unpacker
from durable_host.durable.api.embedded_json import decoded
from durable_host.durable.api.query import QueryParameters
from durable_host.durable.api.request_cautions import Cautions
from durable_host.durable.model.events import TraceContext

_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")

Face = Literal["webhook", "rpc"]


class ApiCall(msgspec.Struct, frozen=True):
    """One call. `urls` are the URLs of the hub as seen by the caller.

    `max_body`, in bytes, limits compressed bodies on both endpoints and all bodies on the webhook.
    """

    request: web.Request
    client: DurableClient
    query: QueryParameters
    urls: ManagementUrls
    url: str
    face: Face
    max_body: int
    cautions: Cautions
    use_app_lease: bool = True

    async def body(self) -> bytes:
        """Return the whole body, decompressed. It is empty when there is none.

        Raises aiohttp's 413, `UnknownCoding`, and `InvalidArgument` for a body that cannot be decompressed.
        """
        coding = self.request.headers.get("Content-Encoding", "")
        packed = unpacker(coding)
        limit = self.max_body if self.face == "webhook" or coding else sys.maxsize - 1
        size = self.request.content_length or 0
        if size > limit:
            raise web.HTTPRequestEntityTooLarge(limit, size)
        parts: list[bytes] = []
        size = 0
        async for data in self.request.content.iter_any():
            part = packed.unpack(data, limit - size + 1)
            size += len(part)
            if size > limit:
                raise web.HTTPRequestEntityTooLarge(limit, size)
            parts.append(part)
        if parts:
            packed.end()
        return b"".join(parts)

    async def text(self) -> str:
        """Return the body as text in the charset of its content type (default: UTF-8). Raises like `body`, and
        `InvalidJson`.
        """
        return decoded(await self.body(), self.request.charset)

    def trace(self) -> TraceContext | None:
        """Return the caller's W3C trace context, or None if the header is missing or invalid."""
        parent = self.request.headers.get("traceparent") or ""
        return TraceContext(parent, self.request.headers.get("tracestate")) if _TRACE_PARENT.fullmatch(parent) else None
