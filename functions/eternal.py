"""Eternal orchestration: a clean-up that runs forever, one generation after the other, as a singleton.

`POST /api/clean-up` with `{"everySeconds": 3600}` starts it if it is not running; `DELETE /api/clean-up` ends it.
"""

# ruff: noqa: N802 - the names are those of functions as Azure shows them

import logging
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

from functions.json_input import answer, json_object, number, refusal

eternal = df.Blueprint()

INSTANCE_ID = "clean-up"
STOP = "Stop"
RUNS = (
    df.OrchestrationRuntimeStatus.Running,
    df.OrchestrationRuntimeStatus.Pending,
    df.OrchestrationRuntimeStatus.ContinuedAsNew,
    df.OrchestrationRuntimeStatus.Suspended,
)


@eternal.route(route="clean-up", methods=["POST", "DELETE"])
@eternal.durable_client_input(client_name="client")
async def CleanUpSchedule(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    status = await client.get_status(INSTANCE_ID)
    runs = bool(status) and status.runtime_status in RUNS
    if req.method == "DELETE":
        if not runs:
            return answer({"error": "No clean-up is running."}, 404)
        await client.raise_event(INSTANCE_ID, STOP)
        return func.HttpResponse(status_code=202)
    if runs:
        return answer({"error": "The clean-up is already running."}, 409)
    try:
        every = number(json_object(req), "everySeconds", 3600, at_least=0.1)
    except ValueError as error:
        return refusal(error)
    await client.start_new("CleanUpForEver", INSTANCE_ID, {"everySeconds": every, "round": 1})
    return client.create_check_status_response(req, INSTANCE_ID)


@eternal.orchestration_trigger(context_name="context")
def CleanUpForEver(context: df.DurableOrchestrationContext):
    """Run one round per generation, so that the history stays short."""
    order = context.get_input()
    context.set_custom_status({"round": order["round"]})
    yield context.call_activity("CleanUp", order["round"])
    stop = context.wait_for_external_event(STOP)
    next_round = context.create_timer(context.current_utc_datetime + timedelta(seconds=order["everySeconds"]))
    winner = yield context.task_any([stop, next_round])
    if winner == stop:
        next_round.cancel()
        return {"rounds": order["round"]}
    context.continue_as_new({**order, "round": order["round"] + 1})


@eternal.activity_trigger(input_name="round")
def CleanUp(round: int) -> str:
    logging.info("Clean-up round %s", round)
    return f"round {round}"
