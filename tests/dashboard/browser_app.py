"""The app whose dashboard the browser tests use: approvals, a failure, an early event, and an entity."""

FAILING_LINE = """raise ValueError(f"The supplier has no {order['item']}.")"""

FUNCTION_APP = f"""
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="approvals/{{item}}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def StartApproval(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    request = {{"item": req.route_params["item"], **req.get_json()}}
    return client.create_check_status_response(req, await client.start_new("BudgetApproval", client_input=request))


@app.queue_trigger(arg_name="message", queue_name="approval-queue", connection="AzureWebJobsStorage")
@app.durable_client_input(client_name="client")
async def ApprovalQueueProcessor(message: func.QueueMessage, client: df.DurableOrchestrationClient) -> None:
    instance_id = message.get_body().decode()
    if not await client.get_status(instance_id):
        raise ValueError(f"There is no instance {{instance_id}}.")
    await client.raise_event(instance_id, "Approval", {{"by": "queue"}})


@app.orchestration_trigger(context_name="context")
def BudgetApproval(context: df.DurableOrchestrationContext):
    yield context.call_activity("RequestApproval", context.get_input())
    decision = context.wait_for_external_event("Approval")
    expiry = context.create_timer(context.current_utc_datetime + timedelta(hours=72))
    winner = yield context.task_any([decision, expiry])
    if winner is decision:
        expiry.cancel()
        return {{"decision": decision.result}}
    return "expired"


@app.activity_trigger(input_name="request")
def RequestApproval(request) -> str:
    return "asked"


@app.orchestration_trigger(context_name="context")
def TwoEvents(context: df.DurableOrchestrationContext):
    yield context.wait_for_external_event("Go")
    return (yield context.wait_for_external_event("Approval"))


@app.orchestration_trigger(context_name="context")
def Ordering(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("Order", context.get_input()))


@app.activity_trigger(input_name="order")
def Order(order: dict) -> str:
    {FAILING_LINE}


@app.orchestration_trigger(context_name="context")
def Quick(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("RequestApproval", context.get_input()))


@app.entity_trigger(context_name="context")
def Counter(context: df.DurableEntityContext) -> None:
    if context.operation_name == "add":
        context.set_state(context.get_state(lambda: 0) + int(context.get_input()))
"""

HOST_JSON = """
{"version": "2.0", "extensions": {"queues": {"maxDequeueCount": 1, "maxPollingInterval": "00:00:00.200"}}}
"""

SQLITE_HOST_JSON = """
{"version": "2.0", "extensions": {"durableTask": {"storageProvider": {"type": "sqlite"}}}}
"""
