"""Where this host stays different from the real Functions host, on purpose. Each test names its row of the reference
page `functions-host`; docs/reference/differences.md has the reasons.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from admin_world import World, http_function, running_world

from durable_host import timestamp
from durable_host.host.functions import AppFunctions
from durable_host.host.summary import described
from durable_host.invocation.datum import string
from durable_host.invocation.metadata import FunctionProblem
from durable_host.storage.blobs import BlobProperties
from durable_host.triggers.blob.metadata import pascal_properties
from durable_host.triggers.http.outcome import function_reply
from durable_host.triggers.http.routes import RouteDeclaration, RouteTable


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(tmp_path, (http_function("hello"),)) as world:
        yield world


def test_functions_with_mistakes_are_listed(tmp_path: Path) -> None:
    """functions-host 20: the real host leaves them out"""
    problem = FunctionProblem(function="broken", message="At least one binding must be declared.")
    app = AppFunctions(errors=(problem,), model="v1")
    [one] = described(app, tmp_path, "http://localhost:7071", "api")
    assert (one.name, one.errors) == ("broken", ("At least one binding must be declared.",))


@pytest.mark.parametrize("route", ["{x", "{x:nothing}", "{x}/{x}", "a?b"])
def test_a_bad_route_stops_its_function_only(route: str) -> None:
    """functions-host 25: the real host does not start, and every request gets a 503"""
    table = RouteTable([RouteDeclaration("bad", route, (), "bad"), RouteDeclaration("good", "good", (), "good")], "api")
    found = table.match("GET", "/api/good")
    assert found is not None
    assert found.route.target == "good"
    assert "In Azure the host does not start" in table.errors["bad"]


def test_a_route_with_a_leading_slash_works_with_a_warning() -> None:
    """functions-host 25: the real host does not start; web frameworks have such a route"""
    table = RouteTable([RouteDeclaration("bad", "/lead", (), "bad")], "api")
    assert table.match("GET", "/api/lead") is not None
    [warning] = table.warnings()
    assert warning.startswith("DH5042: The route of 'bad' begins with a slash")
    assert RouteTable([RouteDeclaration("good", "/lead", (), "good")], "").warnings() == []


def test_properties_of_a_blob_are_texts() -> None:
    """functions-host 27: the real host has 45 members, with numbers for enums and an empty object as ETag"""
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
        leased=False,
        created=moment,
        metadata={},
        headers={"x-ms-lease-state": "available", "x-ms-lease-status": "unlocked"},
    )
    told = pascal_properties(properties)
    assert len(told) == 16
    assert (told["BlobType"], told["LeaseState"], told["LeaseStatus"]) == ("BlockBlob", "available", "unlocked")
    assert told["ETag"] == '"0x1"'


async def test_a_chunked_body_is_read(world: World) -> None:
    """functions-host 29: on the real host it is empty"""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    assert await world.status("POST", "/api/hello", data=pieces()) == 200
    [(_, call)] = world.calls.calls
    assert call["trigger_value"].value.body == b"ab"


@pytest.mark.parametrize("text", ["{'a':1}", '{"a":1 /* one */}', "{not json}"])
def test_a_string_that_only_json_net_can_read_is_text(text: str) -> None:
    """functions-host 29: the real host reads it as JSON and prints it again"""
    reply = function_reply(http_function("hello"), string(text), {})
    assert (reply.status, reply.body) == (200, text.encode())
    assert dict(reply.headers)["Content-Type"] == "text/plain; charset=utf-8"


def test_json_in_a_string_is_sent_as_it_is_written() -> None:
    """functions-host 29: the real host prints it again with two spaces"""
    text = json.dumps({"a": [1, 2]})
    assert function_reply(http_function("hello"), string(text), {}).body == text.encode()
