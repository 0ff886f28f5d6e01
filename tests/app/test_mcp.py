"""Functions as tools, resources and prompts, called by the clients of the official `mcp` package."""

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import official_mcp as mcp
import pytest
import requests
from azure.storage.blob import BlobServiceClient
from host_process import HostProcess, hub_settings, until, write_app

ENDPOINT = "/runtime/webhooks/mcp"
BODY_LIMIT = 200_000
PAGE = "http://localhost:6274"
BOTH = "application/json, text/event-stream"

APP = """
import asyncio
import json
import time
from pathlib import Path

import azure.functions as func
import azure.durable_functions as df
from azure.functions.decorators.mcp import PromptArgument
from mcp.types import CallToolResult, TextContent

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
HERE = Path(__file__).parent
GREETING = json.dumps([
    {"propertyName": "who", "propertyType": "string", "description": "Whom", "isRequired": True},
    {"propertyName": "times", "propertyType": "integer"},
])


@app.mcp_tool_trigger(arg_name="context", tool_name="greet", description="100% {friendly}", tool_properties=GREETING)
def greet_somebody(context) -> str:
    given = json.loads(context)
    return f"Hello {given['arguments']['who']}" * given["arguments"].get("times", 1)


@app.generic_trigger(arg_name="context", type="mcpToolTrigger", toolName="generic", description="By its type",
                     toolProperties='[{"propertyName": "a", "propertyType": "number", "description": "A"}]')
@app.generic_input_binding(arg_name="prop", type="mcpToolProperty", propertyName="b", propertyType="string")
def generic_tool(context: str, prop: str) -> str:
    return json.dumps([json.loads(context)["arguments"], prop])


@app.mcp_tool_trigger(arg_name="context", tool_name="show", description="Its context")
def show(context: str) -> str:
    return context


@app.mcp_tool()
@app.mcp_tool_property(arg_name="count", description="How many")
def repeat(count: int, word: str = "x") -> str:
    \"\"\"Repeats a word.\"\"\"
    return word * count


@app.mcp_tool(use_result_schema=True)
def structured(context: func.MCPToolContext, value: float) -> CallToolResult:
    text = TextContent(type="text", text=context["name"])
    return CallToolResult(content=[text], structuredContent={"value": value})


@func.mcp_content
class Weather:
    def __init__(self, degrees):
        self.degrees = degrees


@app.mcp_tool()
def weather() -> Weather:
    return Weather(21)


@app.mcp_tool()
def wrong() -> str:
    raise ValueError("always")


@app.mcp_tool()
async def wait(name: str) -> str:
    (HERE / f"{name}.began").touch()
    try:
        await asyncio.sleep(300)
    except asyncio.CancelledError:
        (HERE / f"{name}.cancelled").touch()
        raise


@app.mcp_tool()
def hold(name: str) -> str:
    (HERE / f"{name}.began").touch()
    while not (HERE / f"{name}.go").exists():
        time.sleep(0.02)
    return "went"


@app.mcp_tool_trigger(arg_name="context", tool_name="start_flow", description="")
@app.durable_client_input(client_name="client")
async def start_flow(context: str, client) -> str:
    given = json.loads(context)["arguments"]
    instance = await client.start_new("flow", client_input=given["text"])
    answer = await client.wait_for_completion_or_create_check_status_response(None, instance, 20_000)
    return answer.get_body().decode()


@app.orchestration_trigger(context_name="context")
def flow(context):
    return context.get_input()
    yield


@app.mcp_resource_trigger(arg_name="context", uri="file://readme.md", resource_name="readme", mime_type="text/markdown",
                          description="Read me", size=4)
def readme(context) -> str:
    return "# Hi"


@app.mcp_resource_trigger(arg_name="context", uri="file://logo.png", resource_name="logo", mime_type="image/png")
def logo(context) -> bytes:
    return b"\\x89PNG"


@app.mcp_resource_trigger(arg_name="context", uri="notes://{name}/text", resource_name="notes")
def notes(context) -> str:
    return json.dumps(json.loads(context)["arguments"])


@app.mcp_resource_trigger(arg_name="context", uri="file://broken", resource_name="broken")
def broken(context) -> str:
    raise ValueError("unreadable")


@app.mcp_prompt_trigger(arg_name="context", prompt_name="review", description="Reviews code",
                        prompt_arguments=[PromptArgument("code", "The code", True), PromptArgument("style")])
def review(context: func.PromptInvocationContext) -> str:
    return f"Review {context.arguments['code']}"


@app.mcp_tool_trigger(arg_name="context", tool_name="mistaken", description="", tool_properties="{")
def mistaken(context) -> str:
    return ""
"""

