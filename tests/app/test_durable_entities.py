"""Entities through the real host: signals, calls, state, errors, deletion.

Source: docs/protocol/durable-entities.md#entity-scheduler, docs/protocol/durable-http-api.md#entities-over-http
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from durable_world import HEADER, MANAGEMENT, finished, output, run, start_instance
from host_process import HostProcess, hub_settings, until, write_app

APP = (
    HEADER
    + '''
@app.entity_trigger(context_name="context")
def Counter(context):
    value = context.get_state(lambda: 0)
    operation = context.operation_name
    if operation == "add":
        value += context.get_input()["by"]
        context.set_state(value)
        context.set_result(value)
    elif operation == "get":
        context.set_result(value)
    elif operation == "fail":
        context.set_state(value + 100)
        raise ValueError("bad operation")
    elif operation == "delete":
        context.destruct_on_exit()
    elif operation == "who":
        context.set_result([context.entity_name, context.entity_key])


@app.entity_trigger(context_name="context", entity_name="Diary")
def renamed(context):
    """Keeps the order of what it hears."""
    entries = context.get_state(list)
    if context.operation_name == "note":
        context.set_state([*entries, context.get_input()])
    context.set_result(context.get_state(list))


@app.orchestration_trigger(context_name="context")
def call(context):
    order = context.get_input()
    try:
        return (yield context.call_entity(df.EntityId(order.get("name", "Counter"), order["key"]), order["op"],
                                          order.get("input")))
    except Exception as error:
        return f"raised: {error}"


@app.orchestration_trigger(context_name="context")
def signal_then_call(context):
    key, count = context.get_input()
    entity = df.EntityId("Diary", key)
    for number in range(count):
        context.signal_entity(entity, "note", f"n{number}")
    return (yield context.call_entity(entity, "read"))


@app.orchestration_trigger(context_name="context")
def many(context):
    calls = [context.call_entity(df.EntityId("Counter", f"m{n % 3}"), "add", {"by": 1}) for n in range(15)]
    yield context.task_all(calls)
    return (yield context.task_all([context.call_entity(df.EntityId("Counter", f"m{n}"), "get") for n in range(3)]))


@app.orchestration_trigger(context_name="context")
def signal_unknown(context):
    context.signal_entity(df.EntityId("Nobody", "k"), "op")
    yield context.create_timer(context.current_utc_datetime)


@app.route(route="counter/{key}/{op}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def signal(req, client):
    body = req.get_body()
    await client.signal_entity(df.EntityId("Counter", req.route_params["key"]), req.route_params["op"],
                               json.loads(body) if body else None)
    return func.HttpResponse("ok")


@app.route(route="counter/{key}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def read(req, client):
    state = await client.read_entity_state(df.EntityId("cOUNTER", req.route_params["key"]))
    return func.HttpResponse(json.dumps([state.entity_exists, state.entity_state]))
'''
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    root = write_app(tmp_path_factory.mktemp("entities") / "app", {"function_app.py": APP})
    host = HostProcess(root, hub_settings(connection_string))
    yield host.start()
    host.end()


def signal(host: HostProcess, key: str, op: str, input: Any = None) -> None:
    body = "" if input is None else json.dumps(input)
    assert host.post(f"/api/counter/{key}/{op}", data=body).text == "ok"


def read(host: HostProcess, key: str) -> list[Any]:
    return host.get(f"/api/counter/{key}").json()


def test_an_entity_that_nobody_used_does_not_exist(host: HostProcess) -> None:
    assert read(host, "nobody") == [False, None]
    assert host.get(f"{MANAGEMENT}/entities/Counter/nobody").status_code == 404


def test_signals_of_the_client_change_the_state(host: HostProcess) -> None:
    for number in range(1, 11):
        signal(host, "a", "add", {"by": number})
    until(lambda: read(host, "a") == [True, 55], host=host)
    assert host.get(f"{MANAGEMENT}/entities/counter/a").json() == 55


def test_keys_keep_their_case_and_names_do_not(host: HostProcess) -> None:
    assert output(host, "call", {"name": "COUNTER", "key": "MixedKey", "op": "who"}) == ["counter", "MixedKey"]
    assert output(host, "call", {"key": "c@d", "op": "who"}) == ["counter", "c@d"]


def test_a_call_returns_the_result_and_raises_the_error_of_the_operation(host: HostProcess) -> None:
    assert output(host, "call", {"key": "e", "op": "add", "input": {"by": 5}}) == 5
    assert output(host, "call", {"key": "e", "op": "fail"}) == "raised: bad operation"
    assert output(host, "call", {"key": "e", "op": "get"}) == 105, "an error does not roll the state back"


def test_a_failing_signal_is_reported_in_the_log(host: HostProcess) -> None:
    signal(host, "failing", "fail")
    line = host.wait_for("DH6151.*@counter@failing")
    assert "bad operation" in line


def test_signals_arrive_in_order_before_a_later_call(host: HostProcess) -> None:
    assert output(host, "signal_then_call", ["ordered", 30]) == [f"n{number}" for number in range(30)]


def test_calls_from_many_sides_are_serialised(host: HostProcess) -> None:
    first = [start_instance(host, "many") for _ in range(3)]
    for instance_id in first:
        finished(host, instance_id)
    assert [read(host, f"m{number}")[1] for number in range(3)] == [15, 15, 15]


def test_an_entity_can_delete_itself_and_begin_again(host: HostProcess) -> None:
    signal(host, "d", "add", {"by": 1})
    until(lambda: read(host, "d") == [True, 1], host=host)
    signal(host, "d", "delete")
    until(lambda: read(host, "d") == [True, ""], host=host)
    assert host.get(f"{MANAGEMENT}/entities/counter/d").text == "null", "as in Azure, what is left has the state null"
    signal(host, "d", "add", {"by": 7})
    until(lambda: read(host, "d") == [True, 7], host=host)


def test_entities_are_listed_by_name_with_and_without_their_state(host: HostProcess) -> None:
    output(host, "call", {"name": "Diary", "key": "l1", "op": "note", "input": "x"})
    output(host, "call", {"name": "Diary", "key": "l2", "op": "note", "input": "y"})
    listed = host.get(f"{MANAGEMENT}/entities/Diary?fetchState=true").json()
    states = {one["entityId"]["key"]: one["state"] for one in listed}
    assert (states["l1"], states["l2"]) == (["x"], ["y"])
    assert all(one["state"] is None for one in host.get(f"{MANAGEMENT}/entities/Diary").json())
    assert {one["entityId"]["name"] for one in host.get(f"{MANAGEMENT}/entities").json()} >= {"diary"}


def test_an_entity_is_purged_like_an_instance(host: HostProcess) -> None:
    output(host, "call", {"key": "purged", "op": "add", "input": {"by": 1}})
    until(lambda: read(host, "purged")[0], host=host)
    answer = host.request("DELETE", f"{MANAGEMENT}/instances/@counter@purged")
    assert (answer.status_code, answer.json()) == (200, {"instancesDeleted": 1})
    assert read(host, "purged") == [False, None]
    assert output(host, "call", {"key": "purged", "op": "get"}) == 0


def test_unknown_entities_are_refused(host: HostProcess) -> None:
    answer = host.post(f"{MANAGEMENT}/entities/Nobody/k?op=x")
    assert answer.status_code == 400
    assert "The function 'nobody' doesn't exist" in answer.text
    told = output(host, "call", {"name": "Nobody", "key": "k", "op": "x"})
    assert told.startswith("raised: The function 'nobody' doesn't exist, is disabled, or is not an entity function.")
    failed = run(host, "signal_unknown", wanted="Failed")["output"]
    assert "The function 'nobody' doesn't exist" in failed


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "entities/Counter/a%2Fb?op=x", "", 400), ("POST", "entities/Counter/k?op=add", "{broken", 400),
        ("PUT", "entities/Counter/k", "", 404), ("GET", "entities/Counter/k/x", "", 404),
    ],
)  # fmt: skip
def test_bad_requests_are_answered(host: HostProcess, method: str, path: str, body: str, code: int) -> None:
    answer = host.request(method, f"{MANAGEMENT}/{path}", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == code, answer.text
