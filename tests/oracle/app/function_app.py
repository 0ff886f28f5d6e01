"""The functions of the official worker, with the same names and the same contracts.

`GATES` names a folder: an activity that waits for gate `x` continues when the file `x` exists.
"""

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def is_open(gate):
    return not gate or (Path(os.environ["GATES"]) / gate).exists()


def input_of(context):
    """The input as a dict, whichever client encoded it."""
    value = context.get_input()
    if isinstance(value, str):
        value = json.loads(value)
    return value or {}


@app.orchestration_trigger(context_name="context")
def HelloSequence(context):
    said = []
    for city in ("Tokyo", "Seattle", "London"):
        said.append((yield context.call_activity("Hello", city)))
    return said


@app.orchestration_trigger(context_name="context")
def WaitForApproval(context):
    before = yield context.call_activity("Hello", "before")
    approval = yield context.wait_for_external_event("Approval")
    return [before, approval, (yield context.call_activity("Hello", "after"))]


@app.orchestration_trigger(context_name="context")
def ApprovalOrTimeout(context):
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=input_of(context)["seconds"]))
    approval = context.wait_for_external_event("Approval")
    winner = yield context.task_any([approval, timer])
    if winner is approval:
        timer.cancel()
        return ["event", approval.result, (yield context.call_activity("Hello", "approved"))]
    return ["timer", None, (yield context.call_activity("Hello", "late"))]


@app.orchestration_trigger(context_name="context")
def TwoEvents(context):
    first = yield context.wait_for_external_event("A")
    return [first, (yield context.wait_for_external_event("B"))]


@app.orchestration_trigger(context_name="context")
def FanOut(context):
    given = input_of(context)
    gates = [None if value % 2 == 0 else given["gate"] for value in range(given["n"])]
    tasks = [context.call_activity("Gate", {"gate": gate, "value": value}) for value, gate in enumerate(gates)]
    return (yield context.task_all(tasks))


@app.orchestration_trigger(context_name="context")
def Parent(context):
    children = [
        context.call_sub_orchestrator("Child", {"value": number}, f"{context.instance_id}-{number}")
        for number in range(input_of(context)["n"])
    ]
    return (yield context.task_all(children))


@app.orchestration_trigger(context_name="context")
def Child(context):
    go = yield context.wait_for_external_event("Go")
    return [input_of(context)["value"], go, (yield context.call_activity("Hello", "child"))]


@app.orchestration_trigger(context_name="context")
def Retry(context):
    given = input_of(context)
    options = df.RetryOptions(int(given["seconds"] * 1000), 5)
    return (yield context.call_activity_with_retry("FailUntil", options, {"gate": given["gate"]}))


@app.orchestration_trigger(context_name="context")
def Tally(context):
    total = input_of(context).get("total", 0)
    context.set_custom_status({"total": total})
    added = yield context.wait_for_external_event("Add")
    if isinstance(added, str):
        return total
    context.continue_as_new({"total": total + added})


@app.orchestration_trigger(context_name="context")
def Countdown(context):
    given = input_of(context)
    if given["n"] == 0:
        return "done"
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=given["seconds"]))
    context.continue_as_new({"n": given["n"] - 1, "seconds": given["seconds"]})


@app.orchestration_trigger(context_name="context")
def EntityCaller(context):
    counter = df.EntityId("counter", input_of(context)["key"])
    first = yield context.call_entity(counter, "add", 1)
    context.signal_entity(counter, "add", 10)
    go = yield context.wait_for_external_event("Go")
    added = yield context.call_entity(counter, "add", 100)
    return [first, go, added, (yield context.call_entity(counter, "get"))]


@app.orchestration_trigger(context_name="context")
def Large(context):
    text = input_of(context)["text"]
    echo = yield context.call_activity("Echo", text)
    return [text, echo, (yield context.wait_for_external_event("Go"))]


@app.orchestration_trigger(context_name="context")
def FailOnce(context):
    before = yield context.call_activity("Hello", "before")
    return [before, (yield context.call_activity("FailUntil", {"gate": input_of(context)["gate"]}))]


@app.orchestration_trigger(context_name="context")
def Stages(context):
    context.set_custom_status("waiting")
    go = yield context.wait_for_external_event("Go")
    context.set_custom_status({"done": go})
    yield context.call_activity("Hello", "stage")
    return "ok"


@app.orchestration_trigger(context_name="context")
def AllFails(context):
    slow = context.call_activity("Gate", {"gate": input_of(context)["gate"], "value": 1})
    fails = context.call_activity("FailUntil", {"gate": "never"})
    outcome = "no failure"
    try:
        yield context.task_all([slow, fails])
    except Exception:
        outcome = "caught"
    said = yield context.call_activity("Hello", "after failure")
    return [outcome, said, (yield context.wait_for_external_event("Go"))]


@app.activity_trigger(input_name="name")
def Hello(name):
    return f"Hello {name}!"


@app.activity_trigger(input_name="value")
def Echo(value):
    return value


@app.activity_trigger(input_name="given")
async def Gate(given: dict):
    while not is_open(given["gate"]):
        await asyncio.sleep(0.05)
    return given["value"]


@app.activity_trigger(input_name="given")
def FailUntil(given: dict):
    if is_open(given["gate"]):
        return "ok"
    raise ValueError("not yet")


@app.entity_trigger(context_name="context")
def counter(context):
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        value += context.get_input()
        context.set_state(value)
    context.set_result(value)