HOST_JSON = {
    "version": "2.0",
    "extensions": {
        "durableTask": {"storageProvider": {"type": "sqlite"}},
        "mcp": {"instructions": "Be kind.", "serverName": "Tests", "serverVersion": "3.2.1"},
    },
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    files = {"function_app.py": APP, "host.json": json.dumps(HOST_JSON)}
    settings = {"FUNCTIONS_WORKER_RUNTIME": "python", "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(BODY_LIMIT)}
    host = HostProcess(write_app(tmp_path_factory.mktemp("mcp"), files), settings)
    yield host.start("--no-reload", "--cors", PAGE)
    host.end()


@asynccontextmanager
async def streamable(host: HostProcess) -> "AsyncIterator[mcp.ClientSession]":
    async with mcp.streamable_http_client(host.base_url + ENDPOINT) as streams, mcp.ClientSession(*streams) as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def by_sse(host: HostProcess) -> "AsyncIterator[mcp.ClientSession]":
    async with mcp.sse_client(f"{host.base_url}{ENDPOINT}/sse") as streams, mcp.ClientSession(*streams) as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def stateless(host: HostProcess) -> "AsyncIterator[mcp.ClientSession]":
    async with mcp.Client(host.base_url + ENDPOINT) as client:
        assert client.protocol_version == "2026-07-28"
        yield client.session


Connect = Callable[[HostProcess], Any]
CLIENTS = pytest.mark.parametrize("connect", [streamable, by_sse, stateless])


def text_of(result: Any) -> str:
    assert not result.is_error, result
    return result.content[0].text


# With the official client


@CLIENTS
async def test_tools_are_listed_with_the_schema_of_their_arguments(host: HostProcess, connect: Connect) -> None:
    async with connect(host) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools.keys() == {
        "greet", "generic", "show", "repeat", "structured", "weather", "wrong", "wait", "hold", "start_flow",
    }  # fmt: skip
    assert tools["greet"].description == "100% {friendly}"
    assert tools["greet"].input_schema == {
        "type": "object",
        "properties": {"who": {"type": "string", "description": "Whom"}, "times": {"type": "integer"}},
        "required": ["who"],
    }
    assert tools["repeat"].description == "Repeats a word."
    assert tools["repeat"].input_schema["properties"]["count"] == {"type": "integer", "description": "How many"}
    assert tools["generic"].input_schema["properties"].keys() == {"a", "b"}


@CLIENTS
async def test_tools_are_called_with_their_arguments(host: HostProcess, connect: Connect) -> None:
    async with connect(host) as client:
        assert text_of(await client.call_tool("greet", {"who": "you", "times": 2})) == "Hello youHello you"
        assert text_of(await client.call_tool("repeat", {"count": 3})) == "xxx"
        assert json.loads(text_of(await client.call_tool("generic", {"a": 1.5, "b": "é"}))) == [
            {"a": 1.5, "b": "é"},
            "é",
        ]


@CLIENTS
async def test_results_may_have_structured_content(host: HostProcess, connect: Connect) -> None:
    async with connect(host) as client:
        result = await client.call_tool("structured", {"value": 2.5})
        assert (text_of(result), result.structured_content) == ("structured", {"value": 2.5})
        result = await client.call_tool("weather", {})
        assert (json.loads(text_of(result)), result.structured_content) == ({"degrees": 21}, {"degrees": 21})


@CLIENTS
async def test_a_failing_function_is_an_error_result(host: HostProcess, connect: Connect) -> None:
    async with connect(host) as client:
        result = await client.call_tool("wrong", {})
    assert (result.is_error, result.content[0].text) == (True, "ValueError: always")


@CLIENTS
async def test_a_call_that_cannot_be_made_is_a_protocol_error(host: HostProcess, connect: Connect) -> None:
    async with connect(host) as client:
        for work, code, message in [
            (client.call_tool("nobody", {}), -32602, "Unknown tool: 'nobody'"),
            (client.call_tool("greet", {"who": None}), -32602, "Please provide: who"),
            (client.get_prompt("nobody"), -32602, "Unknown prompt: 'nobody'"),
            (client.get_prompt("review", {"style": "x"}), -32602, "Please provide: code"),
            (client.read_resource("file://broken"), -32603, "ValueError: unreadable"),
        ]:
            with pytest.raises(mcp.MCPError, match=message) as caught:
                await work
            assert caught.value.error.code == code
        with pytest.raises(mcp.MCPError, match="Resource not found: 'file://nobody'") as caught:
            await client.read_resource("file://nobody")
        assert caught.value.error.code == (-32602 if connect is stateless else -32002)


@CLIENTS
async def test_a_function_sees_client_session_and_transport(host: HostProcess, connect: Connect) -> None:
    async with connect(host) as client:
        context = json.loads(text_of(await client.call_tool("show", {})))
    assert (context["name"], context["arguments"]) == ("show", {})
    assert context["clientinfo"]["name"] == "mcp"
    assert context["transport"]["name"] == ("http-sse" if connect is by_sse else "http-streamable")
    assert context["transport"]["properties"]["headers"]["Host"] in host.base_url
    assert (context.get("sessionid") is None) == (connect is stateless)


@CLIENTS
async def test_resources_are_listed_and_read(host: HostProcess, connect: Connect) -> None:
    async with connect(host) as client:
        resources = {resource.uri: resource for resource in (await client.list_resources()).resources}
        templates = (await client.list_resource_templates()).resource_templates
        text = (await client.read_resource("file://readme.md")).contents[0]
        blob = (await client.read_resource("file://logo.png")).contents[0]
        note = (await client.read_resource("notes://a%20b/text")).contents[0]
    assert resources.keys() == {"file://readme.md", "file://logo.png", "file://broken"}
    found = resources["file://readme.md"]
    assert (found.name, found.mime_type, found.description, found.size) == ("readme", "text/markdown", "Read me", 4)
    assert [template.uri_template for template in templates] == ["notes://{name}/text"]
    assert (text.text, text.mime_type) == ("# Hi", "text/markdown")
    assert (blob.blob, blob.mime_type) == ("iVBORw==", "image/png")
    assert (note.uri, json.loads(note.text)) == ("notes://a%20b/text", {"name": "a b"})


@CLIENTS
async def test_prompts_are_listed_and_filled(host: HostProcess, connect: Connect) -> None:
    async with connect(host) as client:
        (prompt,) = (await client.list_prompts()).prompts
        filled = await client.get_prompt("review", {"code": "x = 1"})
    assert [(one.name, one.description, one.required) for one in prompt.arguments] == [
        ("code", "The code", True),
        ("style", None, False),
    ]
    assert filled.description == "Reviews code"
    assert [(message.role, message.content.text) for message in filled.messages] == [("user", "Review x = 1")]


async def test_a_tool_can_start_an_orchestration(host: HostProcess) -> None:
    async with streamable(host) as client:
        assert text_of(await client.call_tool("start_flow", {"text": "done"})) == "done"


async def test_a_client_learns_who_it_talks_to(host: HostProcess) -> None:
    async with mcp.streamable_http_client(host.base_url + ENDPOINT) as streams, mcp.ClientSession(*streams) as session:
        found = await session.initialize()
        await session.send_ping()
    assert (found.server_info.name, found.server_info.version, found.instructions) == ("Tests", "3.2.1", "Be kind.")
    assert found.protocol_version == "2025-11-25"


@CLIENTS
async def test_a_call_that_its_client_gives_up_is_cancelled(host: HostProcess, connect: Connect) -> None:
    name = f"{connect.__name__}-given-up"
    async with connect(host) as client:
        call = asyncio.create_task(client.call_tool("wait", {"name": name}))
        await asyncio.to_thread(until, (host.root / f"{name}.began").exists, host=host)
        call.cancel()
        await asyncio.to_thread(until, (host.root / f"{name}.cancelled").exists, host=host)
        assert text_of(await client.call_tool("greet", {"who": "you"})) == "Hello you"


async def test_calls_of_one_session_run_side_by_side(host: HostProcess) -> None:
    async with streamable(host) as client, by_sse(host) as other:
        held = [asyncio.create_task(one.call_tool("hold", {"name": "aside"})) for one in (client, other, client)]
        await asyncio.to_thread(until, (host.root / "aside.began").exists, host=host)
        assert text_of(await other.call_tool("greet", {"who": "you"})) == "Hello you"
        (host.root / "aside.go").touch()
        assert [text_of(result) for result in await asyncio.gather(*held)] == ["went"] * 3


# On the wire


def rpc(method: str, params: Any = None, id: Any = 1, **more: Any) -> dict[str, Any]:
    members = {"jsonrpc": "2.0", "method": method, **more}
    if id is not None:
        members["id"] = id
    return members if params is None else {**members, "params": params}


def post(host: HostProcess, body: Any, session: str | None = None, **headers: str) -> requests.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", "Accept": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    if session is not None:
        sent["Mcp-Session-Id"] = session
    return host.post(ENDPOINT, data=data, headers={name: value for name, value in sent.items() if value})


def begin(host: HostProcess, version: str = "2025-11-25") -> str:
    """The ID of a new session."""
    answer = post(host, rpc("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": {}}))
    assert answer.status_code == 200, answer.text
    return answer.headers["Mcp-Session-Id"]


def error_of(answer: requests.Response) -> tuple[int, int]:
    """HTTP status, and code of the JSON-RPC error."""
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("requested", "agreed"),
    [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ],
)
def test_the_version_is_negotiated(host: HostProcess, requested: str, agreed: str) -> None:
    params = {"protocolVersion": requested, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    assert post(host, rpc("initialize", params)).json()["result"]["protocolVersion"] == agreed


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", (400, -32700)),
        (b"\xff", (400, -32700)),
        (b'{"a": NaN}', (400, -32700)),
        (b"[" * 100_000, (400, -32700)),
        (b"1" * 5000, (400, -32700)),
        (b"", (400, -32700)),
        (b"3", (400, -32600)),
        (b"[]", (400, -32600)),
        ({"id": 1, "method": "ping"}, (400, -32600)),
        ({"jsonrpc": "2.0", "id": 1}, (400, -32600)),
        (rpc("ping", id={}), (400, -32600)),
        (rpc("ping", id=True), (400, -32600)),
        ({**rpc("ping"), "id": None}, (400, -32600)),
        (rpc("ping", [1]), (400, -32602)),
        ([rpc("ping")], (400, -32600)),
        (rpc("no/such"), (200, -32601)),
        (rpc("logging/setLevel", {"level": "info"}), (200, -32601)),
        (rpc("initialize", id=1, params={"protocolVersion": 3}), (400, -32602)),
        (rpc("tools/call"), (200, -32602)),
        (rpc("tools/call", {"name": 3}), (200, -32602)),
        (rpc("tools/call", {"name": "greet", "arguments": []}), (200, -32602)),
        (rpc("tools/list", {"cursor": "nonsense"}), (200, -32602)),
        (rpc("tools/list", {"cursor": 3}), (200, -32602)),
        (rpc("resources/read", {}), (200, -32602)),
        (rpc("prompts/get", {"name": "review", "arguments": {"code": 3}}), (200, -32602)),
    ],
)
def test_what_is_not_a_request_is_answered_with_its_error(
    host: HostProcess, body: Any, expected: tuple[int, int]
) -> None:
    assert error_of(post(host, body, begin(host))) == expected


