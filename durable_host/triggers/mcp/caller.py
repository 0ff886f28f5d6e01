"""The client of a request, and the trigger context that functions receive."""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Transport = Literal["http-streamable", "http-sse"]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The client. `session_id` is None for revisions without sessions. `gives_up` is done when the client cancels."""

    version: str
    transport: Transport
    gives_up: asyncio.Future[None]
    headers: Mapping[str, str] = {}
    session_id: str | None = None
    client_info: dict[str, Any] | None = None

    @property
    def trace_parent(self) -> str | None:
        return self.headers.get("traceparent")

    @property
    def trace_state(self) -> str | None:
        return self.headers.get("tracestate")


def trigger_context(caller: Caller, members: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object that a function receives: `members` (such as name and arguments), session, client, transport."""
    context: dict[str, Any] = {**members}
    transport: dict[str, Any] = {"name": caller.transport, "properties": {"headers": dict(caller.headers)}}
    if caller.session_id is not None:
        context["sessionid"] = transport["sessionid"] = caller.session_id
    if caller.client_info is not None:
        context["clientinfo"] = caller.client_info
    context["transport"] = transport
    return context
