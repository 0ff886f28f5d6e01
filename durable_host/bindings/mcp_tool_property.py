"""Input bindings of type `mcpToolProperty`: one argument of the call of an MCP tool."""

import json
from collections.abc import Mapping
from typing import Any, cast

from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import NONE, Datum, json_text, string
from durable_host.invocation.metadata import Binding

TOOL_PROPERTY = "mcptoolproperty"
ARGUMENTS = "mcptoolargs"
"""The arguments in the binding data of a call, also for `{mcptoolargs.name}` in the paths of other bindings."""


class McpToolPropertyInput:
    """Texts as they are, everything else as JSON; none for an argument that is not given."""

    async def read(self, binding: Binding, binding_data: Mapping[str, Any], context: BindingContext) -> Datum:
        arguments: Any = binding_data.get(ARGUMENTS)
        name = property_name(binding)
        value = cast("dict[str, Any]", arguments).get(name) if isinstance(arguments, dict) else None
        if value is None:
            return NONE
        return string(value) if isinstance(value, str) else json_text(json.dumps(value))


def property_name(binding: Binding) -> str:
    """The argument that the binding receives."""
    return binding.text("propertyName") or binding.name