@pytest.mark.parametrize("id", [7, "seven", "\ud800", 2**70, -1])
def test_an_answer_has_the_id_of_its_request(host: HostProcess, id: Any) -> None:
    assert post(host, rpc("ping", id=id), begin(host)).json() == {"jsonrpc": "2.0", "id": id, "result": {}}


def test_arguments_may_hold_any_text(host: HostProcess) -> None:
    who = "\ud800 \x00 ü 💣"
    answer = post(host, rpc("tools/call", {"name": "greet", "arguments": {"who": who}}), begin(host))
    assert answer.status_code == 200


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26"])
def test_older_versions_have_batches(host: HostProcess, version: str) -> None:
    session = begin(host, version)
    batch = [rpc("ping", id=1), 3, rpc("notifications/x", id=None), rpc("no/such", id=2)]
    answers = post(host, batch, session).json()
    assert [(one["id"], one.get("error", {}).get("code")) for one in answers] == [
        (1, None),
        (None, -32600),
        (2, -32601),
    ]
    assert post(host, [rpc("notifications/x", id=None)], session).status_code == 202
    assert error_of(post(host, [], session)) == (400, -32600)
    assert error_of(post(host, [rpc("ping", id=n) for n in range(101)], session)) == (400, -32600)


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("application/json", 200, "application/json"),
        ("text/event-stream", 200, "text/event-stream"),
        (BOTH, 200, "application/json"),
        ("*/*", 200, "application/json"),
        ("application/*;q=0.9", 200, "application/json"),
        ("text/html", 406, "application/json"),
    ],
)
def test_the_client_chooses_the_form_of_an_answer(
    host: HostProcess, accept: str, status: int, content_type: str
) -> None:
    answer = post(host, rpc("ping"), begin(host), Accept=accept)
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (status, content_type)
    if content_type == "text/event-stream":
        assert answer.text == 'event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'


