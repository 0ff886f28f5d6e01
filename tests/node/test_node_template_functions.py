"""The templates of `func new` for plain functions run, in JavaScript and TypeScript."""

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient
from host_process import HostProcess
from node_apps import compile_typescript, node_settings
from npm_packages import NpmPackages

from durable_host.cli import main

MCP = "/runtime/webhooks/mcp"


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    """A queue and a container of this run."""
    run = uuid.uuid4().hex[:8]
    return {"queue": f"items-{run}", "container": f"blobs-{run}"}


@pytest.fixture(scope="module", params=["javascript", "typescript"])
def host(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    connection_string: str,
    npm_packages: NpmPackages,
    names: dict[str, str],
) -> Iterator[HostProcess]:
    folder = tmp_path_factory.mktemp("templates")
    make(folder, request.param, names)
    npm_packages.link(folder)
    if request.param == "typescript":
        compile_typescript(folder)
    with QueueClient.from_connection_string(connection_string, names["queue"]) as queue:
        if request.param == "javascript":
            queue.create_queue()
            BlobServiceClient.from_connection_string(connection_string).create_container(names["container"])
    host = HostProcess(
        folder,
        {**node_settings(connection_string), "AzureFunctionsJobHost__extensions__queues__messageEncoding": "none"},
    )
    yield host.start()
    host.end()


def make(folder: Path, language: str, names: dict[str, str]) -> None:
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert main(["init", f"--{language}", "--skip-npm-install"]) == 0
        for template, name, *options in (
            ("HTTP trigger", "hello"),
            ("HTTP trigger", "routed", "--route", "a/{id}"),
            ("Timer trigger", "tick", "--schedule", "0 0 0 1 1 *"),
            ("Azure Queue Storage trigger", "work", "--queue-name", names["queue"]),
            ("Azure Blob Storage trigger", "look", "--path", f"{names['container']}/{{name}}"),
            ("Azure Event Grid trigger", "onEvent"),
            ("MCP Tool trigger", "greet"),
        ):
            assert main(["new", "-t", template, "-n", name, *options]) == 0
    finally:
        os.chdir(before)


@pytest.mark.parametrize(
    ("method", "path", "body", "text"),
    [
        ("GET", "/api/hello", None, "Hello, world!"),
        ("GET", "/api/hello?name=Bob", None, "Hello, Bob!"),
        ("POST", "/api/hello", "Ann", "Hello, Ann!"),
        ("GET", "/api/a/5", None, "Hello, world!"),
    ],
)
def test_http_function_answers(host: HostProcess, method: str, path: str, body: str | None, text: str) -> None:
    response = host.request(method, path, data=body)
    assert (response.status_code, response.text) == (200, text)


def test_timer_function_runs(host: HostProcess) -> None:
    assert host.post("/admin/functions/tick", json={}).status_code == 202
    host.wait_for("Timer function processed request")


def test_queue_function_runs(host: HostProcess, connection_string: str, names: dict[str, str]) -> None:
    with QueueClient.from_connection_string(connection_string, names["queue"]) as queue:
        queue.send_message('{"order": 5}')
    host.wait_for(r"Storage queue function processed work item: \{ order: 5 \}")


def test_blob_function_runs(host: HostProcess, connection_string: str, names: dict[str, str]) -> None:
    name = f"{uuid.uuid4().hex}.txt"
    service = BlobServiceClient.from_connection_string(connection_string)
    service.get_blob_client(names["container"], name).upload_blob(b"12345")
    host.wait_for(f'Storage blob function processed blob "{name}" with size 5 bytes')


def test_event_grid_function_runs(host: HostProcess) -> None:
    event = {"id": "e1", "topic": "t", "subject": "s", "eventType": "T", "dataVersion": "1.0", "data": {"a": 1}}
    event["eventTime"] = "2024-05-01T10:00:00Z"
    path = "/runtime/webhooks/EventGrid?functionName=onEvent"
    assert host.post(path, json=[event], headers={"aeg-event-type": "Notification"}).status_code in (200, 202)
    host.wait_for("Event grid function processed event")


def test_mcp_function_is_a_tool(host: HostProcess) -> None:
    session = rpc(host, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}})
    called = rpc(host, "tools/call", {"name": "greet", "arguments": {"name": "Bob"}}, session.headers["Mcp-Session-Id"])
    assert called.json()["result"]["content"][0]["text"] == "Hello, Bob. I am an MCP tool."


def rpc(host: HostProcess, method: str, params: dict[str, Any], session: str = "") -> Any:
    body = {"jsonrpc": "2.0", "method": method, "id": 1, "params": params}
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Mcp-Session-Id": session}
    response = host.post(MCP, data=json.dumps(body), headers={name: text for name, text in headers.items() if text})
    assert response.status_code == 200, response.text
    return response
