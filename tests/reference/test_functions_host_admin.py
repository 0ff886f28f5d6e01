"""What the real Functions host answers below `/admin`. Each test names its row of the reference page
`functions-host`.
"""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from admin_world import PROCESS, World, http_function, running_world

from durable_host.invocation.metadata import Binding, FunctionMetadata

V1_FILE: dict[str, Any] = {
    "scriptFile": "__init__.py",
    "custom": 1,
    "bindings": [{"type": "httpTrigger", "name": "req", "direction": "in", "route": "Old/{x}"}],
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(tmp_path, (http_function("hello", route="Hello/{name?}"),)) as world:
        yield world


@pytest.mark.differs("host-config")
async def test_the_configuration_has_effective_values_of_extensions_and_concurrency(tmp_path: Path) -> None:
    """functions-host 17: the configuration has effective values of extensions and concurrency"""
    host_json = {"version": "2.0", "functionTimeout": "00:05:00", "extensions": {"queues": {"messageEncoding": "none"}}}
    (tmp_path / "host.json").write_text(json.dumps(host_json))
    async with running_world(tmp_path) as world:
        status, headers, text = await world.ask("GET", "/admin/host/config")
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    content = json.loads(text)
    cores = os.cpu_count() or 1
    assert set(content) == {"extensions", "concurrency"}
    assert content["extensions"]["queues"] == {
        "batchSize": 16,
        "newBatchThreshold": 8 * cores,
        "maxPollingInterval": "00:00:02",
        "maxDequeueCount": 5,
        "visibilityTimeout": "00:00:00",
        "messageEncoding": "None",
    }
    assert content["extensions"]["blobs"] == {"maxDegreeOfParallelism": 8 * cores, "poisonBlobThreshold": 5}
    assert content["extensions"]["http"]["routePrefix"] == "api"
    assert content["extensions"]["durableTask"]["storageProvider"]["partitionCount"] == 4
    assert content["concurrency"]["dynamicConcurrencyEnabled"] is False


async def test_processes_have_the_members_that_debuggers_look_for(world: World) -> None:
    """functions-host 18: processes have the members that debuggers look for"""
    _, _, body = await world.ask("GET", "/admin/host/processes")
    assert body == {"processes": [PROCESS]}
    assert set(PROCESS) == {"processId", "processName", "debugEngine", "isEligibleForOpenInBrowser"}


async def test_a_function_object_is_not_direct_and_has_empty_test_data(world: World) -> None:
    """functions-host 19: a function object is not direct and has empty test data"""
    _, _, told = await world.ask("GET", "/admin/functions/HELLO")
    assert (told["name"], told["isDirect"], told["isProxy"], told["test_data"]) == ("hello", False, False, "")
    assert told["config"]["bindings"][0]["route"] == "Hello/{name?}"


async def test_addresses_of_a_function_object_have_the_host_that_the_caller_named(world: World) -> None:
    """functions-host 19: addresses of a function object have the host that the caller named"""
    port = world.url.rpartition(":")[2]
    base_url = f"http://localhost:{port}"
    _, _, [told] = await world.ask("GET", "/admin/functions", headers={"Host": f"localhost:{port}"})
    assert told["href"] == f"{base_url}/admin/functions/hello"
    assert told["script_href"] == f"{base_url}/admin/vfs/function_app.py"
    assert told["invoke_url_template"] == f"{base_url}/api/hello/{{name?}}"
    _, _, [told] = await world.ask("GET", "/admin/functions")
    assert told["href"].startswith("http://127.0.0.1:")


async def test_a_function_folder_is_described_with_its_function_json_as_written(tmp_path: Path) -> None:
    """functions-host 19: a function folder is described with its function json as written"""
    (tmp_path / "ok").mkdir()
    (tmp_path / "ok" / "function.json").write_text(json.dumps(V1_FILE))
    trigger = Binding("req", "httpTrigger", "in", {"route": "Old/{x}"})
    function = FunctionMetadata(
        name="ok", bindings=(trigger,), script_file=os.path.join("ok", "__init__.py"), directory=str(tmp_path / "ok")
    )
    async with running_world(tmp_path, (function,), model="v1") as world:
        _, _, told = await world.ask("GET", "/admin/functions/ok")
        assert told["script_href"] == f"{world.url}/admin/vfs/ok/__init__.py"
        assert told["script_root_path_href"] == f"{world.url}/admin/vfs/ok/"
        assert told["config_href"] == f"{world.url}/admin/vfs/ok/function.json"
    assert told["config"] == V1_FILE
    assert (told["isDirect"], told["test_data"]) == (False, "")


@pytest.mark.parametrize("place", ["/admin/host/keys", "/admin/host/systemkeys", "/admin/functions/hello/keys"])
@pytest.mark.parametrize(("method", "options"), [("POST", {}), ("PUT", {"json": {"name": "x", "value": "v"}})])
async def test_a_new_key_is_answered_with_its_location(
    world: World, place: str, method: str, options: dict[str, Any]
) -> None:
    """functions-host 21: a new key is answered with its location"""
    status, headers, made = await world.ask(method, f"{place}/x", **options)
    address = f"{world.url}{place}/x"
    assert (status, headers["Location"]) == (201, address)
    assert made["links"] == [{"rel": "self", "href": address}]
    status, headers, _ = await world.ask(method, f"{place}/x", **options)
    assert status == 200
    assert "Location" not in headers


@pytest.mark.parametrize(("path", "status"), [("keys", 404), ("functionkeys", 404), ("systemkeys", 200)])
async def test_the_master_key_is_not_among_the_keys_of_the_host(world: World, path: str, status: int) -> None:
    """functions-host 21: the master key is not among the keys of the host"""
    assert await world.status("GET", f"/admin/host/{path}/_master") == status


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"value": 5}', '{"name": "x", "value": ""}'])
async def test_a_key_without_a_value_is_refused_with_a_text(world: World, body: str) -> None:
    """functions-host 21: a key without a value is refused with a text"""
    status, headers, text = await world.ask("PUT", "/admin/host/keys/x", data=body)
    assert (status, text) == (400, "Invalid key value")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_triggers_are_not_synchronized_outside_azure(world: World) -> None:
    """functions-host 22: triggers are not synchronized outside azure"""
    status, _, body = await world.ask("POST", "/admin/host/synctriggers")
    assert (status, body) == (500, {"status": "Invalid environment for SyncTriggers operation."})


async def test_the_scale_status_needs_scale_monitoring(world: World) -> None:
    """functions-host 22: 400 text unless scale monitoring is on; the page does not have the text"""
    status, headers, text = await world.ask("POST", "/admin/host/scale/status", json={})
    assert (status, text) == (400, "Runtime scale monitoring is not enabled.")
    assert headers["Content-Type"].startswith("text/plain")


async def test_extensions_are_an_empty_list(world: World) -> None:
    """functions-host 22: extensions are an empty list"""
    status, _, body = await world.ask("GET", "/admin/host/extensions")
    links = [{"rel": "self", "href": f"{world.url}/admin/host/extensions"}]
    assert (status, body) == (200, {"extensions": [], "links": links})


async def test_the_health_of_the_instance_is_there(world: World) -> None:
    """functions-host 22: the health of the instance is there"""
    assert await world.status("GET", "/admin/instance/http-health") == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_ping_is_not_cached(world: World, method: str) -> None:
    """functions-host 22: a ping is not cached"""
    status, headers, body = await world.ask(method, "/admin/host/ping")
    assert (status, headers["Cache-Control"], body) == (200, "no-store,no-cache", "")
