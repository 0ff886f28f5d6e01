"""Tools: functions with an `mcpToolTrigger`, with their listing and the schema of their arguments."""

from collections.abc import Mapping
from typing import Any

import msgspec

from durable_host.bindings.mcp_tool_property import TOOL_PROPERTY, property_name
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.triggers.mcp import declaration
from durable_host.triggers.mcp.declaration import TriggerInvalid

TOOL_TRIGGER = "mcptooltrigger"

_TYPES = {
    "string": "string",
    "datetime": "string",
    "date": "string",
    "guid": "string",
    "integer": "integer",
    "int": "integer",
    "long": "integer",
    "number": "number",
    "float": "number",
    "double": "number",
    "decimal": "number",
    "boolean": "boolean",
    "bool": "boolean",
    "object": "object",
    "array": "array",
}
"""JSON Schema has no `float`, which the SDK writes for floats."""


class Tool(msgspec.Struct, frozen=True):
    """A tool. `listing` is its entry in `tools/list`; `required` are its required arguments."""

    name: str
    function: FunctionMetadata
    listing: dict[str, Any]
    required: tuple[str, ...] = ()
    uses_result_schema: bool = False


def tool_of(function: FunctionMetadata) -> Tool:
    """Raises TriggerInvalid."""
    trigger = function.trigger
    name = declaration.required_text(trigger, "toolName")
    schema = input_schema(_properties(function))
    return Tool(
        name=name,
        function=function,
        listing={"name": name, **declaration.described(trigger), "inputSchema": schema},
        required=tuple(schema.get("required", ())),
        uses_result_schema=declaration.is_set(trigger.properties.get("useResultSchema")),
    )


def input_schema(properties: list[dict[str, Any]]) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments from entries of `toolProperties`. Raises TriggerInvalid."""
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    required: list[str] = []
    for entry in properties:
        name = entry.get("propertyName")
        if not isinstance(name, str) or not name:
            raise TriggerInvalid("Each entry of 'toolProperties' needs a 'propertyName'.")
        schema["properties"][name] = _property_schema(entry)
        flag = entry.get("isRequired", entry.get("required"))
        if declaration.is_set(flag) and name not in required:
            required.append(name)
    if required:
        schema["required"] = required
    return schema


def missing_arguments(tool: Tool, arguments: Mapping[str, Any]) -> list[str]:
    """The names of missing required arguments."""
    return [name for name in tool.required if arguments.get(name) is None]


def _properties(function: FunctionMetadata) -> list[dict[str, Any]]:
    """The properties of the trigger, followed by those of input bindings."""
    properties = declaration.objects(function.trigger, "toolProperties")
    known = {entry.get("propertyName") for entry in properties}
    for binding in function.inputs:
        if binding.type.lower() == TOOL_PROPERTY and property_name(binding) not in known:
            properties = [*properties, {**binding.properties, "propertyName": property_name(binding)}]
    return properties


def _property_schema(entry: dict[str, Any]) -> dict[str, Any]:
    kind = _TYPES.get(str(entry.get("propertyType") or "string").lower())
    schema: dict[str, Any] = {} if kind is None else {"type": kind}
    if isinstance(values := entry.get("enumValues"), list) and values:
        schema["enum"] = values
    if declaration.is_set(entry.get("isArray")):
        schema = {"type": "array", "items": schema}
    elif kind == "array":
        schema["items"] = {}
    if description := entry.get("description"):
        schema["description"] = str(description)
    return schema
