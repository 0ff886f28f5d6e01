"""The durableClient payload and the RPC listener.

Source: docs/protocol/durable-client.md#client-payload, docs/protocol/durable-http-api.md#two-endpoints
"""

import gzip
import json
import socket
import zlib
from collections.abc import Callable
from typing import Any

import aiohttp
import azure.functions as func
import pytest
from api_world import KnownNames, api_options
from azure.durable_functions import DurableOrchestrationClient
from azure.durable_functions.models.utils import http_utils

from durable_host.clock import SystemClock
from durable_host.durable.api import DurableClient, ManagementUrls, client_payload
from durable_host.durable.api.content_coding import unpacker
from durable_host.durable.api.http import DurableHttpApi
from durable_host.durable.api.rpc_server import RpcServer
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.web.local_only import is_local_request

BASE = "http://localhost:7071/runtime/webhooks/durabletask"


def test_payload_with_a_key_is_that_of_the_reference() -> None:
    urls = ManagementUrls(base_url=BASE, task_hub="TestHubName", key="SYSKEY")
    common = "taskHub=TestHubName&connection=Storage&code=SYSKEY"
    assert client_payload(urls, rpc_base_url="http://127.0.0.1:17071/durabletask/") == {
        "taskHubName": "TestHubName",
        "connectionName": None,
        "creationUrls": {
            "createNewInstancePostUri": f"{BASE}/orchestrators/{{functionName}}[/{{instanceId}}]?code=SYSKEY",
            "createAndWaitOnNewInstancePostUri": (
                f"{BASE}/orchestrators/{{functionName}}[/{{instanceId}}]"
                "?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&code=SYSKEY"
            ),
        },
        "managementUrls": {
            "id": "INSTANCEID",
            "statusQueryGetUri": f"{BASE}/instances/INSTANCEID?{common}",
            "sendEventPostUri": f"{BASE}/instances/INSTANCEID/raiseEvent/{{eventName}}?{common}",
            "terminatePostUri": f"{BASE}/instances/INSTANCEID/terminate?reason={{text}}&{common}",
            "rewindPostUri": f"{BASE}/instances/INSTANCEID/rewind?reason={{text}}&{common}",
            "purgeHistoryDeleteUri": f"{BASE}/instances/INSTANCEID?{common}",
            "restartPostUri": f"{BASE}/instances/INSTANCEID/restart?{common}",
            "suspendPostUri": f"{BASE}/instances/INSTANCEID/suspend?reason={{text}}&{common}",
            "resumePostUri": f"{BASE}/instances/INSTANCEID/resume?reason={{text}}&{common}",
        },
        "baseUrl": BASE,
        "requiredQueryStringParameters": "code=SYSKEY",
        "rpcBaseUrl": "http://127.0.0.1:17071/durabletask/",
        "httpBaseUrl": None,
        "maxGrpcMessageSizeInBytes": None,
        "grpcHttpClientTimeout": None,
    }


def test_payload_without_a_key_keeps_dangling_separators_in_creation_urls() -> None:
    payload = client_payload(ManagementUrls(base_url=BASE, task_hub="Hub", connection="My Store"), rpc_base_url=None)
    assert payload["creationUrls"]["createNewInstancePostUri"].endswith("[/{instanceId}]?")
    assert payload["creationUrls"]["createAndWaitOnNewInstancePostUri"].endswith("={intervalInSeconds}&")
    assert payload["managementUrls"]["statusQueryGetUri"].endswith("?taskHub=Hub&connection=My%20Store")
    assert payload["requiredQueryStringParameters"] == ""
    assert "rpcBaseUrl" not in payload


def test_sdk_makes_a_check_status_response_of_the_payload() -> None:
    urls = ManagementUrls(base_url=BASE, task_hub="Hub")
    client = DurableOrchestrationClient(json.dumps(client_payload(urls, rpc_base_url="http://127.0.0.1:1/")))
    request = func.HttpRequest("POST", "http://localhost:9999/api/start", body=b"")
    response = client.create_check_status_response(request, "abc")
    body = json.loads(response.get_body())
    assert response.status_code == 202
    assert body["statusQueryGetUri"].startswith("http://localhost:9999/runtime/webhooks/durabletask/instances/abc?")
    assert body["rewindPostUri"]


def _api(**options: Any) -> tuple[SqliteTaskHub, DurableHttpApi]:
    hub = SqliteTaskHub(":memory:", "TestHub")
    client = DurableClient(hub, KnownNames(), api_options(), SystemClock())  # pyright: ignore[reportArgumentType]
    return hub, DurableHttpApi(client, api_options(), admit=is_local_request, **options)


async def test_rpc_listener_serves_the_sdk_on_loopback() -> None:
    hub, api = _api()
    await hub.create()
    server = RpcServer(api)
    base = await server.start()
    assert base == server.base_url
    assert base.startswith("http://127.0.0.1:")
    assert base.endswith("/durabletask/")
    payload = client_payload(ManagementUrls(base_url=BASE, task_hub="TestHub"), rpc_base_url=base)
    client = DurableOrchestrationClient(json.dumps(payload))
    assert await client.start_new("Orch", "x") == "x"
    assert (await client.get_status("x")).name == "Orch"
    await http_utils._close_session()
    await server.stop()
    await server.stop()
    await hub.close()


async def test_second_listener_takes_another_port() -> None:
    servers = [RpcServer(_api()[1]) for _ in range(2)]
    bases = [await server.start() for server in servers]
    assert bases[0] != bases[1]
    port = int(bases[1].split(":")[2].split("/")[0])
    assert 30000 <= port <= 30999
    for server in servers:
        await server.stop()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_rpc_listener_refuses_pages_of_elsewhere() -> None:
    server = RpcServer(_api()[1])
    base = await server.start()
    headers = {"Origin": "https://evil.example"}
    async with aiohttp.ClientSession() as session, session.post(base + "orchestrators/Orch", headers=headers) as answer:
        assert answer.status == 403
    await server.stop()


async def served(text: str, body: bytes, coding: str, *, limit: int = 10_000) -> tuple[int, str]:
    """The answer of the SDK's port to a packed body."""
    hub, api = _api(max_body=limit)
    await hub.create()
    server = RpcServer(api)
    base = await server.start()
    async with (
        aiohttp.ClientSession() as session,
        session.post(base + text, data=body, headers={"Content-Encoding": coding}) as answer,
    ):
        told = answer.status, await answer.text()
    await server.stop()
    await hub.close()
    return told


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_packed_body_is_unpacked_up_to_the_limit(
    coding: str, pack: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    status, _ = await served("orchestrators/Orch", pack(b'"' + b"x" * 9_000 + b'"'), coding)
    assert status == 202
    status, text = await served("orchestrators/Orch", pack(b"1" * 10_001), coding)
    assert status == 413
    assert "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT" in text
    assert "10000 bytes" in caplog.text


def test_a_small_body_does_not_become_a_large_one_on_its_way() -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    assert len(unpacker("gzip").unpack(bomb, 101)) == 101


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip"])
async def test_other_packed_bodies_are_refused(coding: str) -> None:
    status, text = await served("orchestrators/Orch", b"anything", coding)
    assert status == 415
    assert "gzip or deflate" in text


@pytest.mark.parametrize(
    "body", [b"no gzip", gzip.compress(b"1", mtime=0)[:-5], gzip.compress(b"1", mtime=0) + b"more"]
)
async def test_a_body_that_cannot_be_unpacked_is_a_400(body: bytes) -> None:
    status, text = await served("orchestrators/Orch", body, "gzip")
    assert status == 400
    assert "cannot be decompressed" in text
