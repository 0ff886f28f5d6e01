"""A built .NET isolated app with ASP.NET Core and the real worker. Skipped where there is no .NET or no built app."""

import asyncio
import base64
import contextlib
from collections.abc import Iterator

import aiohttp
import pytest
import requests
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient
from host_process import HostProcess, until
from real_apps import copy_of, runtime_settings
from scripted_hosts import dotnet_settings

pytestmark = pytest.mark.process
PATIENCE = 60


@pytest.fixture(scope="module")
def host(connection_string: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    settings = {**dotnet_settings(connection_string), **runtime_settings()}
    host = HostProcess(copy_of("web", tmp_path_factory.mktemp("real")), settings)
    host.start()
    yield host
    host.end()


def test_the_first_requests_meet_a_port_that_is_not_open_yet(host: HostProcess) -> None:
    assert requests.get(f"{host.base_url}/api/hello/bob", timeout=PATIENCE).text == "Hello bob"
    assert requests.post(f"{host.base_url}/api/hello?name=ann", timeout=PATIENCE).text == "Hello ann"


def test_the_app_sees_the_request_of_the_client(host: HostProcess) -> None:
    url = f"{host.base_url}/api/dump/7?q=a%20b"
    seen = requests.post(url, data=b"text", headers={"X-One": "1"}, timeout=PATIENCE).json()
    assert (seen["id"], seen["body"], seen["url"], seen["query"]) == (7, "text", url, "?q=a%20b")
    assert (seen["headers"]["X-One"], seen["remote"]) == ("1", "127.0.0.1")
    host.wait_for("dump 7")


async def test_parts_of_a_response_arrive_as_they_are_flushed(host: HostProcess) -> None:
    async with aiohttp.ClientSession(host.base_url) as session, session.get("/api/stream") as response:
        assert await response.content.readany() == b"part 0\n"
        assert await response.content.read() == b"part 1\npart 2\n"


def test_a_result_with_an_output_is_sent_and_stored(host: HostProcess, connection_string: str) -> None:
    response = requests.post(f"{host.base_url}/api/multi", timeout=PATIENCE)
    assert (response.status_code, response.text, response.headers["Location"]) == (201, "ok", "/made")
    with QueueClient.from_connection_string(connection_string, "out-queue") as queue:
        message = until(lambda: _received(queue), host=host)
    assert "from web" in (message, base64.b64decode(message).decode("utf-8", "replace"))


def test_a_failure_is_a_500(host: HostProcess) -> None:
    response = requests.get(f"{host.base_url}/api/fails", timeout=PATIENCE)
    assert response.status_code == 500
    assert response.json()["error"] == "System.InvalidOperationException: web failure"


def test_an_orchestration_is_started_over_http(host: HostProcess) -> None:
    response = requests.post(f"{host.base_url}/api/start", timeout=PATIENCE)
    assert response.status_code == 202
    assert host.wait_status(response.json()["id"], "Completed", PATIENCE)["output"] == "done"


def test_a_queue_message_runs_a_function_of_the_app(host: HostProcess, connection_string: str) -> None:
    with QueueClient.from_connection_string(connection_string, "web-in") as queue:
        with contextlib.suppress(ResourceExistsError):
            queue.create_queue()
        queue.send_message(base64.b64encode(b"a message").decode())
    host.wait_for("got a message", PATIENCE)


async def test_many_requests_run_at_once(host: HostProcess) -> None:
    async with aiohttp.ClientSession(host.base_url) as session:

        async def ask(number: int) -> str:
            async with session.get(f"/api/hello/{number}") as response:
                return await response.text()

        assert await asyncio.gather(*map(ask, range(100))) == [f"Hello {number}" for number in range(100)]


def _received(queue: QueueClient) -> str | None:
    with contextlib.suppress(Exception):
        message = queue.receive_message()
        return None if message is None else str(message.content)
    return None
