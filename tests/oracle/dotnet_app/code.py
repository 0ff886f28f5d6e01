"""The functions of the official worker for the scripted .NET worker, with the same names and the same contracts.

Inputs of activities, children and later executions are JSON text in a JSON string, as those of the official worker.
"""

import asyncio
import json
import os
import uuid
from pathlib import Path
from typing import Any

import scripted_core
from scripted_core import TaskFailure, activity, entity, orchestration

scripted_core.GUIDS = uuid.UUID("9e952959-5e33-4daf-827f-2fa12937b875")
"""The namespace of the official worker's identifiers."""


def decoded(value: Any) -> Any:
    """The value, whichever client encoded it."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def input_of(context: Any) -> Any:
    return decoded(context.input) or {}


def call(context, name, value):
    return context.activity(name, json.dumps(value))


def is_open(gate):
    return not gate or (Path(os.environ["GATES"]) / gate).exists()


@orchestration
def HelloSequence(context):
    said = []
    for city in ("Tokyo", "Seattle", "London"):
        said.append((yield call(context, "Hello", city)))
    return said


@orchestration
def WaitForApproval(context):
    before = yield call(context, "Hello", "before")
    approval = yield context.event("Approval")
    return [before, approval, (yield call(context, "Hello", "after"))]


@orchestration
def ApprovalOrTimeout(context):
    timer = context.timer(input_of(context)["seconds"])
    approval = context.event("Approval")
    if (yield context.any(approval, timer)) is approval:
        return ["event", approval.outcome()[0], (yield call(context, "Hello", "approved"))]
    return ["timer", None, (yield call(context, "Hello", "late"))]


@orchestration
def TwoEvents(context):
    first = yield context.event("A")
    return [first, (yield context.event("B"))]


@orchestration
def FanOut(context):
    given = input_of(context)
    gates = [None if value % 2 == 0 else given["gate"] for value in range(given["n"])]
    return (
        yield context.all([call(context, "Gate", {"gate": gate, "value": value}) for value, gate in enumerate(gates)])
    )


@orchestration
def Parent(context):
    return (
        yield context.all(
            [
                context.child("Child", json.dumps({"value": number}), f"{context.instance_id}-{number}")
                for number in range(input_of(context)["n"])
            ]
        )
    )


@orchestration
def Child(context):
    go = yield context.event("Go")
    return [input_of(context)["value"], go, (yield call(context, "Hello", "child"))]


@orchestration
def Retry(context):
    given = input_of(context)
    text = json.dumps({"gate": given["gate"]})
    return (yield from context.retried("FailUntil", text, attempts=5, seconds=given["seconds"]))


@orchestration
def Tally(context):
    total = input_of(context).get("total", 0)
    context.custom_status({"total": total})
    added = yield context.event("Add")
    if isinstance(added, str):
        return total
    context.continue_as_new(json.dumps({"total": total + added}))


@orchestration
def Countdown(context):
    given = input_of(context)
    if given["n"] == 0:
        return "done"
    yield context.timer(given["seconds"])
    context.continue_as_new(json.dumps({"n": given["n"] - 1, "seconds": given["seconds"]}))


@orchestration
def EntityCaller(context):
    counter = f"@counter@{input_of(context)['key']}"
    first = yield context.call_entity(counter, "add", json.dumps(1))
    context.signal_entity(counter, "add", json.dumps(10))
    go = yield context.event("Go")
    added = yield context.call_entity(counter, "add", json.dumps(100))
    return [first, go, added, (yield context.call_entity(counter, "get", json.dumps(None)))]


@orchestration
def Large(context):
    text = input_of(context)["text"]
    echo = yield call(context, "Echo", text)
    return [text, echo, (yield context.event("Go"))]


@orchestration
def FailOnce(context):
    before = yield call(context, "Hello", "before")
    return [before, (yield call(context, "FailUntil", {"gate": input_of(context)["gate"]}))]


@orchestration
def Stages(context):
    context.custom_status("waiting")
    go = yield context.event("Go")
    context.custom_status({"done": go})
    yield call(context, "Hello", "stage")
    return "ok"


@orchestration
def AllFails(context):
    slow = call(context, "Gate", {"gate": input_of(context)["gate"], "value": 1})
    fails = call(context, "FailUntil", {"gate": "never"})
    outcome = "no failure"
    try:
        yield context.all([slow, fails])
    except TaskFailure:
        outcome = "caught"
    said = yield call(context, "Hello", "after failure")
    return [outcome, said, (yield context.event("Go"))]


@activity
def Hello(name):
    return f"Hello {decoded(name)}!"


@activity
def Echo(value):
    return decoded(value)


@activity
async def Gate(given):
    given = decoded(given)
    while not is_open(given["gate"]):
        await asyncio.sleep(0.05)
    return given["value"]


@activity
def FailUntil(given):
    if is_open(decoded(given)["gate"]):
        return "ok"
    raise ValueError("not yet")


@entity
def counter(value: Any, operation: str, given: Any):
    value = value or 0
    if operation == "add":
        value += decoded(given)
    return value, value
