"""Monitor: poll a job until it is done or the time limit is reached.

`POST /api/monitors` with `{"job": "import", "takesSeconds": 90, "everySeconds": 30, "giveUpAfterSeconds": 3600}`.
The job is simulated and takes as long as the request says. A real `CheckJob` would ask the system that runs the job.
"""

# ruff: noqa: N802 - the names are those of functions as Azure shows them

from datetime import datetime, timedelta, timezone

import azure.durable_functions as df
import azure.functions as func

from functions.json_input import json_object, number, refusal, text

monitor = df.Blueprint()


@monitor.route(route="monitors", methods=["POST"])
@monitor.durable_client_input(client_name="client")
async def StartMonitor(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    try:
        body = json_object(req)
        ready_at = datetime.now(timezone.utc) + timedelta(seconds=number(body, "takesSeconds", 60))
        order = {
            "job": text(body, "job"),
            "readyAt": ready_at.isoformat(),
            "everySeconds": number(body, "everySeconds", 30, at_least=0.1),
            "giveUpAfterSeconds": number(body, "giveUpAfterSeconds", 3600),
        }
    except ValueError as error:
        return refusal(error)
    instance_id = await client.start_new("MonitorJob", client_input=order)
    return client.create_check_status_response(req, instance_id)


@monitor.orchestration_trigger(context_name="context")
def MonitorJob(context: df.DurableOrchestrationContext):
    """Poll with a durable timer in between: while it waits, nothing runs and nothing is billed."""
    order = context.get_input()
    give_up_at = context.current_utc_datetime + timedelta(seconds=order["giveUpAfterSeconds"])
    looks = 0
    while context.current_utc_datetime < give_up_at:
        state = yield context.call_activity("CheckJob", order)
        looks += 1
        context.set_custom_status({"state": state, "looks": looks})
        if state == "done":
            return {"outcome": "Done", "looks": looks}
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=order["everySeconds"]))
    return {"outcome": "GaveUp", "looks": looks}


@monitor.activity_trigger(input_name="order")
def CheckJob(order: dict) -> str:
    is_ready = datetime.now(timezone.utc) >= datetime.fromisoformat(order["readyAt"])
    return "done" if is_ready else "running"
