"""Reads properties of MCP triggers. Decorators and function.json write them as JSON texts inside JSON.

An app may also write the arrays and objects directly.
"""

from typing import Any, cast

from durable_host.invocation.metadata import Binding
from durable_host.triggers.mcp import jsonrpc


class TriggerInvalid(ValueError):
    """The declaration of the trigger is not valid."""


def required_text(trigger: Binding, name: str) -> str:
    """A required text. Raises TriggerInvalid if it is missing or empty."""
    text = (trigger.text(name) or "").strip()
    if not text:
        raise TriggerInvalid(f"The {trigger.type} needs a '{name}'.")
    return text


def objects(binding: Binding, name: str) -> list[dict[str, Any]]:
    """An array of objects; empty if it is missing. Raises TriggerInvalid."""
    value = _json(binding, name)
    if value is None:
        return []
    entries = cast("list[Any]", value) if isinstance(value, list) else [None]
    if not all(isinstance(entry, dict) for entry in entries):
        raise TriggerInvalid(f"'{name}' of the {binding.type} must be the JSON text of an array of objects.")
    return cast("list[dict[str, Any]]", entries)


def optional_object(binding: Binding, name: str) -> dict[str, Any] | None:
    """An object; None if it is missing. Raises TriggerInvalid."""
    value = _json(binding, name)
    if value is not None and not isinstance(value, dict):
        raise TriggerInvalid(f"'{name}' of the {binding.type} must be the JSON text of an object.")
    return cast("dict[str, Any] | None", value)


def described(binding: Binding) -> dict[str, Any]:
    """The optional members that tools, resources and prompts share. Raises TriggerInvalid."""
    members: dict[str, Any] = {
        name: text for name in ("title", "description") if (text := binding.text(name)) is not None
    }
    if icons := objects(binding, "icons"):
        members["icons"] = icons
    if metadata := optional_object(binding, "metadata"):
        members["_meta"] = metadata
    return members


def is_set(value: object) -> bool:
    """Whether a flag is set; in function.json it may be a text."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _json(binding: Binding, name: str) -> Any:
    value: Any = binding.properties.get(name)
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return jsonrpc.parse(value)
    except ValueError as error:
        raise TriggerInvalid(f"'{name}' of the {binding.type} is not JSON: {error}.") from None