def test_a_notification_is_accepted_without_an_answer(host: HostProcess) -> None:
    answer = post(host, rpc("notifications/initialized", id=None), begin(host))
    assert (answer.status_code, answer.content) == (202, b"")
    assert post(host, {"jsonrpc": "2.0", "id": 1, "result": {}}, begin(host)).status_code == 202


def test_a_session_ends_with_delete(host: HostProcess) -> None:
    session = begin(host)
    assert host.request("DELETE", ENDPOINT, headers={"Mcp-Session-Id": session}).status_code == 204
    assert error_of(post(host, rpc("ping"), session)) == (404, -32600)
    assert host.request("DELETE", ENDPOINT, headers={"Mcp-Session-Id": session}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "", {}, 400),
        ("POST", "", {"Mcp-Session-Id": "unknown"}, 404),
        ("POST", "", {"Content-Type": "text/plain"}, 415),
        ("POST", "", {"Mcp-Protocol-Version": "1999-01-01"}, 400),
        ("GET", "", {"Accept": "text/event-stream"}, 400),
        ("GET", "", {"Accept": "text/event-stream", "Mcp-Session-Id": "unknown"}, 404),
        ("GET", "", {"Accept": "text/html"}, 406),
        ("DELETE", "", {}, 400),
        ("PUT", "", {}, 405),
        ("POST", "/sse", {}, 405),
        ("GET", "/sse", {"Accept": "text/html"}, 406),
        ("GET", "/message", {}, 405),
        ("POST", "/message", {}, 404),
        ("POST", "/message?azmcpcs=unknown", {}, 404),
        ("POST", "/elsewhere", {}, 404),
        ("POST", "/SSE/", {}, 405),
        ("POST", "", {"Host": "evil.example"}, 403),
        ("POST", "", {"Origin": "https://evil.example"}, 403),
        ("GET", "/sse", {"Host": "evil.example"}, 403),
    ],
)
def test_a_request_that_is_out_of_place_is_refused(
    host: HostProcess, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    sent = {"Content-Type": "application/json", "Accept": BOTH, **headers}
    answer = host.request(method, ENDPOINT + path, headers=sent, data=json.dumps(rpc("ping")))
    assert answer.status_code == status
    assert answer.json()


async def test_one_stream_at_a_time_brings_what_the_server_says(host: HostProcess) -> None:
    headers = {"Mcp-Session-Id": begin(host), "Accept": "text/event-stream"}
    url = host.base_url + ENDPOINT
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as stream:
        assert (stream.status, stream.content_type) == (200, "text/event-stream")
        async with http.get(url, headers=headers) as second:
            assert second.status == 409
        async with http.delete(url, headers=headers):
            pass
        assert await stream.content.read() == b": open\n\n"


async def test_a_page_of_an_allowed_origin_can_read_streams_and_the_session(host: HostProcess) -> None:
    begun = post(host, rpc("initialize", {"protocolVersion": "2025-11-25"}), Origin=PAGE)
    assert begun.headers["Access-Control-Allow-Origin"] == PAGE
    assert begun.headers["Access-Control-Expose-Headers"] == "Mcp-Session-Id"
    headers = {"Origin": PAGE, "Accept": "text/html, */*", "Mcp-Session-Id": begun.headers["Mcp-Session-Id"]}
    async with aiohttp.ClientSession(host.base_url, headers=headers) as http:
        for path in (ENDPOINT, f"{ENDPOINT}/sse"):
            async with http.get(path) as stream:
                assert stream.headers["Access-Control-Allow-Origin"] == PAGE


async def test_messages_for_sse_are_accepted_and_answered_as_events(host: HostProcess) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{host.base_url}{ENDPOINT}/sse") as stream:
        sent = events(stream)
        name, endpoint = await anext(sent)
        assert name == "endpoint"
        assert endpoint.startswith("message?azmcpcs=")
        url = f"{host.base_url}{ENDPOINT}/{endpoint}"
        for body in (rpc("ping", id="a"), rpc("no/such", id="b"), rpc("notifications/x", id=None)):
            async with http.post(url, json=body) as answer:
                assert answer.status == 202
        answers = [json.loads((await anext(sent))[1]) for _ in range(2)]
        assert {answer["id"] for answer in answers} == {"a", "b"}
        async with http.post(url, data="{", headers={"Content-Type": "application/json"}) as answer:
            assert answer.status == 400


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str]]:
    """Name and data of each event."""
    name = ""
    async for line in response.content:
        field, _, text = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = text
        elif field == "data":
            yield name, text


