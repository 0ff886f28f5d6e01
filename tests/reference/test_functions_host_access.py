"""What the real Functions host answers with `--enable-auth`. Each test names its row of the reference page
`functions-host`.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from admin_world import World, http_function, running_world

from durable_host.web.keys.keyring import KeyRing

FUNCTIONS = (
    http_function("anybody", authLevel="anonymous"),
    http_function("caller", authLevel="function"),
    http_function("system", authLevel="system"),
    http_function("user", authLevel="user"),
    http_function("boss", authLevel="admin"),
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(tmp_path, FUNCTIONS, with_auth=True) as world:
        yield world


async def key_of(ring: KeyRing, kind: str) -> str | None:
    host = await ring.host()
    return {
        "none": None,
        "bad": "no-such-key",
        "master": host.master,
        "host": host.function_keys["default"],
        "own": (await ring.function("caller"))["default"],
        "system": await ring.system_key("durabletask_extension"),
        "other system": await ring.system_key("blobs_extension"),
    }[kind]


@pytest.mark.parametrize(
    "path", ["/admin/host/status", "/admin/functions", "/admin/host/keys", "/admin/functions/none"]
)
@pytest.mark.parametrize(
    ("kind", "status"), [("none", 401), ("bad", 401), ("own", 401), ("host", 403), ("system", 403)]
)
async def test_admin_routes_tell_unknown_keys_from_keys_of_a_lower_level(
    world: World, path: str, kind: str, status: int
) -> None:
    """functions-host 16: admin routes tell unknown keys from keys of a lower level"""
    answered, headers, body = await world.ask("GET", path, await key_of(world.keys, kind))
    assert (answered, body) == (status, "")
    assert headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("none", 401), ("bad", 401), ("host", 403), ("other system", 403), ("system", 404), ("master", 404)],
)
async def test_a_webhook_takes_its_own_system_key(world: World, kind: str, status: int) -> None:
    """functions-host 16: the 404 comes from the webhook, because this app has no Durable Functions"""
    answered, headers, _ = await world.ask(
        "GET", "/runtime/webhooks/durabletask/instances", await key_of(world.keys, kind)
    )
    assert answered == status
    assert headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.parametrize(("kind", "status"), [("none", 401), ("bad", 401), ("host", 404), ("master", 404)])
async def test_an_unknown_webhook_is_401_without_a_key(world: World, kind: str, status: int) -> None:
    """functions-host 16: an unknown webhook is 401 without a key"""
    assert await world.status("GET", "/runtime/webhooks/nothing/here", await key_of(world.keys, kind)) == status


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/admin/none"), ("GET", "/admin/host/none"), ("PATCH", "/admin/host/keys/x")]
)
async def test_an_unknown_admin_route_is_404_without_a_key(world: World, method: str, path: str) -> None:
    """functions-host 16: an unknown admin route is 404 without a key"""
    assert await world.status(method, path) == 404


@pytest.mark.parametrize(
    ("function", "opened_by"),
    [
        ("anybody", {"none", "bad", "host", "own", "system", "master"}),
        ("caller", {"host", "own", "master"}),
        ("system", {"system", "other system", "master"}),
        ("user", {"master"}),
        ("boss", {"master"}),
    ],
)
async def test_each_level_of_a_function_takes_keys_of_exactly_that_level(
    world: World, function: str, opened_by: set[str]
) -> None:
    """functions-host 16: a system key does not open functions of the level `function`"""
    kinds = ("none", "bad", "host", "own", "system", "master")
    answers = {kind: await world.status("GET", f"/api/{function}", await key_of(world.keys, kind)) for kind in kinds}
    assert answers == {kind: 200 if kind in opened_by else 401 for kind in kinds}


@pytest.mark.parametrize("path", ["/admin/host/ping", "/admin/warmup", "/"])
async def test_routes_that_tell_nothing_need_no_key(world: World, path: str) -> None:
    """functions-host 16: routes that tell nothing need no key"""
    assert await world.status("GET", path) == 200


async def test_without_the_flag_every_caller_is_an_administrator(tmp_path: Path) -> None:
    """functions-host 16: without the flag, plain 401s are not differences"""
    async with running_world(tmp_path, FUNCTIONS) as world:
        for path in ("/admin/host/status", "/api/boss", "/admin/host/keys", "/api/caller?code=wrong"):
            assert await world.status("GET", path) == 200
