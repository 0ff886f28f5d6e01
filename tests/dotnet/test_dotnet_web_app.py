"""HTTP functions of an app with a web server of its own, as with ASP.NET Core: the host passes requests on to it."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
import requests
from azure.storage.queue import QueueClient
from host_process import HostProcess
from scripted_apps import http_function
from scripted_hosts import StartScriptedHost

pytestmark = pytest.mark.process
PATIENCE = 30
QUEUE = "web-out"
QUEUE_OUT = {"name": "Message", "type": "queue", "direction": "Out", "queueName": QUEUE}
MEBIBYTE = 1024 * 1024
MULTIPLE = http_function("Multiple", route="multiple", does="multiple")
MULTIPLE["bindings"] = [MULTIPLE["bindings"][0], {"name": "Result", "type": "http", "direction": "Out"}, QUEUE_OUT]
FUNCTIONS = [
    http_function("Echo", route="echo/{id}"),
    http_function("Late", route="late", does="echo"),
    http_function("Stream", route="stream", does="stream"),
    http_function("Large", route="large", does="large"),
    http_function("Cookies", route="cookies", does="cookies"),
    http_function("Fails", route="fails", does="fail"),
    http_function("FailsLate", route="fails-late", does="fail late"),
    http_function("Waits", route="waits", does="wait"),
    http_function("Dies", route="dies", does="wait"),
    {**http_function("Lost", route="lost"), "web_route": "elsewhere"},
    MULTIPLE,
    http_function("Plain", route="plain"),
]


@pytest.fixture(scope="module")
def app(start_scripted_host: StartScriptedHost) -> HostProcess:
    """The app, with a route prefix from host.json. Its port opens when the file `open` is there."""
    return start_scripted_host(
        FUNCTIONS,
        host_json={"extensions": {"http": {"routePrefix": "v1"}}},
        web={"prefix": "v1", "opens": "open"},
    )


@pytest.fixture(scope="module")
def host(app: HostProcess) -> HostProcess:
    """The app after its first request, which came before its port was open."""

    async def first() -> int:
        async with aiohttp.ClientSession(app.base_url) as session:
            asking = asyncio.ensure_future(session.post("/v1/late", data=b"early"))
            await asyncio.to_thread(app.wait_for, r"Executing 'Functions\.Late'")
            (app.root / "open").touch()
            async with asyncio.timeout(PATIENCE), await asking as response:
                return response.status

    assert asyncio.run(first()) == 200
    return app


def test_a_request_before_the_port_of_the_worker_is_open_waits_for_it(host: HostProcess) -> None:
    assert requests.get(f"{host.base_url}/v1/plain", timeout=PATIENCE).status_code == 200


def test_the_worker_gets_the_request_as_the_client_sent_it(host: HostProcess) -> None:
    response = requests.post(
        f"{host.base_url}/v1/echo/a%2Fb?q=a&q=b&e=%20",
        data=b"\x00body",
        headers={"X-One": "1", "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "evil", "Accept-Encoding": "br"},
        timeout=PATIENCE,
    )
    seen = response.json()
    headers = dict(seen["headers"])
    assert (seen["method"], seen["path"]) == ("POST", "/v1/echo/a%2Fb?q=a&q=b&e=%20")
    assert seen["body"] == "\x00body"
    assert headers["x-one"] == "1"
    assert headers["accept-encoding"] == "br"
    assert headers["content-length"] == "5"
    assert headers["x-forwarded-host"] == host.base_url.removeprefix("http://")
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-ms-invocation-id"] == seen["invocationId"]


def test_a_client_cannot_name_the_invocation(host: HostProcess) -> None:
    response = requests.get(f"{host.base_url}/v1/plain", headers={"x-ms-invocation-id": "mine"}, timeout=PATIENCE)
    named = [value for name, value in response.json()["headers"] if name == "x-ms-invocation-id"]
    assert named == [response.json()["invocationId"]]
    assert named != ["mine"]


def test_the_invocation_has_an_empty_request_and_the_route_values(host: HostProcess) -> None:
    seen = requests.get(f"{host.base_url}/v1/echo/7?q=a", timeout=PATIENCE).json()
    assert seen["input"] == {"req": {"http": {}}}
    assert seen["metadata"]["id"] == {"string": "7"}


def test_status_headers_and_cookies_of_the_response_are_passed_back(host: HostProcess) -> None:
    response = requests.get(f"{host.base_url}/v1/cookies", allow_redirects=False, timeout=PATIENCE)
    assert (response.status_code, response.text) == (201, "made")
    assert response.headers["Location"] == "/made"
    assert {cookie.name: cookie.value for cookie in response.cookies} == {"one": "1", "two": "2"}


async def test_both_bodies_are_streamed(host: HostProcess) -> None:
    """Each part comes back before the next one is sent."""
    parts = [b"one", b"two", b"three"]
    returned: asyncio.Queue[bytes] = asyncio.Queue()

    async def body() -> AsyncIterator[bytes]:
        for part in parts:
            yield part
            assert await returned.get() == part

    async with (
        aiohttp.ClientSession(host.base_url) as session,
        asyncio.timeout(PATIENCE),
        session.post("/v1/stream", data=body()) as response,
    ):
        assert response.headers["X-Streams"] == "yes"
        async for part in response.content.iter_any():
            returned.put_nowait(part)


def test_five_mebibytes_pass_in_both_directions(host: HostProcess) -> None:
    body = os.urandom(5 * MEBIBYTE)
    assert requests.post(f"{host.base_url}/v1/stream", data=body, timeout=PATIENCE).content == body
    large = requests.get(f"{host.base_url}/v1/large?size={5 * MEBIBYTE}", timeout=PATIENCE)
    assert (len(large.content), large.headers["Content-Length"]) == (5 * MEBIBYTE, str(5 * MEBIBYTE))


def test_a_failure_that_the_worker_answers_with_200_is_a_500(host: HostProcess) -> None:
    response = requests.get(f"{host.base_url}/v1/fails", timeout=PATIENCE)
    assert response.status_code == 500
    assert "web failure" in response.json()["error"]
    host.wait_for("web failure")


async def test_a_failure_in_the_middle_of_a_response_breaks_the_connection(host: HostProcess) -> None:
    has_begun = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"begin"
        await has_begun.wait()

    async with (
        aiohttp.ClientSession(host.base_url) as session,
        asyncio.timeout(PATIENCE),
        session.post("/v1/fails-late", data=body()) as response,
    ):
        assert await response.content.readany() == b"the first part"
        has_begun.set()
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()


@pytest.mark.differs("dotnet-routes")
def test_a_path_that_the_worker_does_not_route_is_a_404_and_cancels_the_invocation(host: HostProcess) -> None:
    assert requests.get(f"{host.base_url}/v1/lost", timeout=PATIENCE).status_code == 404
    host.wait_for(r"no route")


def test_an_empty_response_has_no_body(host: HostProcess) -> None:
    response = requests.get(f"{host.base_url}/v1/large?size=0", timeout=PATIENCE)
    assert (response.status_code, response.content) == (200, b"")
    assert requests.head(f"{host.base_url}/v1/large?size=9", timeout=PATIENCE).headers["Content-Length"] == "9"


def test_other_outputs_are_written(host: HostProcess, connection_string: str) -> None:
    with QueueClient.from_connection_string(connection_string, QUEUE) as queue:
        response = requests.post(f"{host.base_url}/v1/multiple", json="from web", timeout=PATIENCE)
        assert (response.status_code, response.text) == (201, "ok")
        host.wait_for(r"Executed 'Functions\.Multiple' \(Succeeded")
        message = queue.receive_message()
        assert message is not None
        assert "from web" in message.content or "ZnJvbSB3ZWI" in message.content


def test_a_client_that_disconnects_cancels_the_invocation(host: HostProcess) -> None:
    place = host.base_url.removeprefix("http://").split(":")
    with socket.create_connection((place[0], int(place[1]))) as client:
        client.sendall(b"GET /v1/waits HTTP/1.1\r\nHost: localhost\r\n\r\n")
        host.wait_for("Waits is waiting")
    host.wait_for("Waits was canceled")
    host.wait_for(r"Executed 'Functions\.Waits' \(Canceled")


def test_a_function_is_run_by_hand_at_its_own_route(host: HostProcess) -> None:
    response = requests.post(f"{host.base_url}/admin/functions/Plain", json={"input": "x"}, timeout=PATIENCE)
    assert response.status_code == 202
    host.wait_for(r"Executed 'Functions\.Plain' \(Succeeded")


def test_the_death_of_the_worker_fails_its_requests(host: HostProcess) -> None:
    processes = requests.get(f"{host.base_url}/admin/host/processes", timeout=PATIENCE).json()["processes"]
    pids = [one["processId"] for one in processes if one["processName"] != "func"]

    async def ask_and_kill() -> int:
        async with aiohttp.ClientSession(host.base_url) as session, asyncio.timeout(PATIENCE):
            asking = asyncio.ensure_future(session.get("/v1/dies"))
            await asyncio.to_thread(host.wait_for, "Executing 'Functions.Dies'")
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            async with await asking as response:
                return response.status

    assert asyncio.run(ask_and_kill()) == 500
    assert requests.get(f"{host.base_url}/v1/plain", timeout=PATIENCE).status_code == 200
