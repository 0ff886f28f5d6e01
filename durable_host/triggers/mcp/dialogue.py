"""Handles the messages of a session, for both transports."""

import logging
from collections.abc import Mapping
from typing import Any, cast

from durable_host.triggers.mcp import jsonrpc, versions
from durable_host.triggers.mcp.caller import Caller
from durable_host.triggers.mcp.calls import CallCancelled
from durable_host.triggers.mcp.jsonrpc import Message, Notification, Request, RpcError
from durable_host.triggers.mcp.mcp_sessions import McpSession
from durable_host.triggers.mcp.server import McpServer

log = logging.getLogger("Host.Triggers.Mcp")

MOST_IN_BATCH = 100


def negotiated(params: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The revision and the client info of an `initialize`. Raises RpcError."""
    requested = params.get("protocolVersion")
    if not isinstance(requested, str):
        raise RpcError(jsonrpc.INVALID_PARAMS, "The params must have a 'protocolVersion', a string.")
    client: Any = params.get("clientInfo")
    return versions.negotiated(requested), cast("dict[str, Any]", client) if isinstance(client, dict) else None


def messages_of(content: Any, version: str) -> list[Message | RpcError]:
    """The messages in a body, one or a batch. An invalid message is replaced by its error response.

    Raises RpcError for an invalid body.
    """
    if not isinstance(content, list):
        return [jsonrpc.message(content)]
    batch = cast("list[Any]", content)
    if not versions.has_batches(version):
        raise RpcError(jsonrpc.INVALID_REQUEST, f"Protocol version {version} has no batches.")
    if not batch:
        raise RpcError(jsonrpc.INVALID_REQUEST, "The batch is empty.")
    if len(batch) > MOST_IN_BATCH:
        raise RpcError(jsonrpc.INVALID_REQUEST, f"A batch may hold at most {MOST_IN_BATCH} messages.")
    found: list[Message | RpcError] = []
    for entry in batch:
        try:
            found.append(jsonrpc.message(entry))
        except RpcError as error:
            found.append(error)
    return found


def take(notification: Notification, session: McpSession) -> None:
    """Process a notification of the client. Only cancellations have an effect."""
    if notification.method == "notifications/cancelled":
        session.cancel(notification.params.get("requestId"))


async def answer(
    request: Request, server: McpServer, session: McpSession, headers: Mapping[str, str]
) -> dict[str, Any] | None:
    """The response to a request; None if the client has cancelled it."""
    try:
        gives_up = session.begin(request.id)
    except RpcError as error:
        return jsonrpc.failure(error, request.id)
    caller = Caller(
        version=session.version,
        transport=session.transport,
        gives_up=gives_up,
        headers=headers,
        session_id=session.id,
        client_info=session.client_info,
    )
    try:
        if request.method == "initialize":
            raise RpcError(jsonrpc.INVALID_REQUEST, "The session is already initialized.")
        return jsonrpc.result(request.id, await server.answer(request, caller))
    except CallCancelled:
        return None
    except RpcError as error:
        return jsonrpc.failure(error, request.id)
    except Exception:
        log.exception("The request '%s' of an MCP client could not be answered", request.method)
        return jsonrpc.failure(RpcError(jsonrpc.INTERNAL_ERROR, "Internal error"), request.id)
    finally:
        session.finish(request.id)
