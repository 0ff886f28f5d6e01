"""An app of the 2.x durable SDK with a little of everything, and the expected results."""

FILES = {
    "function_app.py": """
import asyncio, json, logging
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func
from durabletask import entities, task
from durabletask.scheduled import AsyncScheduledTaskClient, ScheduleCreationOptions

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.configure_scheduled_tasks()
tries = {}


@app.activity_trigger(input_name="city")
def hello(city):
    return f"Hello {city}!"


@app.activity_trigger(input_name="value", activity="Echo")
def echo_function(value):
    return value


@app.activity_trigger(input_name="value")
async def asynchronous(value: int) -> int:
    return value + 1


@app.activity_trigger(input_name="input")
def native(ctx, input):
    return {"native": input}


@app.activity_trigger(input_name="key")
def third_time(key):
    tries[key] = tries.get(key, 0) + 1
    if tries[key] < 3:
        raise ValueError(f"try {tries[key]}\\nsecond line")
    return tries[key]


@app.activity_trigger(input_name="key")
def second_time(key):
    tries[key] = tries.get(key, 0) + 1
    if tries[key] < 2:
        raise ValueError("not yet")
    return tries[key]


@app.activity_trigger(input_name="nothing")
def fails(nothing):
    raise ValueError("boom\\nsecond line")


@app.orchestration_trigger(context_name="context")
def chain(context):
    first = yield context.call_activity("hello", "Tokyo")
    second = yield context.call_activity("HELLO", "Paris")
    context.set_custom_status({"done": 2})
    return [first, second]


@app.orchestration_trigger(context_name="context", orchestration="Inputs")
def inputs_function(context):
    values = [None, 0, "", "text", ["one"], {"a": [1, None]}, "\\u00e9\\U0001f600"]
    echoed = yield context.task_all([context.call_activity("echo", value) for value in values])
    others = yield context.task_all([context.call_activity("asynchronous", 1), context.call_activity("native", "x")])
    return [context.get_input(), echoed == values, others]


@app.orchestration_trigger(context_name="ctx")
def native_style(ctx, value):
    result = yield ctx.call_activity("Echo", input=value)
    return [result, ctx.instance_id, ctx.version]


@app.orchestration_trigger(context_name="context")
def nap(context):
    begun = context.current_utc_datetime
    yield context.create_timer(begun + timedelta(milliseconds=200))
    return (context.current_utc_datetime - begun).total_seconds()


@app.orchestration_trigger(context_name="context")
def approve(context):
    timeout = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    approval = context.wait_for_external_event("Approval")
    winner = yield context.task_any([timeout, approval])
    if winner == approval:
        timeout.cancel()
    return approval.result


@app.orchestration_trigger(context_name="context")
def two_events(context):
    first = yield context.wait_for_external_event("go")
    second = yield context.wait_for_external_event("go")
    return [first, second]


@app.orchestration_trigger(context_name="context")
def approval_of_many(context):
    number = context.get_input()
    greeting = yield context.call_activity("hello", str(number))
    approval = yield context.wait_for_external_event("Approval")
    counter = df.EntityId("Counter", f"many-{number}")
    context.signal_entity(counter, "add", number)
    kept = yield context.call_entity(counter, "get")
    return [number, greeting, approval, kept]


@app.orchestration_trigger(context_name="context")
def parent(context):
    good = yield context.call_sub_orchestrator("chain")
    named = yield context.call_sub_orchestrator("native_style", 5, f"{context.instance_id}-kid")
    try:
        yield context.call_sub_orchestrator("unhandled")
    except task.TaskFailedError as error:
        tree = []
        details = error.details
        while details is not None:
            tree.append([details.error_type, details.message])
            details = details.inner_failure
        return [good, named[0], tree]


@app.orchestration_trigger(context_name="context")
def unhandled(context):
    yield context.call_activity("fails", None)


@app.orchestration_trigger(context_name="context")
def raises(context):
    raise RuntimeError("no")


@app.orchestration_trigger(context_name="context")
def retried(context):
    key = context.instance_id
    return (yield context.call_activity_with_retry("third_time", df.RetryOptions(10, 3), key))


@app.orchestration_trigger(context_name="context")
def retried_in_vain(context):
    try:
        yield context.call_activity_with_retry("fails", df.RetryOptions(10, 2), None)
    except task.TaskFailedError as error:
        return [type(error).__name__, error.details.error_type, error.details.message]


@app.orchestration_trigger(context_name="context")
def retried_child(context):
    key = context.instance_id
    return (yield context.call_sub_orchestrator_with_retry("flaky_child", df.RetryOptions(10, 3), key, f"{key}-child"))


@app.orchestration_trigger(context_name="context")
def flaky_child(context):
    return (yield context.call_activity("second_time", context.get_input()))


@app.orchestration_trigger(context_name="context")
def missing(context):
    told = []
    for call in (context.call_activity("nobody", 1), context.call_sub_orchestrator("nobody")):
        try:
            yield call
        except task.TaskFailedError as error:
            told.append(error.details.message)
    return told


@app.orchestration_trigger(context_name="context")
def fan(context):
    count = context.get_input()
    results = yield context.task_all([context.call_activity("Echo", number) for number in range(count)])
    return results == list(range(count))


@app.orchestration_trigger(context_name="ctx")
def again(ctx, number):
    if number >= 3:
        event = yield ctx.wait_for_external_event("kept")
        return [number, event]
    yield ctx.wait_for_external_event("next")
    yield ctx.call_activity("hello", input=str(number))
    ctx.set_custom_status(f"was {number}")
    ctx.continue_as_new(number + 1, save_events=True)


@app.orchestration_trigger(context_name="context")
def steps(context):
    for number in range(context.get_input()):
        yield context.call_activity("Echo", number)
    return "end"


@app.orchestration_trigger(context_name="context")
def early(context):
    context.call_activity("hello", "nobody waits")
    context.create_timer(context.current_utc_datetime + timedelta(days=1))
    yield context.call_activity("hello", "x")
    return "at once"


@app.orchestration_trigger(context_name="context")
def changed(context):
    if tries.get(context.instance_id):
        yield context.call_activity("Echo", "other")
    else:
        tries[context.instance_id] = 1
        yield context.call_activity("hello", "x")
    yield context.wait_for_external_event("go")


@app.orchestration_trigger(context_name="context")
def rewindable(context):
    return (yield context.call_activity("second_time", context.instance_id))


@app.orchestration_trigger(context_name="ctx")
def native_sender(ctx, target):
    ctx.send_event(target, "Approval", data={"from": "orchestrator"})
    return "sent"


@app.orchestration_trigger(context_name="context")
def entity_calls(context):
    counter = df.EntityId("Counter", context.instance_id)
    context.signal_entity(counter, "add", 3)
    value = yield context.call_entity(counter, "get")
    try:
        yield context.call_entity(counter, "fail")
    except task.TaskFailedError as error:
        told = [error.details.inner_failure.error_type, error.details.inner_failure.message]
    after = yield context.call_entity(counter, "get")
    return [value, told, after]


@app.orchestration_trigger(context_name="ctx")
def locks(ctx, rounds):
    first, second = (entities.EntityInstanceId("Counter", key) for key in ("lock-a", "lock-b"))
    for _ in range(rounds):
        with (yield ctx.lock_entities([second, first])):
            value = yield ctx.call_entity(first, "get")
            yield ctx.call_entity(second, "get")
            yield ctx.call_entity(first, "set", input=value + 1)
    return "unlocked"


@app.orchestration_trigger(context_name="ctx")
def reads(ctx, key):
    return (yield ctx.call_entity(entities.EntityInstanceId("Counter", key), "get"))


@app.orchestration_trigger(context_name="ctx")
def class_entity(ctx, value):
    box = entities.EntityInstanceId("Box", ctx.instance_id)
    yield ctx.call_entity(box, "put", input=value)
    kept = yield ctx.call_entity(box, "take")
    yield ctx.call_entity(box, "delete")
    return [kept, (yield ctx.call_entity(box, "take"))]


@app.orchestration_trigger(context_name="ctx")
def entity_actions(ctx, _):
    relay = entities.EntityInstanceId("Relay", ctx.instance_id)
    child = yield ctx.call_entity(relay, "start")
    other = entities.EntityInstanceId("Counter", f"{ctx.instance_id}-other")
    for _ in range(200):
        value = yield ctx.call_entity(other, "get")
        if value:
            return [child, value]
        yield ctx.create_timer(timedelta(milliseconds=100))


@app.orchestration_trigger(context_name="ctx")
def nobodys_entity(ctx, _):
    try:
        yield ctx.call_entity(entities.EntityInstanceId("nobody", "1"), "get")
    except task.TaskFailedError as error:
        return error.details.inner_failure.message


@app.orchestration_trigger(context_name="context")
def calls_http(context):
    response = yield context.call_http("GET", context.get_input())
    return [response.status_code, response.content]


@app.entity_trigger(context_name="context")
def Counter(context):
    value = context.get_state(lambda: 0)
    operation = context.operation_name
    if operation == "add":
        context.set_state(value + context.get_input())
    elif operation == "set":
        context.set_state(context.get_input())
    elif operation == "fail":
        context.set_state(999)
        raise ValueError("bad")
    context.set_result(value)


@app.entity_trigger(context_name="context")
class Box(entities.DurableEntity):
    def put(self, value):
        self.set_state(value)

    def take(self):
        return self.get_state()


@app.entity_trigger(context_name="ctx")
def Relay(ctx, input):
    other = entities.EntityInstanceId("Counter", f"{ctx.entity_id.key}-other")
    ctx.signal_entity(other, "add", 5)
    return ctx.schedule_new_orchestration("chain")


@app.route(route="clients/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def asynchronous_client(req: func.HttpRequest, client: df.DurableFunctionsClient):
    id = await client.start_new(req.route_params["name"], None, {"by": "client"})
    await client.raise_event(id, "Approval", {"from": "client"})
    await client.wait_for_orchestration_completion(id, timeout=30)
    status = await client.get_status(id, show_history=True)
    kinds = [one["EventType"] for one in status.to_json()["historyEvents"]]
    return json.dumps([status.runtime_status.name, status.output, kinds])


@app.route(route="synchronous/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
def synchronous_client(req: func.HttpRequest, client):
    id = client.schedule_new_orchestration(req.route_params["name"], input=3)
    state = client.wait_for_orchestration_completion(id, timeout=30)
    return json.dumps([state.runtime_status.name, json.loads(state.serialized_output)])


@app.route(route="schedules/{id}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def schedules(req: func.HttpRequest, client: df.DurableFunctionsClient):
    id = req.route_params["id"]
    tasks = AsyncScheduledTaskClient(client)
    await tasks.create_schedule(
        ScheduleCreationOptions(id, "native_style", timedelta(seconds=1), "scheduled", f"{id}-run")
    )
    state = None
    for _ in range(100):
        state = await client.get_orchestration_state(f"{id}-run")
        if state is not None and state.serialized_output:
            break
        await asyncio.sleep(0.1)
    described = await tasks.get_schedule(id)
    await tasks.get_schedule_client(id).delete()
    return json.dumps([described.schedule_id, json.loads(state.serialized_output)[0]])


@app.route(route="ping")
def ping(req: func.HttpRequest) -> str:
    return "pong"
""",
}
