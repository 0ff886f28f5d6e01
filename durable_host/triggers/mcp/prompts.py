"""Prompts: functions with an `mcpPromptTrigger`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from durable_host.invocation.metadata import FunctionMetadata
from durable_host.triggers.mcp import declaration
from durable_host.triggers.mcp.declaration import TriggerInvalid

PROMPT_TRIGGER = "mcpprompttrigger"


class Prompt(msgspec.Struct, frozen=True):
    """A prompt. `listing` is its entry in `prompts/list`; `required` are its required arguments."""

    name: str
    function: FunctionMetadata
    listing: dict[str, Any]
    required: tuple[str, ...] = ()

    @property
    def description(self) -> str | None:
        return self.listing.get("description")


def prompt_of(function: FunctionMetadata) -> Prompt:
    """Raises TriggerInvalid."""
    trigger = function.trigger
    name = declaration.required_text(trigger, "promptName")
    arguments = [_argument(entry) for entry in declaration.objects(trigger, "promptArguments")]
    listing: dict[str, Any] = {"name": name, **declaration.described(trigger)}
    if arguments:
        listing["arguments"] = arguments
    required = tuple(argument["name"] for argument in arguments if argument["required"])
    return Prompt(name, function, listing, required)


def missing_arguments(prompt: Prompt, arguments: Mapping[str, str]) -> list[str]:
    """The names of missing required arguments."""
    return [name for name in prompt.required if name not in arguments]


def _argument(entry: dict[str, Any]) -> dict[str, Any]:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise TriggerInvalid("Each entry of 'promptArguments' needs a 'name'.")
    argument: dict[str, Any] = {"name": name, "required": declaration.is_set(entry.get("required"))}
    if description := entry.get("description"):
        argument["description"] = str(description)
    return argument
