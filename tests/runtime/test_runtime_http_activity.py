"""`call_http`. Source: docs/protocol/durable-actions.md#callhttp"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from runtime_world import App, Hosts

from durable_host.durable.runtime.http_activity import HttpActivity
from durable_host.durable.runtime.managed_identity import scope_of


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        seen = {"method": request.method, "type": request.headers.get("Content-Type"), "body": await request.text()}
        headers = [("X-One", "1"), ("X-Two", "a"), ("X-Two", "b"), ("Retry-After", "1"), ("Location", "/elsewhere")]
        return web.Response(status=int(request.query.get("status", "200")), text=json.dumps(seen), headers=headers)

    async def never(request: web.Request) -> web.Response:
        await request.content.read()
        request.transport.close()
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/", answer)
    application.router.add_route("*", "/drop", never)
    server = TestServer(application)
    await server.start_server()
    yield str(server.make_url("/"))
    await server.close()


async def _run(request: dict) -> Any:
    activity = HttpActivity()
    outcome = await activity.run(json.dumps([request]))
    await activity.close()
    return outcome.error if outcome.error is not None else json.loads(outcome.result or "null")


async def test_orchestrator_gets_the_response(app: App, hosts: Hosts, url: str) -> None:
    @app.orchestrator
    def calling(context):
        response = yield context.call_http("POST", url, {"a": 1})
        return response

    world = await hosts.start(app)
    await world.start("calling", "h")
    response = await world.output("h")
    assert response["statusCode"] == 200
    seen = json.loads(response["content"])
    assert seen["method"] == "POST"
    assert json.loads(seen["body"]) == {"a": 1}
    assert seen["type"].startswith("text/plain")
    assert response["headers"]["X-One"] == "1"
    assert response["headers"]["X-Two"] == ["a", "b"]
    assert "Content-Type" not in response["headers"]


async def test_202_is_returned_as_it_is(url: str) -> None:
    answer = await _run({"method": "GET", "uri": f"{url}?status=202"})
    assert isinstance(answer, dict)
    assert answer["statusCode"] == 202


async def test_given_content_type_is_kept_and_left_out_without_content(url: str) -> None:
    headers = {"content-type": "application/json"}
    answer = await _run({"method": "post", "uri": url, "headers": headers, "content": "{}"})
    assert json.loads(answer["content"])["type"] == "application/json"
    answer = await _run({"method": "GET", "uri": url, "headers": headers})
    assert json.loads(answer["content"])["type"] is None


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"method": "POST", "uri": "http://localhost:1/", "content": "x"}, "localhost:1"),
        (
            {"method": "POST", "uri": "http://localhost:1/", "content": "x",
             "headers": {"Content-Type": "multipart/form-data"}},
            "Multipart content is not supported with CallHttpAsync.",
        ),
        ({"method": "GET", "uri": "nourl"}, "'nourl' is not an absolute URL of HTTP or HTTPS."),
        ({"method": "GET"}, "cannot be read"),
        ({"method": "GET", "uri": "http://localhost:1/", "tokenSource": {}}, "has no resource"),
    ],
)  # fmt: skip
async def test_what_cannot_be_sent_fails_with_the_bare_text(request_: dict, text: str) -> None:
    error = await _run(request_)
    assert isinstance(error, str)
    assert text in error


async def test_dropped_connection_is_a_failure(url: str) -> None:
    assert isinstance(await _run({"method": "GET", "uri": f"{url}drop"}), str)


@pytest.mark.parametrize("stored", [None, "null", "[]", "rubbish", "[1]", '["x"]'])
async def test_unreadable_request_is_a_failure(stored: str | None) -> None:
    outcome = await HttpActivity().run(stored)
    assert "cannot be read" in (outcome.error or "")


@pytest.mark.parametrize(
    ("resource", "scope"),
    [
        ("https://management.core.windows.net", "https://management.core.windows.net/.default"),
        ("https://graph.microsoft.com/", "https://graph.microsoft.com/.default"),
        ("https://storage.azure.com/.default", "https://storage.azure.com/.default"),
    ],
)
def test_two_resources_get_the_default_scope(resource: str, scope: str) -> None:
    assert scope_of(resource) == scope