META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


@pytest.mark.parametrize(
    ("method", "params", "headers", "status", "code"),
    [
        ("tools/list", {"_meta": META}, {}, 200, None),
        ("server/discover", {"_meta": META}, {}, 200, None),
        ("tools/call", {"_meta": META, "name": "greet", "arguments": {"who": "x"}}, {"Mcp_Name": "greet"}, 200, None),
        ("tools/call", {"_meta": META, "name": "greet", "arguments": {"who": "x"}},
         {"Mcp_Name": "=?base64?Z3JlZXQ=?="}, 200, None),
        ("tools/call", {"_meta": META, "name": "greet"}, {"Mcp_Name": "other"}, 400, -32020),
        ("tools/call", {"_meta": META, "name": "greet"}, {"Mcp_Name": "=?base64?!?="}, 400, -32020),
        ("tools/call", {"_meta": META, "name": "greet"}, {}, 400, -32020),
        ("tools/list", {"_meta": META}, {"Mcp_Method": "prompts/list"}, 400, -32020),
        ("tools/list", {}, {}, 400, -32602),
        ("tools/list", {"_meta": {**META, "io.modelcontextprotocol/protocolVersion": "x"}}, {}, 400, -32020),
        ("ping", {"_meta": META}, {}, 404, -32601),
        ("subscriptions/listen", {"_meta": META}, {"Accept": BOTH}, 400, -32602),
        ("subscriptions/listen", {"_meta": META}, {}, 406, -32600),
    ],
)  # fmt: skip
def test_a_request_without_session_says_all_by_itself(
    host: HostProcess, method: str, params: dict[str, Any], headers: dict[str, str], status: int, code: int | None
) -> None:
    sent = {"Mcp_Protocol_Version": "2026-07-28", "Mcp_Method": method, **headers}
    answer = post(host, rpc(method, params), **sent)
    assert (answer.status_code, answer.json().get("error", {}).get("code")) == (status, code)
    if code is None:
        assert answer.json()["result"]["resultType"] == "complete"


