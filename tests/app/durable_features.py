"""An app that uses a little of every feature of Durable Functions, for other interpreters and SDK versions.

It sticks to what the oldest tested SDK (1.2.9) knows.
"""

from typing import Any

from durable_world import HEADER, finished, output, raise_event, run, start_instance, wait_custom_status
from host_process import HostProcess, until

APP = (
    HEADER
    + '''
import shapes

tries = {}


@app.activity_trigger(input_name="value")
def echo(value):
    return value


@app.activity_trigger(input_name="order")
async def flaky(order):
    tries[order["key"]] = tries.get(order["key"], 0) + 1
    if tries[order["key"]] < order["times"]:
        raise ValueError(f"try {tries[order['key']]}")
    return tries[order["key"]]


@app.activity_trigger(input_name="point")
def moved(point: shapes.Point) -> shapes.Point:
    return shapes.Point(point.x + 1, point.y + 1)


@app.orchestration_trigger(context_name="context")
def everything(context):
    """Chain, fan-out, retries, child, any and all, timers, entities, custom objects: what each gave, by name."""
    given = context.get_input()
    told = {"chain": (yield context.call_activity("echo", given))}
    fan = yield context.task_all([context.call_activity("echo", n) for n in range(5)])
    told["fan"] = fan
    order = {"key": context.instance_id, "times": 2}
    told["retry"] = yield context.call_activity_with_retry("flaky", df.RetryOptions(50, 3), order)
    try:
        yield context.call_activity_with_retry(
            "flaky", df.RetryOptions(20, 2), {"key": context.instance_id + "x", "times": 9})
    except Exception as error:
        told["gave_up"] = "try 2" in str(error)
    told["child"] = yield context.call_sub_orchestrator("child", {"n": 1}, context.instance_id + "-child")
    told["child_retry"] = yield context.call_sub_orchestrator_with_retry("flaky_child", df.RetryOptions(20, 3), order)
    timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    quick = context.call_activity("echo", "quick")
    winner = yield context.task_any([timer, quick])
    told["any"] = winner == quick
    timer.cancel()
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=50))
    entity = df.EntityId("Tally", context.instance_id)
    context.signal_entity(entity, "add", 2)
    told["entity"] = yield context.call_entity(entity, "add", 3)
    point = yield context.call_activity("moved", shapes.Point(1, 2))
    told["point"] = [type(point).__name__, point.x, point.y]
    told["guids"] = len({str(context.new_guid()), str(context.new_guid())})
    told["replaying"] = context.is_replaying
    context.set_custom_status({"stage": "done"})
    return told


@app.orchestration_trigger(context_name="context")
def child(context):
    return {"input": context.get_input(), "parent": context.parent_instance_id}


@app.orchestration_trigger(context_name="context")
def flaky_child(context):
    order = context.get_input()
    return (yield context.call_activity("flaky", {**order, "key": order["key"] + "-child", "times": 2}))


@app.orchestration_trigger(context_name="context")
def approval(context):
    context.set_custom_status("waiting")
    deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    approved = context.wait_for_external_event("Approval")
    winner = yield context.task_any([approved, deadline])
    if winner == approved:
        deadline.cancel()
        return approved.result
    return "expired"


@app.orchestration_trigger(context_name="context")
def generations(context):
    n = context.get_input()
    yield context.call_activity("echo", n)
    if n < 5:
        context.continue_as_new(n + 1)
        return None
    return n


@app.orchestration_trigger(context_name="context")
def failing(context):
    yield context.call_activity("echo", 1)
    raise ValueError("no good")


@app.entity_trigger(context_name="context")
def Tally(context):
    total = context.get_state(lambda: 0)
    if context.operation_name == "add":
        total += context.get_input()
        context.set_state(total)
    context.set_result(total)


@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client):
    instance_id = await client.start_new(req.route_params["name"], None, req.get_json())
    return client.create_check_status_response(req, instance_id)


@app.route(route="about/{instance}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def about(req, client):
    status = await client.get_status(req.route_params["instance"])
    entity = await client.read_entity_state(df.EntityId("Tally", req.route_params["instance"]))
    return func.HttpResponse(json.dumps(
        [status.runtime_status.name, status.custom_status, entity.entity_state]))
'''
)

SHAPES = """
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    @staticmethod
    def to_json(point):
        return {"x": point.x, "y": point.y}

    @staticmethod
    def from_json(data):
        return Point(data["x"], data["y"])
"""

FILES = {"function_app.py": APP, "shapes.py": SHAPES}


def check_everything(host: HostProcess) -> None:
    """Fail if a feature does not work."""
    urls = host.post("/api/start/everything", json={"a": ["\u00e4", None]}).json()
    instance_id = urls["id"]
    told: dict[str, Any] = finished(host, instance_id)["output"]
    assert told == {
        "chain": {"a": ["\u00e4", None]}, "fan": [0, 1, 2, 3, 4], "retry": 2, "gave_up": True,
        "child": {"input": {"n": 1}, "parent": instance_id}, "child_retry": 2, "any": True, "entity": 5,
        "point": ["Point", 2, 3], "guids": 2, "replaying": False,
    }  # fmt: skip
    until(lambda: host.get(f"/api/about/{instance_id}").json() == ["Completed", {"stage": "done"}, 5], host=host)


def check_events(host: HostProcess) -> None:
    waiting = start_instance(host, "approval")
    wait_custom_status(host, waiting, "waiting")
    raise_event(host, waiting, "Approval", {"by": "me"})
    assert finished(host, waiting)["output"] == {"by": "me"}


def check_endings(host: HostProcess) -> None:
    assert output(host, "generations", 1) == 5
    assert run(host, "failing", wanted="Failed")["output"] == "Orchestrator function 'failing' failed: no good"
