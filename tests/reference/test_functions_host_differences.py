"""Where this host stays different from the real Functions host, on purpose. Each test names its row of the reference
page `functions-host`; docs/reference/differences.md has the reasons.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from admin_world import NotedCalls, World, http_function, running_world
from aiohttp import web
from yarl import URL

from durable_host import timestamp
from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.queue_items import split_text
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.config import load
from durable_host.host.functions import AppFunctions
from durable_host.host.summary import described
from durable_host.host.triggers import app_triggers
from durable_host.invocation.datum import Datum, HttpReply, string
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.metadata import Binding, FunctionMetadata, FunctionProblem
from durable_host.storage.blobs import BlobProperties
from durable_host.triggers.blob.blob_metadata import pascal_properties
from durable_host.triggers.http.function_reply import function_reply
from durable_host.triggers.http.routes import RouteDeclaration, RouteTable


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(tmp_path, (http_function("hello"),)) as world:
        yield world


@pytest.mark.differs("listed-mistakes")
def test_functions_with_mistakes_are_listed(tmp_path: Path) -> None:
    """functions-host 20: stays different, the real host leaves them out"""
    problem = FunctionProblem(function="broken", message="At least one binding must be declared.")
    app = AppFunctions(errors=(problem,), model="v1")
    [one] = described(app, tmp_path, "http://localhost:7071", "api")
    assert (one.name, one.errors) == ("broken", ("At least one binding must be declared.",))


@pytest.mark.differs("bad-routes")
@pytest.mark.parametrize("route", ["{x", "{x:nothing}", "{x}/{x}", "a?b"])
def test_a_bad_route_stops_its_function_only(route: str) -> None:
    """functions-host 25: stays different, the real host does not start, and every request gets a 503"""
    table = RouteTable([RouteDeclaration("bad", route, (), "bad"), RouteDeclaration("good", "good", (), "good")], "api")
    found = table.match("GET", "/api/good")
    assert found is not None
    assert found.route.target == "good"
    assert "In Azure the host does not start" in table.errors["bad"]


@pytest.mark.differs("leading-slash")
def test_a_route_with_a_leading_slash_works_with_a_warning() -> None:
    """functions-host 25: stays different, the real host does not start; web frameworks have such a route"""
    table = RouteTable([RouteDeclaration("bad", "/lead", (), "bad")], "api")
    assert table.match("GET", "/api/lead") is not None
    [warning] = table.warnings()
    assert warning.startswith("DH5042: The route of 'bad' begins with a slash")
    assert RouteTable([RouteDeclaration("good", "/lead", (), "good")], "").warnings() == []


@pytest.mark.differs("blob-properties")
def test_properties_of_a_blob_are_texts() -> None:
    """functions-host 27: stays different, the real host has numbers for enums and an empty object as ETag"""
    moment = timestamp.parse("2024-05-01T10:00:00Z")
    properties = BlobProperties(
        name="a.txt",
        etag='"0x1"',
        last_modified=moment,
        length=3,
        content_type="text/plain",
        content_encoding=None,
        content_md5=None,
        blob_type="BlockBlob",
        created=moment,
        metadata={},
        headers={"x-ms-lease-state": "available", "x-ms-lease-status": "unlocked"},
    )
    told = pascal_properties(properties)
    assert len(told) == 16
    assert (told["BlobType"], told["LeaseState"], told["LeaseStatus"]) == ("BlockBlob", "available", "unlocked")
    assert told["ETag"] == '"0x1"'


class NotedPaths:
    """Stands in for the management API: notes what paths it is asked for."""

    def __init__(self) -> None:
        self.tails: list[str] = []

    async def handle(self, request: web.Request, tail: str, face: str) -> web.Response:
        self.tails.append(tail)
        return web.Response(status=404)


@pytest.mark.differs("dots-in-ids")
@pytest.mark.parametrize("tail", ["/instances/..", "/instances/./x", "/instances/%2e%2e/instances", "/instances/a%00b"])
async def test_odd_paths_of_the_management_api_are_ids(tmp_path: Path, tail: str) -> None:
    """functions-host 15: stays different below the webhook: dots are resolved, and a null character is refused"""
    durable = NotedPaths()
    async with running_world(tmp_path, durable=durable) as world:
        url = URL(f"{world.url}/runtime/webhooks/durabletask{tail}", encoded=True)
        async with world.session.get(url) as answer:
            assert answer.status == 404
    assert durable.tails == [tail]


@pytest.mark.differs("chunked-bodies")
async def test_a_chunked_body_is_read(world: World) -> None:
    """functions-host 29: stays different, on the real host it is empty"""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    assert await world.status("POST", "/api/hello", data=pieces()) == 200
    [(_, call)] = world.calls.calls
    assert call["trigger_value"].value.body == b"ab"


@pytest.mark.differs("lenient-json")
@pytest.mark.parametrize("text", ["{'a':1}", '{"a":1 /* one */}', "{not json}"])
def test_a_string_that_only_json_net_can_read_is_text(text: str) -> None:
    """functions-host 29: stays different, the real host reads it as JSON and prints it again"""
    reply = function_reply(http_function("hello"), string(text), {})
    assert (reply.status, reply.body) == (200, text.encode())
    assert dict(reply.headers)["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.differs("json-strings")
def test_json_in_a_string_is_sent_as_it_is_written() -> None:
    """functions-host 29: stays different, the real host prints it again with two spaces"""
    text = json.dumps({"a": [1, 2]})
    assert function_reply(http_function("hello"), string(text), {}).body == text.encode()


@pytest.mark.differs("cookies")
def test_a_cookie_is_sent_as_the_function_wrote_it() -> None:
    """functions-host 29: stays different, the real host adds empty attributes (`domain=; path=`)"""
    reply = HttpReply(200, cookies=["a=b c; Max-Age=5"])
    assert function_reply(http_function("hello"), Datum("http", reply), {}).cookies == ("a=b c; Max-Age=5",)


@pytest.mark.differs("queue-json")
@pytest.mark.parametrize("text", ["{not json}", "{'a':1}"])
def test_a_message_that_only_looks_like_json_is_sent(text: str) -> None:
    """functions-host 29: stays different, on the real host the call fails with a 500"""
    assert split_text(text) == [text]


@pytest.mark.differs("host-lock")
def test_no_host_of_an_app_is_the_primary_one(tmp_path: Path) -> None:
    """functions-host 28: stays different, the real host leases the blob `locks/<host ID>/host`"""
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    config = load(tmp_path, environ={"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    timer = FunctionMetadata(
        name="tick", bindings=(Binding("t", "timerTrigger", "in", {"schedule": "0 0 0 1 1 *"}),), entry_point="tick"
    )
    app = AppFunctions(served=(timer,), all=(timer,))
    invoker = cast("Invoker", NotedCalls())
    found = app_triggers(app, invoker, Accounts(config.settings), config, QueueSignals(), BlobSignals())
    assert [listener.name for listener in found.listeners] == ["Functions.tick"]
