"""`call_http` against a server on this machine. Source: docs/protocol/durable-actions.md#callhttp"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from durable_world import HEADER, output
from host_process import HostProcess, hub_settings, write_app

APP = (
    HEADER
    + """
@app.orchestration_trigger(context_name="context")
def request(context):
    order = context.get_input()
    token = df.ManagedIdentityTokenSource(order.pop("resource")) if "resource" in order else None
    try:
        answer = yield context.call_http(order.pop("method"), order.pop("uri"), token_source=token, **order)
    except Exception as error:
        return {"raised": str(error)}
    return {"type": type(answer).__name__, "answer": answer}


@app.orchestration_trigger(context_name="context")
def all_at_once(context):
    tasks = [context.call_http("GET", uri) for uri in context.get_input()]
    return [answer["statusCode"] for answer in (yield context.task_all(tasks))]
"""
)


class Server(BaseHTTPRequestHandler):
    """Returns the request that it got, with the status in the path."""

    protocol_version = "HTTP/1.1"
    asked: "list[str]"

    def answer(self) -> None:
        self.asked.append(self.path)
        if self.path == "/hangup":
            self.close_connection = True
            return
        size = int(self.headers.get("Content-Length") or 0)
        told = {
            "method": self.command,
            "path": self.path,
            "body": self.rfile.read(size).decode(),
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        body = json.dumps(told).encode()
        status = self.path.strip("/").partition("?")[0]
        self.send_response(int(status) if status.isdecimal() else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-One", "1")
        self.send_header("X-Many", "a")
        self.send_header("X-Many", "b")
        if status == "202":
            self.send_header("Location", "/status")
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    Server.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    root = write_app(tmp_path_factory.mktemp("http") / "app", {"function_app.py": APP})
    settings = {"AZURE_CLI_DISABLE_CONNECTION_VERIFICATION": "1", "PATH": "/nonexistent", "IDENTITY_ENDPOINT": ""}
    host = HostProcess(root, {**hub_settings(connection_string), **settings})
    yield host.start()
    host.end()


def ask(host: HostProcess, method: str, uri: str, **order: Any) -> dict[str, Any]:
    return output(host, "request", {"method": method, "uri": uri, **order})


def test_method_body_and_headers_arrive(host: HostProcess, server: str) -> None:
    told = ask(host, "POST", f"{server}/x?y=1", content={"a": 1}, headers={"X-Given": "v"})["answer"]
    assert told["statusCode"] == 200
    seen = json.loads(told["content"])
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/x?y=1", '{"a": 1}')
    assert seen["headers"]["x-given"] == "v"
    assert seen["headers"]["content-type"] == "text/plain"


def test_the_response_has_its_headers_without_those_of_the_content(host: HostProcess, server: str) -> None:
    headers = ask(host, "GET", f"{server}/x")["answer"]["headers"]
    assert (headers["X-One"], headers["X-Many"]) == ("1", ["a", "b"])
    assert not {"content-type", "content-length"} & {name.lower() for name in headers}


def test_a_string_is_sent_as_json_unless_it_is_raw(host: HostProcess, server: str) -> None:
    quoted = ask(host, "PUT", f"{server}/x", content="text", headers={"Content-Type": "application/json"})["answer"]
    raw = ask(host, "PUT", f"{server}/x", content="text", is_raw_str=True)["answer"]
    assert json.loads(quoted["content"])["body"] == '"text"'
    assert json.loads(quoted["content"])["headers"]["content-type"] == "application/json"
    assert json.loads(raw["content"])["body"] == "text"


@pytest.mark.parametrize("status", [201, 404, 500])
def test_every_status_is_a_success(host: HostProcess, server: str, status: int) -> None:
    assert ask(host, "GET", f"{server}/{status}")["answer"]["statusCode"] == status


def test_a_202_is_handed_to_the_code_and_not_polled(host: HostProcess, server: str) -> None:
    answer = ask(host, "GET", f"{server}/202")["answer"]
    assert (answer["statusCode"], answer["headers"]["Location"]) == (202, "/status")
    assert "/status" not in Server.asked


def test_many_requests_at_once(host: HostProcess, server: str) -> None:
    assert output(host, "all_at_once", [f"{server}/200?{n}" for n in range(10)]) == [200] * 10


def test_what_cannot_be_asked_raises_in_the_orchestrator(host: HostProcess, server: str) -> None:
    assert "raised" in ask(host, "GET", f"{server}/hangup")
    assert "raised" in ask(host, "GET", "http://127.0.0.1:1/")
    assert "raised" in ask(host, "GET", "no-url")
    multipart = {"Content-Type": "multipart/form-data"}
    told = ask(host, "POST", f"{server}/x", content="x", headers=multipart)["raised"]
    assert "Multipart content is not supported with CallHttpAsync." in told


def test_a_token_without_credentials_fails_the_call_and_says_so(host: HostProcess, server: str) -> None:
    told = ask(host, "GET", f"{server}/x", resource="https://management.core.windows.net")["raised"]
    assert "https://management.core.windows.net" in told