def test_the_error_of_an_unknown_version_lists_the_known_ones(host: HostProcess) -> None:
    error = post(host, rpc("tools/list"), Mcp_Protocol_Version="2030-01-01").json()["error"]
    assert error["code"] == -32022
    assert error["data"]["supported"][-1] == "2026-07-28"


def test_a_body_over_the_limit_is_refused(host: HostProcess) -> None:
    answer = post(host, b" " * (BODY_LIMIT + 1))
    assert error_of(answer) == (413, -32600)


ODD = [None, True, 0, -1, 1.5, 2**80, "", "x", "\ud800", "../..", [], [1], {}, {"a": {"b": []}}]
METHODS = [
    "initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/read", "resources/templates/list",
    "prompts/list", "prompts/get", "server/discover", "subscriptions/listen", "notifications/cancelled", "x",
]  # fmt: skip


def test_nothing_that_a_client_sends_is_an_error_of_the_host(host: HostProcess) -> None:
    sessions = {version: begin(host, version) for version in ("2024-11-05", "2025-11-25")}
    chance = random.Random(5)

    def odd(*usual: Any) -> Any:
        return chance.choice([*usual, *usual, *usual, *usual, *ODD])

    for number in range(400):
        method = odd(*METHODS)
        params = {
            "_meta": odd(META),
            "name": odd("greet", "review", "generic"),
            "uri": odd("file://readme.md", "notes://%zz/text"),
            "arguments": odd({"who": odd("you"), "code": odd("x"), "times": 1}),
            "cursor": odd("MA==", None),
            "protocolVersion": odd("2025-11-25"),
            "clientInfo": odd({"name": "x"}),
            "notifications": odd({"toolsListChanged": odd(True)}),
            "requestId": odd(1),
        }
        body: Any = {"jsonrpc": odd("2.0"), "id": odd(number), "method": method, "params": odd(params)}
        body = chance.choice([body, body, body, [body, 1], odd({})])
        headers = {"Mcp_Method": method if isinstance(method, str) and method.isascii() else "x", "Mcp_Name": "greet"}
        version = chance.choice([None, "2024-11-05", "2025-11-25", "2026-07-28", "2026-07-28", "x"])
        if version is not None:
            headers["Mcp_Protocol_Version"] = version
        answer = post(host, body, sessions.get(version or "2025-11-25"), **headers)
        assert answer.status_code < 500, (body, headers, answer.text)
        if answer.status_code != 202:
            told = answer.json()
            assert isinstance(told, list) or told["jsonrpc"] == "2.0"
    assert "could not be" not in host.output
    assert post(host, rpc("ping"), begin(host)).status_code == 200


