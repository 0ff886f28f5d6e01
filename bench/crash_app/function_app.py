"""One orchestrator per pattern. All names that belong to a run start with the run's instance ID."""

import os
import random
import time
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def log(name: str) -> None:
    """Append a line `name<tab>nanoseconds` to the record of what ran."""
    with open(os.environ["RUNS"], "a", encoding="utf-8") as runs:
        runs.write(f"{name}\t{time.time_ns()}\n")


@app.orchestration_trigger(context_name="context")
def approvals(context: df.DurableOrchestrationContext):
    received = []
    for number in range(3):
        context.set_custom_status(f"waits {number}")
        received.append(int((yield context.wait_for_external_event("Approval"))))
    return received


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext):
    results = []
    for number in range(3):
        results.append((yield context.call_activity("step", f"{context.instance_id} {number}")))
    return results


@app.orchestration_trigger(context_name="context")
def fan(context: df.DurableOrchestrationContext):
    return (yield context.task_all([context.call_activity("step", f"{context.instance_id} {n}") for n in range(4)]))


@app.orchestration_trigger(context_name="context")
def calls(context: df.DurableOrchestrationContext):
    counter = df.EntityId("counter", context.instance_id)
    context.signal_entity(counter, "add", 1)
    return (yield context.call_entity(counter, "add", 1))


@app.orchestration_trigger(context_name="context")
def timers(context: df.DurableOrchestrationContext):
    due = context.current_utc_datetime + timedelta(seconds=1.5)
    timer = context.create_timer(due)
    results = yield context.task_all([timer, context.call_activity("step", f"{context.instance_id} 0")])
    return [context.current_utc_datetime >= due, results[1]]


@app.orchestration_trigger(context_name="context")
def parents(context: df.DurableOrchestrationContext):
    return (yield context.call_sub_orchestrator("nested", None, f"{context.instance_id}-child"))


@app.orchestration_trigger(context_name="context")
def nested(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("step", f"{context.instance_id} 0"))


@app.orchestration_trigger(context_name="context")
def generations(context: df.DurableOrchestrationContext):
    number = context.get_input() or 0
    done = yield context.call_activity("step", f"{context.instance_id} {number}")
    if number == 2:
        return done
    context.continue_as_new(number + 1)


@app.orchestration_trigger(context_name="context")
def large(context: df.DurableOrchestrationContext):
    """Uses inputs and results that exceed the size of a row or a message."""
    text = yield context.call_activity("repeat", "x" * 70_000)
    return len((yield context.call_sub_orchestrator("echo", text, f"{context.instance_id}-child")))


@app.orchestration_trigger(context_name="context")
def echo(context: df.DurableOrchestrationContext):
    return context.get_input()
    yield


@app.orchestration_trigger(context_name="context")
def races(context: df.DurableOrchestrationContext):
    """Waits for an approval or a deadline, then calls an activity with the decision."""
    deadline = context.create_timer(context.current_utc_datetime + timedelta(seconds=5))
    approval = context.wait_for_external_event("Approval")
    winner = yield context.task_any([approval, deadline])
    decided = "approved" if winner == approval else "timeout"
    if winner == approval:
        deadline.cancel()
    return [decided, (yield context.call_activity("repeat", decided))]


@app.orchestration_trigger(context_name="context")
def status(context: df.DurableOrchestrationContext):
    context.set_custom_status("seen")
    yield context.wait_for_external_event("Approval")


@app.orchestration_trigger(context_name="context")
def sequence(context: df.DurableOrchestrationContext):
    for number in range(5):
        yield context.call_activity("step", f"{context.instance_id} {number}")
    return "done"


@app.orchestration_trigger(context_name="context")
def wide(context: df.DurableOrchestrationContext):
    tasks = [context.call_activity("repeat", "x") for _ in range(context.get_input() or 0)]
    return len((yield context.task_all(tasks)))


@app.orchestration_trigger(context_name="context")
def collect(context: df.DurableOrchestrationContext):
    """Takes approvals until it has three different ones; returns all of them."""
    received = []
    while len(set(received)) < 3:
        received.append(int((yield context.wait_for_external_event("Approval"))))
    return received


@app.activity_trigger(input_name="name")
def step(name: str) -> int:
    log(name)
    while os.path.exists(os.environ.get("HOLD", "")):
        time.sleep(0.02)
    time.sleep(random.uniform(0, float(os.environ.get("LONGEST_STEP", "0"))))
    return int(name.rpartition(" ")[2])


@app.activity_trigger(input_name="text")
def repeat(text: str) -> str:
    return text


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext):
    value = context.get_state(lambda: 0) + (context.get_input() or 0)
    context.set_state(value)
    context.set_result(value)


@app.route("start/{pattern}/{instance}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    pattern, instance = req.route_params["pattern"], req.route_params["instance"]
    await client.start_new(pattern, instance)
    return client.create_check_status_response(req, instance)


if "QUEUE" in os.environ:  # An app whose hub is a file needs no storage account.

    @app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
    @app.durable_client_input(client_name="client")
    async def sender(message: func.QueueMessage, client: df.DurableOrchestrationClient) -> None:
        """The message is `instance number`."""
        log(f"sender {message.get_body().decode()}")
        instance, number = message.get_body().decode().split()
        await client.raise_event(instance, "Approval", int(number))
