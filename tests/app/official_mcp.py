"""The official clients of the Model Context Protocol, imported when the first test uses one.

Importing them takes half a second, and every process that runs tests collects all of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp import Client, ClientSession, MCPError
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared.subscriptions import ToolsListChanged

__all__ = ["Client", "ClientSession", "MCPError", "ToolsListChanged", "sse_client", "streamable_http_client"]
_MODULES = {
    "Client": "mcp",
    "ClientSession": "mcp",
    "MCPError": "mcp",
    "sse_client": "mcp.client.sse",
    "streamable_http_client": "mcp.client.streamable_http",
    "ToolsListChanged": "mcp.shared.subscriptions",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(_MODULES[name]), name)