# Around it


def test_the_start_shows_the_address_and_what_is_wrong(host: HostProcess) -> None:
    assert f"MCP:       {host.base_url}{ENDPOINT}" in host.output
    assert "greet_somebody: mcpToolTrigger" in host.output
    assert "'toolProperties' of the mcpToolTrigger is not JSON" in host.output
    assert f"MCP clients connect to <code>{host.base_url}{ENDPOINT}</code>" in host.get("/").text


@pytest.mark.parametrize(
    ("function", "given", "returned"),
    [
        ("greet_somebody", '{"who": "me"}', "Hello me"),
        ("generic_tool", '{"arguments": {"b": "x"}}', '[{"b": "x"}, "x"]'),
        ("readme", "", "# Hi"),
        ("review", '{"code": "y"}', "Review y"),
    ],
)
def test_an_mcp_function_can_be_run_by_hand(host: HostProcess, function: str, given: str, returned: str) -> None:
    answer = host.post(f"/admin/functions/{function}?wait=true", json={"input": given}).json()
    assert answer.get("returnValue") == returned, answer


# With function.json, keys and changes


KEYS = "mcp-keys"
V1_SAVE = """
import json

def main(context, copy):
    copy.set(json.loads(context)["arguments"]["text"])
    return "saved"
"""
V1_TOOL = """
import asyncio
import json

async def main(context):
    given = json.loads(context)["arguments"]
    if "wait" in given:
        await asyncio.sleep(300)
    return json.dumps({"given": given})
"""


SAVED = {
    "name": "copy",
    "type": "blob",
    "direction": "out",
    "path": f"mcp-{uuid.uuid4().hex}/{{mcptoolargs.name}}.txt",
    "connection": "AzureWebJobsStorage",
}


def function_json(*others: dict[str, str], **trigger: str) -> str:
    binding = {"name": "context", "type": "mcpToolTrigger", "direction": "in", **trigger}
    return json.dumps({"bindings": [binding, *others]})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    """Asks for keys; its only tool is declared in function.json."""
    files = {
        "Save/__init__.py": V1_SAVE,
        "Save/function.json": function_json(SAVED, toolName="save", description="Saves"),
        "Tool/__init__.py": V1_TOOL,
        "Tool/function.json": function_json(toolName="tool", description="Old"),
        "host.json": json.dumps({"version": "2.0", "functionTimeout": "00:00:02"}),
    }
    settings = {**hub_settings(connection_string), "AzureFunctionsWebHost__hostid": KEYS}
    host = HostProcess(write_app(tmp_path_factory.mktemp("guarded"), files), settings)
    yield host.start("--enable-auth")
    host.end()


@pytest.fixture(scope="module")
def key(guarded: HostProcess, connection_string: str) -> str:
    """That of the MCP extension, as an administrator reads it."""
    service = BlobServiceClient.from_connection_string(connection_string)
    blob = service.get_blob_client("azure-webjobs-secrets", f"{KEYS}/host.json")
    master = json.loads(blob.download_blob().readall())["masterKey"]["value"]
    found = guarded.get("/admin/host/systemkeys/mcp_extension", headers={"x-functions-key": master})
    assert found.status_code == 200
    return found.json()["value"]


