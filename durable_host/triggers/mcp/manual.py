"""Runs MCP functions by hand (`POST /admin/functions/{name}`)."""

import json
from typing import Any, cast

from durable_host.bindings.mcp_tool_property import ARGUMENTS
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.triggers.mcp.calls import invoke_mcp
from durable_host.triggers.mcp.content import parsed
from durable_host.triggers.mcp.resources import RESOURCE_TRIGGER


async def invoke_by_hand(
    invoker: Invoker, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str
) -> Outcome:
    """One invocation; `text` is the input for `manual_context`."""
    context = manual_context(function, text)
    arguments: Any = context.get("arguments")
    data: dict[str, Any] = {ARGUMENTS: arguments} if isinstance(arguments, dict) else {}
    return await invoke_mcp(invoker, function, json.dumps(context), data, reason=reason, invocation_id=invocation_id)


def manual_context(function: FunctionMetadata, text: str) -> dict[str, Any]:
    """The trigger context for a manual run.

    `text` is a whole context (an object with `arguments`), only the arguments, or empty; for a resource it is the URI.
    """
    trigger = function.trigger
    value = parsed(text)
    members = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if trigger.type.lower() == RESOURCE_TRIGGER:
        return members or {"uri": text or trigger.text("uri")}
    name = trigger.text("toolName") or trigger.text("promptName")
    if "arguments" not in members:
        members = {"arguments": members}
    return {"name": name, **members}
