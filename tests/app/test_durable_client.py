"""The SDK's client in HTTP functions, against the real host.

Source: docs/protocol/durable-client.md#client-payload, docs/protocol/durable-client.md#requests-of-the-sdk-client
"""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from durable_world import HEADER, MANAGEMENT, finished, raise_event, start_instance, wait_custom_status
from host_process import HostProcess, hub_settings, until, write_app

APP = (
    HEADER
    + '''
@app.orchestration_trigger(context_name="context")
def waiting(context):
    context.set_custom_status("waiting")
    return (yield context.wait_for_external_event("go"))


@app.orchestration_trigger(context_name="context")
def quick(context):
    return context.get_input()


@app.orchestration_trigger(context_name="context")
def failing(context):
    raise ValueError("always")
    yield


@app.orchestration_trigger(context_name="context")
def fails_late(context):
    yield context.call_activity("count", "late")
    yield context.call_activity("fail", None)


@app.activity_trigger(input_name="nothing")
def fail(nothing):
    raise RuntimeError("never good")


@app.orchestration_trigger(context_name="context")
def rewound(context):
    first = yield context.call_activity("count", "rewound")
    second = yield context.call_activity("mend", "second")
    child = yield context.call_sub_orchestrator("rewound_child")
    return [first, second, child]


@app.orchestration_trigger(context_name="context")
def rewound_child(context):
    return (yield context.call_activity("mend", "child"))


counts = {}
@app.activity_trigger(input_name="key")
def count(key):
    counts[key] = counts.get(key, 0) + 1
    return counts[key]


mended = set()
@app.activity_trigger(input_name="key")
def mend(key):
    if key not in mended:
        mended.add(key)
        raise RuntimeError(f"{key} fails at first")
    return f"{key} mended"


def shown(status):
    told = status.to_json() if status else None
    return told if told is None else {**told, "historyEvents": getattr(status, "historyEvents", None)}


@app.route(route="client/{operation}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def client_operation(req, client):
    """Runs one operation of the client and reports what it returned or raised."""
    order = req.get_json() if req.get_body() else {}
    arguments, named = order.get("args", []), order.get("kwargs", {})
    operation = req.route_params["operation"]
    times = {name: datetime.fromisoformat(value) for name, value in named.items() if name.startswith("created_time")}
    statuses = [df.OrchestrationRuntimeStatus[name] for name in named.get("runtime_status", ())]
    named = {**named, **times, **({"runtime_status": statuses} if statuses else {})}
    try:
        result = await getattr(client, operation)(*arguments, **named)
    except Exception as error:
        return func.HttpResponse(json.dumps({"raised": str(error), "type": type(error).__name__}))
    if operation == "get_status":
        result = shown(result)
    elif isinstance(result, list):
        result = [shown(one) for one in result]
    elif hasattr(result, "instances_deleted"):
        result = result.instances_deleted
    return func.HttpResponse(json.dumps({"returned": result}, default=str))


@app.route(route="wait/{instance}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def wait(req, client):
    return await client.wait_for_completion_or_create_check_status_response(
        req, req.route_params["instance"], int(req.params["timeout"]), 50)


@app.route(route="check/{instance}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def check(req, client):
    return client.create_check_status_response(req, req.route_params["instance"])


@app.route(route="payload", methods=["GET"])
@app.durable_client_input(client_name="client")
async def payload(req, client):
    return func.HttpResponse(json.dumps(client.create_http_management_payload("some-id")))
'''
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    root = write_app(tmp_path_factory.mktemp("client") / "app", {"function_app.py": APP})
    host = HostProcess(root, hub_settings(connection_string))
    yield host.start()
    host.end()


def call(host: HostProcess, operation: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return host.post(f"/api/client/{operation}", json={"args": args, "kwargs": kwargs}).json()


def returned(host: HostProcess, operation: str, *args: Any, **kwargs: Any) -> Any:
    answer = call(host, operation, *args, **kwargs)
    assert "returned" in answer, answer
    return answer["returned"]


def raised(host: HostProcess, operation: str, *args: Any, **kwargs: Any) -> str:
    answer = call(host, operation, *args, **kwargs)
    assert "raised" in answer, answer
    return answer["raised"]


def fresh(prefix: str = "i") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def waiting_instance(host: HostProcess) -> str:
    instance_id = returned(host, "start_new", "waiting")
    wait_custom_status(host, instance_id, "waiting")
    return instance_id


def test_start_with_and_without_an_id(host: HostProcess) -> None:
    generated = returned(host, "start_new", "quick", None, {"a": [1, None, "\u00e4"]})
    assert len(generated) == 32
    assert finished(host, generated)["output"] == {"a": [1, None, "\u00e4"]}
    given = "given id \u00e4+:&=" + fresh()
    assert returned(host, "start_new", "quick", given, 1) == given
    assert returned(host, "get_status", given)["instanceId"] == given


def test_what_cannot_be_started_raises_with_the_reason(host: HostProcess) -> None:
    assert raised(host, "start_new", "nothing").startswith("The function 'nothing' doesn't exist")
    assert "must not start with @" in raised(host, "start_new", "quick", "@x")
    assert "must not exceed 256" in raised(host, "start_new", "quick", "x" * 257)


def test_an_id_in_use_is_refused_and_one_that_has_ended_is_taken_over(host: HostProcess) -> None:
    instance_id = waiting_instance(host)
    assert "already exists" in raised(host, "start_new", "quick", instance_id)
    raise_event(host, instance_id, "go", 1)
    finished(host, instance_id)
    assert returned(host, "start_new", "quick", instance_id, 7) == instance_id
    until(lambda: host.status(instance_id)["output"] == 7, host=host)


def test_status_with_input_and_history(host: HostProcess) -> None:
    instance_id = returned(host, "start_new", "fails_late", None, {"in": 1})
    finished(host, instance_id, "Failed")
    plain = returned(host, "get_status", instance_id)
    assert (plain["name"], plain["runtimeStatus"], plain["historyEvents"]) == ("fails_late", "Failed", None)
    full = returned(host, "get_status", instance_id, show_history=True, show_history_output=True, show_input=True)
    assert json.loads(full["input"]) == {"in": 1}
    kinds = [event["EventType"] for event in full["historyEvents"]]
    assert kinds == ["ExecutionStarted", "TaskCompleted", "TaskFailed", "ExecutionCompleted"]
    assert full["historyEvents"][1]["FunctionName"] == "count"
    assert returned(host, "get_status", "no-such-instance") is None


def test_wait_for_completion_answers_with_the_output_or_with_the_urls(host: HostProcess) -> None:
    done = returned(host, "start_new", "quick", None, {"x": 1})
    answer = host.get(f"/api/wait/{done}?timeout=20000")
    assert (answer.status_code, answer.json()) == (200, {"x": 1})
    failed = returned(host, "start_new", "failing")
    answer = host.get(f"/api/wait/{failed}?timeout=20000")
    assert (answer.status_code, answer.json()["runtimeStatus"]) == (500, "Failed")
    running = waiting_instance(host)
    answer = host.get(f"/api/wait/{running}?timeout=100")
    assert (answer.status_code, answer.json()["id"]) == (202, running)
    assert answer.headers["Location"] == answer.json()["statusQueryGetUri"]


def test_management_urls_are_not_built_with_a_name_that_is_not_of_this_machine(host: HostProcess) -> None:
    for name in ("evil.example", "evil.example:7071", "127.0.0.1.evil.example"):
        answer = host.get("/api/check/some-id", headers={"Host": name})
        assert answer.status_code == 202
        assert "evil.example" not in answer.text + answer.headers["Location"]
        assert answer.headers["Location"].startswith(f"{host.base_url}/runtime/webhooks/durabletask/instances/some-id?")
    own = host.base_url.replace("localhost", "127.0.0.1")
    assert host.get(f"{own}/api/check/some-id").headers["Location"].startswith(own)


def test_the_check_status_response_has_urls_that_work(host: HostProcess) -> None:
    instance_id = waiting_instance(host)
    answer = host.get(f"/api/check/{instance_id}")
    urls = answer.json()
    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "10")
    assert host.get(urls["statusQueryGetUri"]).json()["runtimeStatus"] == "Running"
    for reason, url, wanted in (("so", "suspendPostUri", "Suspended"), ("on", "resumePostUri", "Running")):
        assert host.post(urls[url].replace("{text}", reason)).status_code == 202
        host.wait_status(instance_id, wanted)
    assert host.post(urls["sendEventPostUri"].replace("{eventName}", "go"), json=1).status_code == 202
    finished(host, instance_id)
    assert host.post(urls["restartPostUri"]).status_code == 202
    assert host.request("DELETE", urls["purgeHistoryDeleteUri"]).json() == {"instancesDeleted": 1}
    assert host.post(urls["terminatePostUri"].replace("{text}", "x")).status_code == 404


def test_the_management_payload_names_every_operation(host: HostProcess) -> None:
    payload = host.get("/api/payload").json()
    assert set(payload) == {
        "id", "statusQueryGetUri", "sendEventPostUri", "terminatePostUri", "rewindPostUri", "purgeHistoryDeleteUri",
        "restartPostUri", "suspendPostUri", "resumePostUri",
    }  # fmt: skip
    assert all("some-id" in value for value in payload.values())


def test_events_of_the_client_arrive_as_json_text(host: HostProcess) -> None:
    instance_id = waiting_instance(host)
    assert returned(host, "raise_event", instance_id, "go", {"a": 1}) is None
    assert json.loads(finished(host, instance_id)["output"]) == {"a": 1}
    assert "is gone" in raised(host, "raise_event", instance_id, "go", 1)
    assert raised(host, "raise_event", "no-such", "go", 1) == "No instance with ID no-such found."


def test_suspend_holds_events_back_until_resume(host: HostProcess) -> None:
    instance_id = waiting_instance(host)
    returned(host, "suspend", instance_id, "because")
    host.wait_status(instance_id, "Suspended")
    returned(host, "raise_event", instance_id, "go", 5)
    assert returned(host, "suspend", instance_id, "again") is None
    assert host.status(instance_id)["runtimeStatus"] == "Suspended"
    returned(host, "resume", instance_id, "enough")
    assert finished(host, instance_id)["output"] == "5"
    assert "No instance" in raised(host, "suspend", "no-such", "x")


def test_suspend_and_resume_without_a_pause_between_them_leave_the_instance_running(host: HostProcess) -> None:
    instance_id = waiting_instance(host)
    for _ in range(5):
        assert returned(host, "suspend", instance_id, "because") is None
        assert returned(host, "resume", instance_id, "enough") is None
    returned(host, "raise_event", instance_id, "go", 5)
    assert finished(host, instance_id)["output"] == "5"


def test_terminate_ends_an_instance_with_its_reason(host: HostProcess) -> None:
    instance_id = waiting_instance(host)
    returned(host, "terminate", instance_id, "enough & more \u00e4")
    assert finished(host, instance_id, "Terminated")["output"] == "enough & more \u00e4"
    assert returned(host, "terminate", instance_id, "again") is None
    assert "No instance" in raised(host, "terminate", "no-such", "x")


def test_rewind_runs_only_what_failed_again_also_in_children(host: HostProcess) -> None:
    instance_id = returned(host, "start_new", "rewound")
    finished(host, instance_id, "Failed")
    returned(host, "rewind", instance_id, "the activity is mended now")
    failed_again = until(lambda: _failed_with(host, instance_id, "child"), host=host)
    assert "rewound_child" in failed_again["output"]
    returned(host, "rewind", instance_id, "the child's activity is mended now")
    until(lambda: host.status(instance_id)["runtimeStatus"] == "Completed", host=host)
    assert host.status(instance_id)["output"] == [1, "second mended", "child mended"]
    assert 'only orchestrations in the "Failed" state' in raised(host, "rewind", instance_id, "again")
    assert "No instance" in raised(host, "rewind", "no-such", "x")


def test_restart_runs_an_instance_again(host: HostProcess) -> None:
    instance_id = returned(host, "start_new", "quick", None, {"again": 1})
    finished(host, instance_id)
    answer = returned(host, "restart", instance_id)
    other = answer["id"] if isinstance(answer, dict) else answer
    assert other != instance_id
    assert finished(host, other)["output"] == {"again": 1}
    answer = returned(host, "restart", instance_id, False)
    assert (answer["id"] if isinstance(answer, dict) else answer) == instance_id
    assert finished(host, instance_id)["output"] == {"again": 1}


def test_instances_are_listed_and_filtered(host: HostProcess) -> None:
    prefix = fresh("list")
    for number in range(3):
        start_instance(host, "quick", number, instance_id=f"{prefix}-{number}")
        finished(host, f"{prefix}-{number}")
    start_instance(host, "waiting", instance_id=f"{prefix}-running")
    assert len(returned(host, "get_status_all")) >= 4
    some = returned(host, "get_status_by", created_time_from="2020-01-01T00:00:00", runtime_status=["Completed"])
    mine = [one["instanceId"] for one in some if one["instanceId"].startswith(prefix)]
    assert sorted(mine) == [f"{prefix}-{number}" for number in range(3)]
    page = host.get(f"{MANAGEMENT}/instances?instanceIdPrefix={prefix}&top=2")
    token = page.headers["x-ms-continuation-token"]
    rest = host.get(
        f"{MANAGEMENT}/instances?instanceIdPrefix={prefix}&top=2", headers={"x-ms-continuation-token": token}
    )
    assert len(page.json()) == len(rest.json()) == 2


def test_purge_by_id_and_by_filter(host: HostProcess) -> None:
    done, running = returned(host, "start_new", "quick", None, 1), waiting_instance(host)
    finished(host, done)
    assert returned(host, "purge_instance_history", done) == 1
    assert returned(host, "purge_instance_history", done) == 0
    assert "412" in raised(host, "purge_instance_history", running)
    again = returned(host, "start_new", "failing")
    finished(host, again, "Failed")
    purged = returned(
        host, "purge_instance_history_by", created_time_from="2020-01-01T00:00:00", runtime_status=["Failed"]
    )
    assert purged >= 1
    assert returned(host, "get_status", again) is None
    assert returned(host, "get_status", running)["runtimeStatus"] == "Running"


def _failed_with(host: HostProcess, instance_id: str, word: str) -> dict[str, Any] | None:
    found = host.status(instance_id)
    return found if found["runtimeStatus"] == "Failed" and word in found["output"] else None
