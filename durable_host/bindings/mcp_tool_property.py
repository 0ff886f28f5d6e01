"""Input bindings of type `mcpToolProperty`: one argument of an MCP tool call."""

import json
from collections.abc import Mapping
from typing import Any, cast

from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import NONE, Datum, json_text, string
from durable_host.invocation.metadata import Binding

TOOL_PROPERTY = "mcptoolproperty"
ARGUMENTS = "mcptoolargs"
"""The member of the binding data with the arguments, also for `{mcptoolargs.name}` in the paths of other bindings."""


class McpToolPropertyInput:
    """Passes texts unchanged, other values as JSON, and None for a missing argument."""

    async def read(self, binding: Binding, binding_data: Mapping[str, Any], context: BindingContext) -> Datum:
        arguments: Any = binding_data.get(ARGUMENTS)
        name = property_name(binding)
        value = cast("dict[str, Any]", arguments).get(name) if isinstance(arguments, dict) else None
        if value is None:
            return NONE
        return string(value) if isinstance(value, str) else json_text(json.dumps(value))


def property_name(binding: Binding) -> str:
    """The name of the argument."""
    return binding.text("propertyName") or binding.name
