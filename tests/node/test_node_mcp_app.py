"""The app `mcp`: tools, resources and prompts in JavaScript."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from host_process import HostProcess

ENDPOINT = "/runtime/webhooks/mcp"


@pytest.fixture(scope="module")
def host(start_node_app: Callable[..., HostProcess]) -> HostProcess:
    return start_node_app("mcp")


@pytest.fixture(scope="module")
def session(host: HostProcess) -> str:
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
    return _post(host, "initialize", params).headers["Mcp-Session-Id"]


def _post(host: HostProcess, method: str, params: dict[str, Any], session: str = "") -> Any:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    headers |= {"Mcp-Session-Id": session} if session else {}
    body = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1, "params": params})
    return host.post(ENDPOINT, data=body, headers=headers)


def call(host: HostProcess, session: str, tool: str, **arguments: object) -> dict[str, Any]:
    return _post(host, "tools/call", {"name": tool, "arguments": arguments}, session).json()["result"]


def test_tool_has_its_arguments_in_the_trigger_metadata_and_in_paths(host: HostProcess, session: str) -> None:
    saved = call(host, session, "save_snippet", snippetname="one", snippet="const a = 1;")
    assert saved["content"] == [{"type": "text", "text": "Saved one"}]
    assert call(host, session, "get_snippet", snippetname="one")["content"][0]["text"] == "const a = 1;"
    assert call(host, session, "get_snippet", snippetname="two")["content"][0]["text"] == "There is none."


def test_builders_of_arguments_make_the_schema(host: HostProcess, session: str) -> None:
    tools = {tool["name"]: tool for tool in _post(host, "tools/list", {}, session).json()["result"]["tools"]}
    assert tools["sum"]["inputSchema"] == {
        "type": "object",
        "properties": {"a": {"type": "number", "description": "One"}, "b": {"type": "number", "description": "Two"}},
        "required": ["a"],
    }
    assert call(host, session, "sum", a=1, b=2)["content"][0]["text"] == "3"
    assert call(host, session, "sum", a=1)["content"][0]["text"] == "1"


def test_tool_that_throws_is_an_error(host: HostProcess, session: str) -> None:
    failed = call(host, session, "fails")
    assert failed["isError"] is True
    assert "no luck" in failed["content"][0]["text"]


def test_resource_is_read(host: HostProcess, session: str) -> None:
    result = _post(host, "resources/read", {"uri": "file://notes/7"}, session).json()["result"]
    assert result["contents"] == [{"uri": "file://notes/7", "mimeType": "text/plain", "text": "note 7"}]


def test_prompt_has_its_arguments(host: HostProcess, session: str) -> None:
    result = _post(host, "prompts/get", {"name": "talk", "arguments": {"topic": "tea"}}, session).json()["result"]
    assert result["messages"] == [{"role": "user", "content": {"type": "text", "text": "Talk about tea"}}]
