"""The measured app: one orchestrator per scenario, and activities that do nothing."""

import os
import time

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext):
    count = context.get_input()["count"]
    results = yield context.task_all([context.call_activity("echo", number) for number in range(count)])
    return len(results)


@app.orchestration_trigger(context_name="context")
def sequence(context: df.DurableOrchestrationContext):
    value = 0
    for _ in range(context.get_input()["count"]):
        value = yield context.call_activity("echo", value)
    return value


@app.orchestration_trigger(context_name="context")
def stamped_sequence(context: df.DurableOrchestrationContext):
    for number in range(context.get_input()["count"] - 1):
        yield context.call_activity("echo", number)
    yield context.call_activity("stamp", context.instance_id)


@app.orchestration_trigger(context_name="context")
def wait_for_go(context: df.DurableOrchestrationContext):
    yield context.wait_for_external_event("Go")
    if not context.is_replaying:
        with open(os.environ["BENCH_LOG"], "a", encoding="utf-8") as log:
            log.write(f"{context.instance_id} {time.time_ns()}\n")
    return "went on"


@app.orchestration_trigger(context_name="context")
def approval(context: df.DurableOrchestrationContext):
    yield context.wait_for_external_event("Go")
    yield context.call_activity("stamp", context.instance_id)


@app.activity_trigger(input_name="name")
def stamp(name: str) -> None:
    with open(os.environ["BENCH_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{name} {time.time_ns()}\n")


@app.activity_trigger(input_name="value")
def echo(value: int) -> int:
    return value


@app.route("hello", methods=["GET"])
async def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("Hello")


@app.queue_trigger(arg_name="message", queue_name="%BENCH_QUEUE%", connection="AzureWebJobsStorage")
async def take(message: func.QueueMessage) -> None:
    message.get_body()


@app.timer_trigger(arg_name="timer", schedule="* * * * * *", use_monitor=False)
def tick(timer: func.TimerRequest) -> None:
    """Fires every second during the other load."""
