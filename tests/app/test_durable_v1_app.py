"""Durable functions of the v1 model (function.json), with old binding names too, in the real host.

Source: docs/protocol/durable-bindings.md#durable-names, docs/protocol/durable-bindings.md#bindings-of-the-v1-model
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from durable_world import MANAGEMENT, finished, raise_event, run, start_instance, wait_custom_status
from host_process import HostProcess, hub_settings, until, write_app


def bindings(*given: dict[str, Any]) -> str:
    return json.dumps({"scriptFile": "__init__.py", "bindings": given})


def trigger(kind: str, name: str = "context", **properties: str) -> str:
    return bindings({"name": name, "type": kind, "direction": "in", **properties})


def starter(client_type: str, route: str) -> str:
    return bindings(
        {"name": "req", "type": "httpTrigger", "direction": "in", "authLevel": "anonymous", "methods": ["post", "get"],
         "route": route},
        {"name": "starter", "type": client_type, "direction": "in"},
        {"name": "$return", "type": "http", "direction": "out"},
    )  # fmt: skip


STARTER = """
import logging
import azure.functions as func
import azure.durable_functions as df


async def main(req: func.HttpRequest, starter: str) -> func.HttpResponse:
    client = df.DurableOrchestrationClient(starter)
    instance_id = await client.start_new(req.route_params["name"], None, req.get_json())
    logging.info("started %s", instance_id)
    return client.create_check_status_response(req, instance_id)
"""

READER = """
import json
import azure.functions as func
import azure.durable_functions as df


async def main(req, starter: str) -> func.HttpResponse:
    client = df.DurableOrchestrationClient(starter)
    entity = df.EntityId("Counter", req.route_params["key"])
    if req.method == "POST":
        await client.signal_entity(entity, "add", req.get_json())
        return func.HttpResponse(status_code=202)
    state = await client.read_entity_state(entity)
    return func.HttpResponse(json.dumps(state.entity_state), mimetype="application/json")
"""

FILES = {
    "HttpStart/function.json": starter("durableClient", "orchestrators/{name}"),
    "HttpStart/__init__.py": STARTER,
    "OldStart/function.json": starter("orchestrationClient", "old/{name}"),
    "OldStart/__init__.py": STARTER,
    "Counters/function.json": starter("durableClient", "counters/{key}"),
    "Counters/__init__.py": READER,
    "Cities/function.json": trigger("orchestrationTrigger"),
    "Cities/__init__.py": """
import azure.durable_functions as df


def orchestrator_function(context: df.DurableOrchestrationContext):
    greetings = yield context.task_all([context.call_activity("Hello", city) for city in context.get_input()])
    total = yield context.call_entity(df.EntityId("Counter", "calls"), "add", len(greetings))
    tried = yield context.call_activity_with_retry("say_loudly", df.RetryOptions(20, 3), context.instance_id)
    return [greetings, total, tried]


main = df.Orchestrator.create(orchestrator_function)
""",
    "Waiting/function.json": trigger("orchestrationTrigger", orchestration="RenamedWaiting"),
    "Waiting/__init__.py": """
import azure.durable_functions as df


def wait(context):
    context.set_custom_status("waiting")
    return (yield context.wait_for_external_event("go"))


main = df.Orchestrator.create(wait)
""",
    "Hello/function.json": trigger("activityTrigger", "name"),
    "Hello/__init__.py": """
from ..shared import greetings


def main(name: str) -> str:
    return greetings.hello(name)
""",
    "shared/__init__.py": "",
    "shared/greetings.py": """
def hello(name):
    return f"Hello {name}!"
""",
    "Loud/function.json": trigger("activityTrigger", "key", activity="say_loudly"),
    "Loud/__init__.py": """
seen = set()


async def main(key):
    if key not in seen:
        seen.add(key)
        raise ValueError("too quiet")
    return "LOUD"
""",
    "Counter/function.json": trigger("entityTrigger"),
    "Counter/__init__.py": """
import azure.durable_functions as df


def entity_function(context: df.DurableEntityContext):
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        value += context.get_input()
        context.set_state(value)
    context.set_result(value)


main = df.Entity.create(entity_function)
""",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    host = HostProcess(write_app(tmp_path_factory.mktemp("v1") / "app", FILES), hub_settings(connection_string))
    yield host.start()
    host.end()


@pytest.mark.parametrize("route", ["orchestrators", "old"])
def test_a_string_client_starts_orchestrations_under_both_binding_names(host: HostProcess, route: str) -> None:
    answer = host.post(f"/api/{route}/Cities", json=["Tokyo", "London"])
    assert answer.status_code == 202
    told = finished(host, answer.json()["id"])["output"]
    assert (told[0], told[2]) == (["Hello Tokyo!", "Hello London!"], "LOUD")
    assert told[1] in {2, 4}


def test_events_reach_an_orchestrator_under_its_durable_name(host: HostProcess) -> None:
    instance_id = start_instance(host, "renamedwaiting")
    wait_custom_status(host, instance_id, "waiting")
    raise_event(host, instance_id, "go", [1])
    assert finished(host, instance_id)["output"] == [1]


def test_entities_are_signalled_and_read(host: HostProcess) -> None:
    for number in (1, 2, 3):
        assert host.post("/api/counters/v1", json=number).status_code == 202
    until(lambda: host.get("/api/counters/v1").json() == 6, host=host)
    assert host.get(f"{MANAGEMENT}/entities/counter/v1").json() == 6


def test_failures_are_reported_as_in_the_v2_model(host: HostProcess) -> None:
    assert "'int' object is not iterable" in run(host, "Cities", 5, wanted="Failed")["output"]
