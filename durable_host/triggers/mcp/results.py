"""Converts a function's return value to the result of the request.

Source: `azure/functions/mcp.py` and `decorators/mcp.py` of azure-functions 1.26: texts, content blocks, lists of them,
whole results, and the envelope with `content` and `structuredContent` of `useResultSchema`.
"""

import base64
from typing import Any, cast

from durable_host.invocation.datum import Datum
from durable_host.triggers.mcp.content import block_of, blocks_of, contents_of, parsed, text_block, wire_names
from durable_host.triggers.mcp.prompts import Prompt
from durable_host.triggers.mcp.resources import Resource

_RESULT_MEMBERS = {"content", "structuredContent", "isError", "_meta", "resultType"}
_ENVELOPE = {"type", "content", "structuredContent"}


class ResultInvalid(ValueError):
    """The function's return value cannot be sent."""


def tool_result(returned: Datum | None, *, uses_result_schema: bool) -> dict[str, Any]:
    """A `CallToolResult`. Raises ResultInvalid."""
    if returned is None or returned.is_none:
        return {"content": []}
    text = _text(returned, "Return a str, or an ImageContent, AudioContent or EmbeddedResource of the mcp package.")
    value = parsed(text)
    if value is not None:
        found = (_from_envelope(value) if uses_result_schema else None) or _from_content(value)
        if found is not None:
            return found
    return {"content": [text_block(text)]}


def error_result(message: str) -> dict[str, Any]:
    """The result for a failed tool. It is not an error response, so that the model sees it."""
    return {"content": [text_block(message)], "isError": True}


def resource_result(returned: Datum | None, resource: Resource, uri: str) -> dict[str, Any]:
    """A `ReadResourceResult` with text, or with bytes as base64."""
    about: dict[str, Any] = {"uri": uri}
    if resource.mime_type is not None:
        about["mimeType"] = resource.mime_type
    if resource.metadata is not None:
        about["_meta"] = resource.metadata
    if returned is not None and returned.kind == "bytes":
        return {"contents": [{**about, "blob": base64.b64encode(returned.value).decode("ascii")}]}
    text = (returned.as_text() if returned is not None else None) or ""
    if resource.uses_result_schema and (contents := _contents(parsed(text))):
        return {"contents": [{**about, **entry} for entry in contents]}
    return {"contents": [{**about, "text": text}]}


def prompt_result(returned: Datum | None, prompt: Prompt) -> dict[str, Any]:
    """A `GetPromptResult`; a text becomes one user message. Raises ResultInvalid."""
    text = "" if returned is None or returned.is_none else _text(returned, "Return a str.")
    about = {"description": prompt.description} if prompt.description is not None else {}
    value = parsed(text)
    members: dict[str, Any] = cast("dict[str, Any]", value) if isinstance(value, dict) else {"messages": value}
    messages = _messages(members.get("messages"))
    if messages is not None:
        return {**about, **wire_names(members), "messages": messages}
    return {**about, "messages": [{"role": "user", "content": text_block(text)}]}


def _text(returned: Datum, remedy: str) -> str:
    if returned.kind != "bytes":
        return returned.as_text() or ""
    try:
        return returned.value.decode()
    except UnicodeDecodeError:
        raise ResultInvalid(f"The function returned bytes that are not UTF-8 text. {remedy}") from None


def _from_content(value: Any) -> dict[str, Any] | None:
    """The result for a content block, a list of blocks, or a whole result; None for other values."""
    if (block := block_of(value)) is not None:
        return {"content": [block]}
    if blocks := blocks_of(value):
        return {"content": blocks}
    if not isinstance(value, dict):
        return None
    members = wire_names(cast("dict[str, Any]", value))
    blocks = blocks_of(members.get("content"))
    if blocks is None or not members.keys() <= _RESULT_MEMBERS:
        return None
    result: dict[str, Any] = {"content": blocks}
    if isinstance(structured := members.get("structuredContent"), dict):
        result["structuredContent"] = structured
    if members.get("isError") is True:
        result["isError"] = True
    if isinstance(meta := members.get("_meta"), dict):
        result["_meta"] = meta
    return result


def _from_envelope(value: Any) -> dict[str, Any] | None:
    """The result for the envelope of `useResultSchema`: content and structured content as separate JSON texts."""
    if not isinstance(value, dict):
        return None
    members = cast("dict[str, Any]", value)
    content = members.get("content")
    if not isinstance(content, str) or not members.keys() <= _ENVELOPE:
        return None
    result = _from_content(parsed(content))
    if result is None:
        return None
    structured = members.get("structuredContent")
    structured = parsed(structured) if isinstance(structured, str) else structured
    if isinstance(structured, dict):
        result.setdefault("structuredContent", structured)
    return result


def _contents(value: Any) -> list[dict[str, Any]] | None:
    """The contents of resources: a single one, a list, a result, or the JSON text in an envelope."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if isinstance(content := members.get("content"), str):
            return _contents(parsed(content))
        value = members.get("contents", [members])
    if not isinstance(value, list):
        return None
    entries = [contents_of(entry) for entry in cast("list[Any]", value)]
    found = [entry for entry in entries if entry is not None]
    return found if len(found) == len(entries) else None


def _messages(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, list) or not value:
        return None
    messages: list[dict[str, Any]] = []
    for entry in cast("list[Any]", value):
        message = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        content = message.get("content")
        block = text_block(content) if isinstance(content, str) else block_of(content)
        if message.get("role") not in ("user", "assistant") or block is None:
            return None
        messages.append({"role": message["role"], "content": block})
    return messages
