"""Implements the methods of the protocol, independently of the transport."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any, cast

from durable_host.config.extensions import McpOptions
from durable_host.invocation.invoker import Invoker
from durable_host.triggers.mcp import jsonrpc, prompts, tools, versions
from durable_host.triggers.mcp.caller import Caller
from durable_host.triggers.mcp.calls import McpCalls
from durable_host.triggers.mcp.catalog import McpCatalog
from durable_host.triggers.mcp.jsonrpc import Request, RpcError

PAGE_SIZE = 100

CAPABILITIES: dict[str, Any] = {
    "tools": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": False},
    "prompts": {"listChanged": True},
}
"""Always all capabilities, because a reload may add the first tool, resource or prompt."""

_LISTS = {
    "tools/list": ("tools", "tools"),
    "resources/list": ("resources", "resources"),
    "resources/templates/list": ("templates", "resourceTemplates"),
    "prompts/list": ("prompts", "prompts"),
}
"""List method → kind of entries in the catalog, and member of the result."""


class McpServer:
    """Handles requests with the current catalog."""

    def __init__(self, invoker: Invoker) -> None:
        self.catalog = McpCatalog()
        self.options = McpOptions()
        self.calls = McpCalls(invoker)
        self._methods: dict[str, Callable[[dict[str, Any], Caller], Awaitable[dict[str, Any]]]] = {
            "tools/call": self._call_tool,
            "resources/read": self._read_resource,
            "prompts/get": self._get_prompt,
        }

    @property
    def info(self) -> dict[str, Any]:
        return {"name": self.options.server_name, "version": self.options.server_version}

    def initialized(self, version: str) -> dict[str, Any]:
        """The result of `initialize`."""
        return {"protocolVersion": version, **self.about, "serverInfo": self.info}

    @property
    def about(self) -> dict[str, Any]:
        """The capabilities, and the instructions for the model in host.json."""
        about: dict[str, Any] = {"capabilities": CAPABILITIES}
        if self.options.instructions:
            about["instructions"] = self.options.instructions
        return about

    async def answer(self, request: Request, caller: Caller) -> dict[str, Any]:
        """The result of a request. Raises RpcError, CallCancelled."""
        if request.method in _LISTS:
            return self._list(request)
        if request.method == "ping" and caller.version in versions.HANDSHAKE:
            return {}
        method = self._methods.get(request.method)
        if method is None:
            raise RpcError(jsonrpc.METHOD_NOT_FOUND, f"Method not found: {request.method}")
        return await method(request.params, caller)

    def _list(self, request: Request) -> dict[str, Any]:
        kind, member = _LISTS[request.method]
        entries, start = self.catalog.listings(kind), _offset(request.params.get("cursor"))
        result: dict[str, Any] = {member: entries[start : start + PAGE_SIZE]}
        if start + PAGE_SIZE < len(entries):
            result["nextCursor"] = _cursor(start + PAGE_SIZE)
        return result

    async def _call_tool(self, params: dict[str, Any], caller: Caller) -> dict[str, Any]:
        name = _text(params, "name")
        tool = self.catalog.tools.get(name)
        if tool is None:
            raise RpcError(jsonrpc.INVALID_PARAMS, f"Unknown tool: '{name}'")
        arguments = _arguments(params)
        if missing := tools.missing_arguments(tool, arguments):
            raise RpcError(
                jsonrpc.INVALID_PARAMS,
                f"One or more required tool properties are missing values. Please provide: {', '.join(missing)}",
            )
        return await self.calls.call_tool(tool, arguments, caller)

    async def _read_resource(self, params: dict[str, Any], caller: Caller) -> dict[str, Any]:
        uri = _text(params, "uri")
        found = self.catalog.find_resource(uri)
        if found is None:
            has_sessions = caller.version in versions.HANDSHAKE
            code = jsonrpc.RESOURCE_NOT_FOUND if has_sessions else jsonrpc.INVALID_PARAMS
            raise RpcError(code, f"Resource not found: '{uri}'", {"uri": uri})
        return await self.calls.read_resource(found[0], uri, found[1], caller)

    async def _get_prompt(self, params: dict[str, Any], caller: Caller) -> dict[str, Any]:
        name = _text(params, "name")
        prompt = self.catalog.prompts.get(name)
        if prompt is None:
            raise RpcError(jsonrpc.INVALID_PARAMS, f"Unknown prompt: '{name}'")
        arguments = _arguments(params)
        if not all(isinstance(value, str) for value in arguments.values()):
            raise RpcError(jsonrpc.INVALID_PARAMS, "The arguments of a prompt must be strings.")
        if missing := prompts.missing_arguments(prompt, arguments):
            raise RpcError(
                jsonrpc.INVALID_PARAMS,
                f"One or more required prompt arguments are missing values. Please provide: {', '.join(missing)}",
            )
        return await self.calls.get_prompt(prompt, arguments, caller)


def _text(params: dict[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str):
        raise RpcError(jsonrpc.INVALID_PARAMS, f"The params must have a '{name}', a string.")
    return value


def _arguments(params: dict[str, Any]) -> dict[str, Any]:
    value = params.get("arguments")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RpcError(jsonrpc.INVALID_PARAMS, "The arguments must be an object.")
    return cast("dict[str, Any]", value)


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode("ascii")


def _offset(cursor: Any) -> int:
    if cursor is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii")
        if text.isdecimal() and len(text) < 10:
            return int(text)
    except (AttributeError, UnicodeError, binascii.Error):
        pass
    raise RpcError(jsonrpc.INVALID_PARAMS, "The cursor is not from this server.")
