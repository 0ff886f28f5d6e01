"""Return values of functions as MCP results: texts, content blocks, structured content, bytes."""

import base64
import json
from typing import Any

import pytest

from durable_host.invocation.datum import NONE, Datum, binary, json_text, string
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.triggers.mcp.prompts import Prompt
from durable_host.triggers.mcp.resources import Resource
from durable_host.triggers.mcp.results import ResultInvalid, error_result, prompt_result, resource_result, tool_result

FUNCTION = FunctionMetadata(name="f", bindings=(Binding("context", "mcpToolTrigger", "in"),))
TEXT = {"type": "text", "text": "hello"}
IMAGE = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
LINK = {"type": "resource_link", "uri": "file://x", "name": "x"}
EMBEDDED = {"type": "resource", "resource": {"uri": "file://x", "text": "t"}}


def envelope(kind: str, content: Any, structured: Any = None) -> str:
    """As `mcp_tool` of the SDK writes it when the trigger has `useResultSchema`."""
    told = None if structured is None else json.dumps(structured)
    return json.dumps({"type": kind, "content": json.dumps(content), "structuredContent": told})


def assert_valid(kind: str, result: dict[str, Any]) -> None:
    """As a result of the MCP package, which takes a second to import: only the process that runs these tests does."""
    from mcp import types

    getattr(types, kind).model_validate(result)


def text_of(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        (None, {"content": []}),
        (NONE, {"content": []}),
        (string(""), text_of("")),
        (string("hello"), text_of("hello")),
        (json_text('{"a":1}'), text_of('{"a":1}')),
        (string('{"a": 1}'), text_of('{"a": 1}')),
        (string("[1, 2]"), text_of("[1, 2]")),
        (string("[]"), text_of("[]")),
        (string('{"type": "text"}'), text_of('{"type": "text"}')),
        (string('{"type": {"a": 1}}'), text_of('{"type": {"a": 1}}')),
        (string('{"content": "x"}'), text_of('{"content": "x"}')),
        (string('{"content": [{"type": "text"}]}'), text_of('{"content": [{"type": "text"}]}')),
        (string("{NaN}"), text_of("{NaN}")),
        (string('{"a": NaN}'), text_of('{"a": NaN}')),
        (string("[" * 100_000), text_of("[" * 100_000)),
        (Datum("int", 3), text_of("3")),
        (binary("ä".encode()), text_of("ä")),
        (string(json.dumps(TEXT)), {"content": [TEXT]}),
        (string(json.dumps(IMAGE)), {"content": [IMAGE]}),
        (string(json.dumps(LINK)), {"content": [LINK]}),
        (string(json.dumps(EMBEDDED)), {"content": [EMBEDDED]}),
        (string(json.dumps([TEXT, IMAGE])), {"content": [TEXT, IMAGE]}),
        (string(json.dumps([TEXT, 1])), text_of(json.dumps([TEXT, 1]))),
        (string(json.dumps({"content": [TEXT], "isError": True})), {"content": [TEXT], "isError": True}),
        (
            string(json.dumps({"content": [], "structuredContent": {"a": 1}})),
            {"content": [], "structuredContent": {"a": 1}},
        ),
    ],
)
def test_what_a_tool_returns_becomes_content(returned: Datum | None, result: dict[str, Any]) -> None:
    assert tool_result(returned, uses_result_schema=False) == result
    assert_valid("CallToolResult", result)


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        (envelope("text", TEXT, {"a": 1}), {"content": [TEXT], "structuredContent": {"a": 1}}),
        (envelope("image", IMAGE), {"content": [IMAGE]}),
        (envelope("multi_content_result", [TEXT, IMAGE]), {"content": [TEXT, IMAGE]}),
        (
            envelope("call_tool_result", {"content": [TEXT], "isError": True}, {"a": 1}),
            {"content": [TEXT], "isError": True, "structuredContent": {"a": 1}},
        ),
        (
            envelope("call_tool_result", {"content": [TEXT], "structured_content": {"b": 2}, "is_error": False}),
            {"content": [TEXT], "structuredContent": {"b": 2}},
        ),
        (
            envelope("image", {"type": "image", "data": "AAAA", "mime_type": "image/png"}),
            {"content": [IMAGE]},
        ),
        (
            json.dumps({"type": "text", "content": json.dumps(TEXT), "structuredContent": "not json"}),
            {"content": [TEXT]},
        ),
        (envelope("text", TEXT, [1]), {"content": [TEXT]}),
        ("plain", text_of("plain")),
        (json.dumps(TEXT), {"content": [TEXT]}),
    ],
)
def test_the_envelope_of_use_result_schema_is_opened(returned: str, result: dict[str, Any]) -> None:
    assert tool_result(string(returned), uses_result_schema=True) == result
    assert_valid("CallToolResult", result)


