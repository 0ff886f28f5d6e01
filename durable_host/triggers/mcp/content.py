"""Content blocks of MCP in what functions return: recognised, and spelled as the protocol spells them."""

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
"""Fields of the 2.x `mcp` package by their names in Python."""


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def parsed(text: str) -> Any:
    """The object or array in a text; None when it holds something else."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return jsonrpc.parse(text)
    except ValueError:
        return None


def wire_names(members: dict[str, Any]) -> dict[str, Any]:
    """An object with the names of its members as on the wire, and without those that are null."""
    return {_SPELLINGS.get(name, name): value for name, value in members.items() if value is not None}


def block_of(value: Any) -> dict[str, Any] | None:
    """A content block; None when `value` is something else."""
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
    """A list of content blocks; None when `value` is something else, or one of its elements is."""
    if not isinstance(value, list):
        return None
    blocks = [block_of(entry) for entry in cast("list[Any]", value)]
    found = [block for block in blocks if block is not None]
    return found if len(found) == len(blocks) else None


def contents_of(value: Any) -> dict[str, Any] | None:
    """The contents of a resource: a URI with a text or base64; None when `value` is something else."""
    if not isinstance(value, dict):
        return None
    contents = wire_names(cast("dict[str, Any]", value))
    has_content = isinstance(contents.get("text"), str) or isinstance(contents.get("blob"), str)
    return contents if isinstance(contents.get("uri"), str) and has_content else None
