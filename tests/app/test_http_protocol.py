"""Unusual and invalid HTTP, throttling, CORS: the host responds as documented and continues.

Source: docs/protocol/functions-host-http.md#requests,
    docs/protocol/functions-host-http.md#cors,
    docs/protocol/functions-host-http.md#http-options
"""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from host_process import HostProcess, write_app

StartHost = Callable[..., HostProcess]

PING = b"GET /admin/host/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
APP = """
import asyncio
import os
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="size")
def size(req: func.HttpRequest) -> str:
    print(f"{req.method} with {req.params.get('body')} body")
    return f"{req.method} {len(req.get_body())}"


@app.route(route="sleep")
async def sleep(req: func.HttpRequest) -> str:
    await asyncio.sleep(0.2)
    return f"{req.method} {len(req.get_body())}"


@app.route(route="wait/{name}")
async def wait(req: func.HttpRequest) -> str:
    name = req.route_params["name"]
    print(f"{name} waits")
    while not os.path.exists("go-on"):
        await asyncio.sleep(0.02)
    return name
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    host = HostProcess(write_app(tmp_path_factory.mktemp("protocol"), {"function_app.py": APP}), {})
    yield host.start()
    host.end()


def connected(host: HostProcess) -> socket.socket:
    address = urlsplit(host.base_url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=30)


def exchange(host: HostProcess, text: bytes, *, until_closed: bool = False) -> bytes:
    """The whole answer to raw bytes; `until_closed`: all that comes until the host closes the connection."""
    with connected(host) as raw:
        raw.sendall(text)
        answer = b""
        while data := raw.recv(65536):
            answer += data
            if b"\r\n\r\n" in answer and not until_closed:
                break
        return answer


def read_until(raw: socket.socket, wanted: bytes) -> bytes:
    answer = b""
    while wanted not in answer:
        data = raw.recv(1000)
        assert data, answer
        answer += data
    return answer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "text",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /api/size HTTP/9.9\r\n\r\n",
        b"GET /api/size HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n",
        b"POST /api/size HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /api/size HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"POST /api/size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_400(host: HostProcess, text: bytes) -> None:
    assert status_of(exchange(host, text)) == 400
    assert host.get("/api/size").text == "GET 0"


def test_a_body_that_breaks_off_runs_no_function(host: HostProcess) -> None:
    with connected(host) as raw:
        raw.sendall(b"POST /api/size?body=half HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this")
    assert host.get("/api/size?body=no").text == "GET 0"
    host.wait_for("GET with no body")
    assert "POST with half body" not in host.output
    assert "ConnectionResetError" not in host.output


@pytest.mark.parametrize("path", ["/api/size", "/admin/host/log"])
def test_a_body_that_goes_wrong_after_its_beginning_is_a_400(host: HostProcess, path: str) -> None:
    with connected(host) as raw:
        raw.sendall(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n".encode()
        )
        assert host.get("/api/size").text == "GET 0"
        raw.sendall(b"no chunk\r\n\r\n")
        assert status_of(raw.recv(1000)) == 400


def test_http_1_0_and_expect_continue_are_understood(host: HostProcess) -> None:
    assert exchange(host, b"GET /api/size HTTP/1.0\r\n\r\n", until_closed=True).endswith(b"GET 0")
    with connected(host) as raw:
        raw.sendall(b"PUT /api/size HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert b"100 Continue" in raw.recv(1000)
        raw.sendall(b"abc")
        assert read_until(raw, b"PUT 3")


def test_a_client_that_goes_away_does_not_harm_its_function_or_the_host(host: HostProcess) -> None:
    with connected(host) as raw:
        raw.sendall(b"GET /api/wait/impatient HTTP/1.1\r\nHost: x\r\n\r\n")
        host.wait_for("impatient waits")
    (host.root / "go-on").touch()
    assert host.get("/api/wait/next").text == "next"
    assert "Traceback" not in host.output


@pytest.mark.parametrize("path", ["size", "sleep"])
def test_a_client_that_has_said_all_still_gets_the_answer(host: HostProcess, path: str) -> None:
    with connected(host) as raw:
        raw.sendall(f"POST /api/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc".encode())
        raw.shutdown(socket.SHUT_WR)
        answer = b""
        while data := raw.recv(1000):
            answer += data
    assert answer.endswith(b"POST 3")


def test_large_bodies_pass_whole(host: HostProcess) -> None:
    size = 20_000_000
    assert host.post("/api/size", data=b"x" * size).text == f"POST {size}"


def test_a_body_whose_length_is_over_the_limit_is_refused_before_it_comes(host: HostProcess) -> None:
    for path in ("/api/size", "/admin/host/log", "/admin/functions/size"):
        text = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857601\r\n\r\nthe beginning"
        answer = exchange(host, text.encode())
        assert status_of(answer) == 413
        assert b"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT" in answer
        host.wait_for(f"POST {path} is longer than the limit of 104857600 bytes.*FUNCTIONS_REQUEST_BODY_SIZE_LIMIT")


def test_a_compressed_body_arrives_as_it_was_sent(host: HostProcess) -> None:
    packed = gzip.compress(b"x" * 1000)
    headers = {"Content-Encoding": "gzip"}
    assert host.post("/api/size", data=packed, headers=headers).text == f"POST {len(packed)}"
    assert host.post("/api/size", data=b"no gzip", headers=headers).text == "POST 7"


def test_a_header_may_be_as_long_as_in_azure(host: HostProcess) -> None:
    assert host.get("/api/size", headers={"Cookie": "x" * 30_000}).text == "GET 0"


def test_a_connection_that_offered_another_protocol_is_closed_after_the_answer(host: HostProcess) -> None:
    request = b"POST /api/size HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    request += b"HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 5\r\n\r\nhello"
    answer = exchange(host, request, until_closed=True)
    assert answer.endswith(b"POST 5")
    assert b"\r\nConnection: close\r\n" in answer


def test_over_the_limits_of_host_json_the_answer_is_429(start_host: StartHost) -> None:
    limits = {"maxConcurrentRequests": 1, "maxOutstandingRequests": 2}
    host = start_host(
        {
            "function_app.py": APP,
            "host.json": json.dumps({"version": "2.0", "extensions": {"http": limits}}),
        }
    )
    answers: list[tuple[int, str]] = []

    def ask(name: str) -> threading.Thread:
        def run() -> None:
            response = host.get(f"/api/wait/{name}")
            answers.append((response.status_code, response.text))

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    threads = [ask("first")]
    host.wait_for("first waits")
    with connected(host) as second:
        second.sendall(PING)
        assert b"200 OK" in second.recv(1000)
        second.sendall(b"GET /api/wait/second HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(2):  # what was sent before the first answer has been read before the second
            assert host.get("/admin/host/ping").status_code == 200
        check_refused(host)
        (host.root / "go-on").touch()
        threads[0].join(30)
        assert b"second" in read_until(second, b"second")
    assert answers == [(200, "first")]
    assert host.get("/api/size").status_code == 200


def check_refused(host: HostProcess) -> None:
    refused = host.get("/api/size")
    assert refused.status_code == 429
    assert (refused.content, refused.headers["X-FUNCTION-SCALEOUT"]) == (b"", "1")
    assert "second waits" not in host.output


def test_cors_with_credentials_names_the_origin(start_host: StartHost) -> None:
    host = start_host({"function_app.py": APP}, "--cors", "http://a,http://b/", "--cors-credentials")
    for origin in ("http://a", "http://b"):
        headers = host.get("/api/size", headers={"Origin": origin}).headers
        assert headers["Access-Control-Allow-Origin"] == origin
        assert headers["Access-Control-Allow-Credentials"] == "true"
        assert headers["Vary"] == "Origin"
    asked = {"Origin": "http://a", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "X-A, X-B"}
    preflight = host.request("OPTIONS", "/api/size", headers=asked)
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["Access-Control-Allow-Methods"] == "PUT"
    assert preflight.headers["Access-Control-Allow-Headers"] == "X-A, X-B"
    assert "Access-Control-Allow-Origin" not in host.get("/api/size", headers={"Origin": "http://c"}).headers


def test_cors_for_all_and_without_it_options_reaches_the_function(start_host: StartHost, host: HostProcess) -> None:
    everybody = start_host({"function_app.py": APP}, "--cors", "*")
    headers = everybody.get("/api/size", headers={"Origin": "http://any"}).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    asked = {"Origin": "http://a", "Access-Control-Request-Method": "PUT"}
    assert host.request("OPTIONS", "/api/size", headers=asked).text == "OPTIONS 0"


def test_credentials_for_every_origin_are_refused(start_host: StartHost) -> None:
    host = start_host({"function_app.py": APP}, "--cors", "*", "--cors-credentials", wait=False)
    assert host.wait_exit() == 2
    assert "cannot be allowed for every origin" in host.output