def test_a_client_without_the_key_of_the_extension_is_refused(guarded: HostProcess, key: str) -> None:
    for path in (ENDPOINT, f"{ENDPOINT}/sse", f"{ENDPOINT}/message", f"{ENDPOINT}?code=wrong"):
        assert guarded.post(path, json=rpc("ping")).status_code == 401


def test_a_client_gives_the_key_as_header(guarded: HostProcess, key: str) -> None:
    answer = guarded.post(ENDPOINT, json=rpc("ping"), headers={"x-functions-key": key})
    assert error_of(answer) == (400, -32600)


@pytest.mark.parametrize(("connect", "path"), [("streamable_http_client", ENDPOINT), ("sse_client", f"{ENDPOINT}/sse")])
async def test_a_client_gives_the_key_in_the_address(guarded: HostProcess, key: str, connect: str, path: str) -> None:
    url = f"{guarded.base_url}{path}?code={key}"
    async with getattr(mcp, connect)(url) as streams, mcp.ClientSession(*streams) as client:
        await client.initialize()
        assert text_of(await client.call_tool("tool", {"a": 1})) == '{"given": {"a": 1}}'


async def test_arguments_can_name_a_blob(guarded: HostProcess, key: str, connection_string: str) -> None:
    async with mcp.Client(f"{guarded.base_url}{ENDPOINT}?code={key}") as client:
        assert text_of(await client.call_tool("save", {"name": "note", "text": "hello"})) == "saved"
    container = SAVED["path"].partition("/")[0]
    blob = BlobServiceClient.from_connection_string(connection_string).get_blob_client(container, "note.txt")
    assert blob.download_blob().readall() == b"hello"


async def test_a_function_that_takes_too_long_is_an_error_result(guarded: HostProcess, key: str) -> None:
    url = f"{guarded.base_url}{ENDPOINT}/sse?code={key}"
    async with mcp.sse_client(url) as streams, mcp.ClientSession(*streams) as client:
        await client.initialize()
        result = await client.call_tool("tool", {"wait": True})
    assert result.is_error
    assert "Timeout value of 00:00:02 was exceeded" in result.content[0].text


async def test_clients_learn_that_a_reload_has_changed_the_tools(guarded: HostProcess, key: str) -> None:
    changes: asyncio.Queue[str] = asyncio.Queue()

    async def changed(message: Any) -> None:
        if not isinstance(message, Exception):
            await changes.put(message.method)

    endpoint, code = guarded.base_url + ENDPOINT, f"?code={key}"
    async with AsyncExitStack() as stack:
        for transport in (mcp.streamable_http_client(endpoint + code), mcp.sse_client(f"{endpoint}/sse{code}")):
            streams = await stack.enter_async_context(transport)
            session = await stack.enter_async_context(mcp.ClientSession(*streams, message_handler=changed))
            await session.initialize()
        client = await stack.enter_async_context(mcp.Client(endpoint + code))
        stream = await stack.enter_async_context(client.listen(tools_list_changed=True))
        (guarded.root / "Tool" / "function.json").write_text(function_json(toolName="tool", description="New"))
        assert await anext(aiter(stream)) == mcp.ToolsListChanged()
        assert [await changes.get() for _ in range(2)] == ["notifications/tools/list_changed"] * 2
        assert "New" in [tool.description for tool in (await client.list_tools()).tools]


def test_host_json_says_whether_keys_are_asked_for_and_how_the_server_shows_itself(guarded: HostProcess) -> None:
    settings = {
        "serverName": "Renamed",
        "messageOptions": {"useAbsoluteUriForEndpoint": True},
        "system": {"webhookAuthorizationLevel": "Anonymous"},
    }
    (guarded.root / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"mcp": settings}}))
    initialize = rpc("initialize", {"protocolVersion": "2025-11-25"})
    until(lambda: guarded.post(ENDPOINT, json=initialize).status_code == 200, host=guarded)
    assert guarded.post(ENDPOINT, json=initialize).json()["result"]["serverInfo"]["name"] == "Renamed"
    with guarded.get(f"{ENDPOINT}/sse", stream=True) as stream:
        lines = (line for line in stream.iter_lines(decode_unicode=True) if line.startswith("data: "))  # pyright: ignore[reportArgumentType]
        assert next(lines).startswith(f"data: {guarded.base_url}{ENDPOINT}/message?azmcpcs=")  # pyright: ignore[reportArgumentType]
