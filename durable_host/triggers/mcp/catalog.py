"""The tools, resources and prompts that an app offers to MCP clients."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from durable_host.invocation.metadata import FunctionMetadata
from durable_host.triggers.mcp.declaration import TriggerInvalid
from durable_host.triggers.mcp.prompts import PROMPT_TRIGGER, Prompt, prompt_of
from durable_host.triggers.mcp.resources import RESOURCE_TRIGGER, Resource, parameters_of, resource_of
from durable_host.triggers.mcp.tools import TOOL_TRIGGER, Tool, tool_of

Entry = TypeVar("Entry", Tool, Resource, Prompt)

LITERAL_TEXTS = frozenset({"title", "description", "toolProperties", "promptArguments", "metadata", "icons"})
"""Properties with texts for people and models, in which `%` and braces are literal."""
MCP_TRIGGERS = frozenset({TOOL_TRIGGER, RESOURCE_TRIGGER, PROMPT_TRIGGER})


class McpCatalog(msgspec.Struct, frozen=True):
    """The catalog: tools and prompts by name, resources and templates by URI, in the host's order of functions."""

    tools: Mapping[str, Tool] = {}
    resources: Mapping[str, Resource] = {}
    templates: Mapping[str, Resource] = {}
    prompts: Mapping[str, Prompt] = {}

    @property
    def is_empty(self) -> bool:
        return not (self.tools or self.resources or self.templates or self.prompts)

    def find_resource(self, uri: str) -> tuple[Resource, dict[str, str]] | None:
        """The resource at `uri`, and the values of its template parameters."""
        if (resource := self.resources.get(uri)) is not None:
            return resource, {}
        for template in self.templates.values():
            if (parameters := parameters_of(template.uri, uri)) is not None:
                return template, parameters
        return None

    def listings(self, kind: str) -> list[dict[str, Any]]:
        """The entries for the list method of `tools`, `resources`, `templates` or `prompts`."""
        entries: Mapping[str, Tool | Resource | Prompt] = getattr(self, kind)
        return [entry.listing for entry in entries.values()]


def mcp_catalog(functions: Iterable[FunctionMetadata]) -> tuple[McpCatalog, dict[str, str]]:
    """The catalog of the functions with an MCP trigger, and errors by function name."""
    tools: dict[str, Tool] = {}
    resources: dict[str, Resource] = {}
    prompts: dict[str, Prompt] = {}
    errors: dict[str, str] = {}
    for function in functions:
        kind = function.trigger.type.lower()
        try:
            if kind == TOOL_TRIGGER:
                tool = tool_of(function)
                _add(tools, tool.name, tool, "tool")
            elif kind == RESOURCE_TRIGGER:
                resource = resource_of(function)
                _add(resources, resource.uri, resource, "resource")
            elif kind == PROMPT_TRIGGER:
                prompt = prompt_of(function)
                _add(prompts, prompt.name, prompt, "prompt")
        except TriggerInvalid as error:
            errors[function.name] = str(error)
    catalog = McpCatalog(
        tools=tools,
        resources={uri: resource for uri, resource in resources.items() if not resource.is_template},
        templates={uri: resource for uri, resource in resources.items() if resource.is_template},
        prompts=prompts,
    )
    return catalog, errors


def _add(entries: dict[str, Entry], name: str, entry: Entry, what: str) -> None:
    if (other := entries.get(name)) is not None:
        raise TriggerInvalid(f"The {what} '{name}' is already used by the function '{other.function.name}'.")
    entries[name] = entry
