"""Recognizes MCP content blocks in return values, and converts their names to those of the protocol."""

from typing import Any, cast

from durable_host.triggers.mcp import jsonrpc

_REQUIRED = {
    "text": ("text",),
    "image": ("data", "mimeType"),
    "audio": ("data", "mimeType"),
    "resource_link": ("uri", "name"),
}
_SPELLINGS = {
    "mime_type": "mimeType",
    "structured_content": "structuredContent",
    "is_error": "isError",
    "meta": "_meta",
    "result_type": "resultType",
}
"""Fields of the 2.x `mcp` package: Python name → name in the protocol."""


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def parsed(text: str) -> Any:
    """The JSON object or array in a text; None if it is something else."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return jsonrpc.parse(text)
    except ValueError:
        return None


def wire_names(members: dict[str, Any]) -> dict[str, Any]:
    """An object with the member names of the protocol, without members that are null."""
    return {_SPELLINGS.get(name, name): value for name, value in members.items() if value is not None}


def block_of(value: Any) -> dict[str, Any] | None:
    """`value` as a content block; None if it is not one."""
    if not isinstance(value, dict):
        return None
    block = wire_names(cast("dict[str, Any]", value))
    kind = block.get("type")
    if kind == "resource":
        resource = block.get("resource")
        if not isinstance(resource, dict):
            return None
        contents = contents_of(cast("dict[str, Any]", resource))
        return None if contents is None else {**block, "resource": contents}
    required = _REQUIRED.get(kind) if isinstance(kind, str) else None
    if required is None or not all(isinstance(block.get(name), str) for name in required):
        return None
    return block


def blocks_of(value: Any) -> list[dict[str, Any]] | None:
    """`value` as a list of content blocks; None if it is not a list, or if an element is not a block."""
    if not isinstance(value, list):
        return None
    blocks = [block_of(entry) for entry in cast("list[Any]", value)]
    found = [block for block in blocks if block is not None]
    return found if len(found) == len(blocks) else None


def contents_of(value: Any) -> dict[str, Any] | None:
    """`value` as the contents of a resource (a URI with text or base64); None if it is something else."""
    if not isinstance(value, dict):
        return None
    contents = wire_names(cast("dict[str, Any]", value))
    has_content = isinstance(contents.get("text"), str) or isinstance(contents.get("blob"), str)
    return contents if isinstance(contents.get("uri"), str) and has_content else None
