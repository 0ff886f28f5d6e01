"""Resources, and resource templates (with `{parameters}` in the URI): functions with an `mcpResourceTrigger`."""

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from durable_host.invocation.metadata import FunctionMetadata
from durable_host.triggers.mcp import declaration
from durable_host.triggers.mcp.declaration import TriggerInvalid

RESOURCE_TRIGGER = "mcpresourcetrigger"

_PARAMETER = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_.]*)(\*?)\}")


class Resource(msgspec.Struct, frozen=True):
    """A resource. `listing` is its entry in the list methods."""

    uri: str
    function: FunctionMetadata
    listing: dict[str, Any]
    uses_result_schema: bool = False

    @property
    def is_template(self) -> bool:
        return "{" in self.uri

    @property
    def mime_type(self) -> str | None:
        return self.listing.get("mimeType")

    @property
    def metadata(self) -> dict[str, Any] | None:
        return self.listing.get("_meta")


def resource_of(function: FunctionMetadata) -> Resource:
    """Raises TriggerInvalid."""
    trigger = function.trigger
    uri = declaration.required_text(trigger, "uri")
    if not _is_absolute(uri):
        raise TriggerInvalid(f"The uri '{uri}' of the {trigger.type} must be absolute, such as file://logo.png.")
    rest = _PARAMETER.sub("", uri)
    if "{" in rest or "}" in rest:
        raise TriggerInvalid(f"The uri '{uri}' of the {trigger.type} has braces that are not a {{parameter}}.")
    listing: dict[str, Any] = {
        "uriTemplate" if "{" in uri else "uri": uri,
        "name": declaration.required_text(trigger, "resourceName"),
        **declaration.described(trigger),
    }
    if (mime_type := trigger.text("mimeType")) is not None:
        listing["mimeType"] = mime_type
    size = trigger.properties.get("size")
    if isinstance(size, int) and not isinstance(size, bool) and "{" not in uri:
        listing["size"] = size
    uses_result_schema = declaration.is_set(trigger.properties.get("useResultSchema"))
    return Resource(uri, function, listing, uses_result_schema)


def parameters_of(template: str, uri: str) -> dict[str, str] | None:
    """The values of a template's parameters in `uri`; None if the URI does not match.

    The value of `{name}` ends at a slash, those of `{+name}` and `{name*}` do not.
    """
    pattern, names, position = "", list[str](), 0
    for found in _PARAMETER.finditer(template):
        pattern += re.escape(template[position : found.start()]) + ("(.+?)" if found[1] or found[3] else "([^/?#]+?)")
        names.append(found[2])
        position = found.end()
    match = re.fullmatch(pattern + re.escape(template[position:]), uri)
    if match is None:
        return None
    return {name: unquote(value) for name, value in zip(names, match.groups(), strict=True)}


def _is_absolute(uri: str) -> bool:
    try:
        return bool(urlsplit(uri).scheme)
    except ValueError:
        return False
