"""Declarations of MCP triggers as clients see them: schemas of arguments, resources, prompts, and mistakes."""

import json
from typing import Any

import pytest

from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.triggers.mcp.catalog import mcp_catalog
from durable_host.triggers.mcp.manual import manual_context
from durable_host.triggers.mcp.resources import parameters_of
from durable_host.triggers.mcp.tools import input_schema


def function(name: str, type: str, *others: Binding, **properties: Any) -> FunctionMetadata:
    return FunctionMetadata(name=name, bindings=(Binding("context", type, "in", properties), *others))


def tool(name: str = "f", **properties: Any) -> FunctionMetadata:
    return function(name, "mcpToolTrigger", **{"toolName": name, **properties})


@pytest.mark.parametrize(
    ("entry", "schema"),
    [
        ({}, {"type": "string"}),
        ({"propertyType": "string", "description": "Whom"}, {"type": "string", "description": "Whom"}),
        ({"propertyType": "integer"}, {"type": "integer"}),
        ({"propertyType": "float"}, {"type": "number"}),
        ({"propertyType": "boolean"}, {"type": "boolean"}),
        ({"propertyType": "object"}, {"type": "object"}),
        ({"propertyType": "array"}, {"type": "array", "items": {}}),
        ({"propertyType": "somethingElse"}, {}),
        (
            {"propertyType": "number", "isArray": True, "description": "All"},
            {"type": "array", "items": {"type": "number"}, "description": "All"},
        ),
        ({"enumValues": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
    ],
)
def test_a_property_of_a_tool_becomes_json_schema(entry: dict[str, Any], schema: dict[str, Any]) -> None:
    assert input_schema([{"propertyName": "p", **entry}]) == {"type": "object", "properties": {"p": schema}}


@pytest.mark.parametrize("flag", [{"isRequired": True}, {"required": True}, {"isRequired": "true"}])
def test_a_required_property_is_named_in_the_schema(flag: dict[str, Any]) -> None:
    schema = input_schema([{"propertyName": "a", **flag}, {"propertyName": "b", "isRequired": False}])
    assert schema["required"] == ["a"]


@pytest.mark.parametrize("properties", [None, "", "[]"])
def test_a_tool_without_properties_takes_an_empty_object(properties: str | None) -> None:
    catalog, errors = mcp_catalog([tool(toolProperties=properties)])
    assert catalog.tools["f"].listing["inputSchema"] == {"type": "object", "properties": {}}
    assert errors == {}


def test_properties_may_be_json_text_or_the_array_itself() -> None:
    properties = [{"propertyName": "a"}]
    listings = [
        mcp_catalog([tool(toolProperties=value)])[0].tools["f"].listing
        for value in (properties, json.dumps(properties))
    ]
    assert listings[0] == listings[1]


def test_input_bindings_add_properties_to_a_tool() -> None:
    binding = Binding("a", "mcpToolProperty", "in", {"propertyName": "given", "propertyType": "number"})
    named_like_parameter = Binding("b", "mcpToolProperty", "in", {"isRequired": True})
    found = function("f", "mcpToolTrigger", binding, named_like_parameter, toolName="f")
    schema = mcp_catalog([found])[0].tools["f"].listing["inputSchema"]
    assert schema["properties"] == {"given": {"type": "number"}, "b": {"type": "string"}}
    assert schema["required"] == ["b"]


def test_title_icons_and_metadata_are_shown() -> None:
    icons, metadata = [{"src": "https://x/i.png"}], {"ui": {"resourceUri": "ui://x"}}
    found = tool(title="T", description="D", icons=json.dumps(icons), metadata=json.dumps(metadata))
    listing = mcp_catalog([found])[0].tools["f"].listing
    assert (listing["title"], listing["description"], listing["icons"], listing["_meta"]) == ("T", "D", icons, metadata)


def test_resources_and_templates_are_distinguished_by_their_uri() -> None:
    plain = function("p", "mcpResourceTrigger", uri="file://a", resourceName="a", mimeType="text/x", size=3, title="A")
    template = function("t", "mcpResourceTrigger", uri="notes://{name}", resourceName="n")
    catalog, _ = mcp_catalog([plain, template])
    assert catalog.listings("resources") == [
        {"uri": "file://a", "name": "a", "title": "A", "mimeType": "text/x", "size": 3}
    ]
    assert catalog.listings("templates") == [{"uriTemplate": "notes://{name}", "name": "n"}]


def test_arguments_of_a_prompt_are_shown() -> None:
    arguments = json.dumps([{"name": "a", "description": "A", "required": True}, {"name": "b", "description": None}])
    found = function("f", "mcpPromptTrigger", promptName="p", promptArguments=arguments)
    assert mcp_catalog([found])[0].listings("prompts") == [
        {
            "name": "p",
            "arguments": [{"name": "a", "description": "A", "required": True}, {"name": "b", "required": False}],
        }
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (function("f", "mcpToolTrigger"), "The mcpToolTrigger needs a 'toolName'."),
        (tool(toolProperties="{"), "'toolProperties' of the mcpToolTrigger is not JSON"),
        (tool(toolProperties="{}"), "must be the JSON text of an array of objects"),
        (tool(toolProperties="[1]"), "must be the JSON text of an array of objects"),
        (tool(toolProperties="[{}]"), "needs a 'propertyName'"),
        (tool(metadata="[]"), "'metadata' of the mcpToolTrigger must be the JSON text of an object"),
        (function("f", "mcpResourceTrigger", resourceName="r"), "needs a 'uri'"),
        (function("f", "mcpResourceTrigger", uri="file://x"), "needs a 'resourceName'"),
        (function("f", "mcpResourceTrigger", uri="logo.png", resourceName="r"), "must be absolute"),
        (function("f", "mcpResourceTrigger", uri="a://{b", resourceName="r"), "braces that are not a {parameter}"),
        (function("f", "mcpPromptTrigger"), "needs a 'promptName'"),
        (function("f", "mcpPromptTrigger", promptName="p", promptArguments="[{}]"), "needs a 'name'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_trigger_is_an_error_of_its_function(wrong: FunctionMetadata, message: str) -> None:
    catalog, errors = mcp_catalog([wrong, tool("good")])
    assert message in errors["f"]
    assert list(catalog.tools) == ["good"]


def test_a_name_that_is_taken_is_an_error_of_the_second_function() -> None:
    catalog, errors = mcp_catalog([tool("a", toolName="same"), tool("b", toolName="same")])
    assert errors == {"b": "The tool 'same' is already used by the function 'a'."}
    assert catalog.tools["same"].function.name == "a"


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        ("notes://{name}", "notes://a", {"name": "a"}),
        ("notes://{name}", "notes://a%20b", {"name": "a b"}),
        ("notes://{name}", "notes://a/b", None),
        ("notes://{name}", "notes://", None),
        ("notes://{+path}", "notes://a/b", {"path": "a/b"}),
        ("notes://{path*}/end", "notes://a/b/end", {"path": "a/b"}),
        ("x.y://{a}/{b}?c", "x.y://1/2?c", {"a": "1", "b": "2"}),
        ("x.y://{a}", "xzy://1", None),
    ],
)
def test_parameters_of_a_template_are_read_from_a_uri(template: str, uri: str, values: dict[str, str] | None) -> None:
    assert parameters_of(template, uri) == values


@pytest.mark.parametrize(
    ("kind", "text", "context"),
    [
        ("mcpToolTrigger", "", {"name": "n", "arguments": {}}),
        ("mcpToolTrigger", '{"a": 1}', {"name": "n", "arguments": {"a": 1}}),
        ("mcpToolTrigger", '{"arguments": {"a": 1}, "sessionid": "s"}',
         {"name": "n", "arguments": {"a": 1}, "sessionid": "s"}),
        ("mcpPromptTrigger", '{"a": "b"}', {"name": "n", "arguments": {"a": "b"}}),
        ("mcpResourceTrigger", "", {"uri": "u://x"}),
        ("mcpResourceTrigger", "u://y", {"uri": "u://y"}),
        ("mcpResourceTrigger", '{"uri": "u://z"}', {"uri": "u://z"}),
    ],
)  # fmt: skip
def test_a_manual_run_gets_the_context_of_a_client(kind: str, text: str, context: dict[str, Any]) -> None:
    names = {"mcpToolTrigger": "toolName", "mcpPromptTrigger": "promptName"}
    found = function("f", kind, **{names.get(kind, "resourceName"): "n", "uri": "u://x"})
    assert manual_context(found, text) == context