def test_an_envelope_is_a_text_without_use_result_schema() -> None:
    text = envelope("text", TEXT)
    assert tool_result(string(text), uses_result_schema=False) == text_of(text)


def test_bytes_that_are_not_text_are_refused_with_what_to_return() -> None:
    with pytest.raises(ResultInvalid, match=r"not UTF-8 text\. Return a str, or an ImageContent"):
        tool_result(binary(b"\xff"), uses_result_schema=False)


def test_an_error_is_a_result_that_says_so() -> None:
    assert error_result("no") == {**text_of("no"), "isError": True}


ABOUT = {"uri": "file://x", "mimeType": "text/x", "_meta": {"a": 1}}


@pytest.mark.parametrize(
    ("returned", "uses_schema", "contents"),
    [
        (string("t"), False, [{**ABOUT, "text": "t"}]),
        (None, False, [{**ABOUT, "text": ""}]),
        (json_text("[1]"), False, [{**ABOUT, "text": "[1]"}]),
        (binary(b"\x00\xff"), False, [{**ABOUT, "blob": base64.b64encode(b"\x00\xff").decode()}]),
        (string(json.dumps({"uri": "file://y", "text": "t"})), True, [{**ABOUT, "uri": "file://y", "text": "t"}]),
        (
            string(json.dumps({"contents": [{"uri": "file://y", "blob": "AA==", "mimeType": "b/c"}]})),
            True,
            [{**ABOUT, "uri": "file://y", "blob": "AA==", "mimeType": "b/c"}],
        ),
        (string(json.dumps({"content": json.dumps({"uri": "u://y", "text": "t"})})), True,
         [{**ABOUT, "uri": "u://y", "text": "t"}]),
        (string("plain"), True, [{**ABOUT, "text": "plain"}]),
    ],
)  # fmt: skip
def test_what_a_resource_returns_becomes_contents(
    returned: Datum | None, uses_schema: bool, contents: list[dict[str, Any]]
) -> None:
    listing = {"uri": "file://x", "mimeType": "text/x", "_meta": {"a": 1}}
    result = resource_result(returned, Resource("file://x", FUNCTION, listing, uses_schema), "file://x")
    assert result == {"contents": contents}
    assert_valid("ReadResourceResult", result)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": {"type": "text", "text": text}}


MESSAGES = [user("a"), {"role": "assistant", "content": {"type": "text", "text": "b"}}]


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        ("Do it", {"description": "D", "messages": [user("Do it")]}),
        ("", {"description": "D", "messages": [user("")]}),
        (json.dumps({"messages": MESSAGES}), {"description": "D", "messages": MESSAGES}),
        (json.dumps({"messages": MESSAGES, "description": "E"}), {"description": "E", "messages": MESSAGES}),
        (json.dumps(MESSAGES), {"description": "D", "messages": MESSAGES}),
        (json.dumps([{"role": "user", "content": "a"}]), {"description": "D", "messages": [user("a")]}),
        ('{"messages": [1]}', {"description": "D", "messages": [user('{"messages": [1]}')]}),
        ("[]", {"description": "D", "messages": [user("[]")]}),
        ('{"a": 1}', {"description": "D", "messages": [user('{"a": 1}')]}),
    ],
)
def test_what_a_prompt_returns_becomes_messages(returned: str, result: dict[str, Any]) -> None:
    prompt = Prompt("p", FUNCTION, {"name": "p", "description": "D"})
    assert prompt_result(string(returned), prompt) == result
    assert_valid("GetPromptResult", result)
