"""Runs the functions of tools, resources and prompts."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

from durable_host.bindings.mcp_tool_property import ARGUMENTS
from durable_host.errors import HostError
from durable_host.invocation.datum import string
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.invocation_log import CALLED
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.redaction import redacted
from durable_host.triggers.mcp import jsonrpc
from durable_host.triggers.mcp.caller import Caller, trigger_context
from durable_host.triggers.mcp.jsonrpc import RpcError
from durable_host.triggers.mcp.prompts import Prompt
from durable_host.triggers.mcp.resources import Resource
from durable_host.triggers.mcp.results import ResultInvalid, error_result, prompt_result, resource_result, tool_result
from durable_host.triggers.mcp.tools import Tool


class CallCancelled(Exception):
    """The client has cancelled the request."""


class McpCalls:
    """Owns the running calls, including those that their client has cancelled. With `explain`, errors have details."""

    def __init__(self, invoker: Invoker) -> None:
        self.explain = True
        self._invoker = invoker
        self._running: set[asyncio.Task[Outcome]] = set()

    async def call_tool(self, tool: Tool, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Call a tool. A failure is a result too. Raises CallCancelled."""
        context = trigger_context(caller, {"name": tool.name, "arguments": arguments})
        data = {"mcptoolcontext": context, ARGUMENTS: arguments}
        try:
            outcome = await self._run(tool.function, context, data, caller)
            return tool_result(outcome.return_value, uses_result_schema=tool.uses_result_schema)
        except (HostError, FunctionFailed, ResultInvalid) as error:
            return error_result(self._error_text(error, tool.name))

    async def read_resource(
        self, resource: Resource, uri: str, parameters: Mapping[str, str], caller: Caller
    ) -> dict[str, Any]:
        """Raises RpcError, CallCancelled."""
        members: dict[str, Any] = {"uri": uri}
        if resource.is_template:
            members["arguments"] = parameters
        context = trigger_context(caller, members)
        data = {"mcpresourcecontext": context, "mcpresourceargs": parameters}
        try:
            outcome = await self._run(resource.function, context, data, caller)
        except (HostError, FunctionFailed) as error:
            raise RpcError(jsonrpc.INTERNAL_ERROR, self._error_text(error, uri)) from error
        return resource_result(outcome.return_value, resource, uri)

    async def get_prompt(self, prompt: Prompt, arguments: dict[str, str], caller: Caller) -> dict[str, Any]:
        """Raises RpcError, CallCancelled."""
        context = trigger_context(caller, {"name": prompt.name, "arguments": arguments})
        data = {"mcppromptcontext": context, "mcppromptargs": arguments}
        try:
            outcome = await self._run(prompt.function, context, data, caller)
            return prompt_result(outcome.return_value, prompt)
        except (HostError, FunctionFailed, ResultInvalid) as error:
            raise RpcError(jsonrpc.INTERNAL_ERROR, self._error_text(error, prompt.name)) from error

    async def drain(self, grace: float) -> None:
        """Wait at most `grace` seconds for running calls."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for task in self._running:
            task.cancel()

    async def _run(
        self, function: FunctionMetadata, context: dict[str, Any], data: Mapping[str, Any], caller: Caller
    ) -> Outcome:
        """Run the function. If the client cancels, a function that cannot be interrupted continues."""
        invocation_id = str(uuid.uuid4())
        work = invoke_mcp(
            self._invoker,
            function,
            json.dumps(context),
            {**data, "mcpsessionid": caller.session_id or ""},
            invocation_id=invocation_id,
            trace_parent=caller.trace_parent,
            trace_state=caller.trace_state,
        )
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait((task, caller.gives_up), return_when=asyncio.FIRST_COMPLETED)
        if task.done() and not task.cancelled():
            return task.result()
        self._invoker.cancel(invocation_id)
        raise CallCancelled

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()

    def _error_text(self, error: Exception, name: str) -> str:
        if self.explain or isinstance(error, ResultInvalid):
            return redacted(str(error))
        return f"An error occurred invoking '{name}'."


async def invoke_mcp(
    invoker: Invoker,
    function: FunctionMetadata,
    context: str,
    binding_data: Mapping[str, Any],
    *,
    reason: str = CALLED,
    invocation_id: str | None = None,
    trace_parent: str | None = None,
    trace_state: str | None = None,
) -> Outcome:
    """One invocation; `context` is the JSON text for the function."""
    return await invoker.invoke(
        function,
        trigger_value=string(context),
        trigger_metadata=binding_data,
        binding_data={**binding_data, function.trigger.name: context},
        reason=reason,
        invocation_id=invocation_id,
        trace_parent=trace_parent,
        trace_state=trace_state,
    )
