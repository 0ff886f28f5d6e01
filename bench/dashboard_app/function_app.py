"""Orchestrations whose pages in the dashboard are full: long names, fan-out, children, retries, failures."""

# ruff: noqa: N802

import asyncio
import random
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
RETRY = df.RetryOptions(first_retry_interval_in_milliseconds=400, max_number_of_attempts=3)


@app.route(route="approvals", methods=["POST"])
@app.durable_client_input(client_name="client")
async def StartApproval(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return client.create_check_status_response(
        req, await client.start_new("BudgetApproval", client_input=req.get_json())
    )


@app.route(route="approvals/{instanceId}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def ApprovalStatus(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    status = await client.get_status(req.route_params["instanceId"])
    return func.HttpResponse(str(status.runtime_status))


@app.queue_trigger(arg_name="message", queue_name="approval-queue", connection="AzureWebJobsStorage")
@app.durable_client_input(client_name="client")
async def ApprovalQueueProcessor(message: func.QueueMessage, client: df.DurableOrchestrationClient) -> None:
    instance_id = message.get_body().decode()
    if not await client.get_status(instance_id):
        raise ValueError(f"There is no approval with the ID {instance_id}.")
    await client.raise_event(instance_id, "Approval", {"approved": True, "by": "queue"})


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
def NightlyCleanup(timer: func.TimerRequest) -> None:
    pass


@app.orchestration_trigger(context_name="context")
def BudgetApproval(context: df.DurableOrchestrationContext):
    request = context.get_input()
    yield context.call_activity("RequestApproval", request)
    expires = context.current_utc_datetime + timedelta(hours=72)
    context.set_custom_status({"stage": "Waiting for approval", "expiresAt": expires.isoformat()})
    decision = context.wait_for_external_event("Approval")
    expiry = context.create_timer(expires)
    winner = yield context.task_any([decision, expiry])
    if winner is expiry:
        return {"approved": False, "reason": "expired"}
    expiry.cancel()
    context.set_custom_status({"stage": "Decided"})
    return decision.result


@app.orchestration_trigger(context_name="context")
def QuarterlyInventoryReconciliation(context: df.DurableOrchestrationContext):
    """Everything in one: activities, retries, 200 in parallel, children, a lock, and then a wait."""
    yield context.call_activity("RequestApproval", {"item": "inventory"})
    yield context.call_activity_with_retry("AskSupplier", RETRY, context.instance_id)
    yield context.task_all([context.call_activity("CountOneWarehouse", number) for number in range(200)])
    yield context.task_all(
        [
            context.call_sub_orchestrator("ReconcileOneRegion", region, f"{context.instance_id}:{region}")
            for region in ("west", "north", "south")
        ]
    )
    total = df.EntityId("Counter", "inventory")
    yield context.call_entity(total, "add", 200)
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    decision = context.wait_for_external_event("Approval")
    expiry = context.create_timer(context.current_utc_datetime + timedelta(hours=20))
    yield context.task_any([decision, expiry])


@app.orchestration_trigger(context_name="context")
def ReconcileOneRegion(context: df.DurableOrchestrationContext):
    yield context.call_activity("CountOneWarehouse", 500)
    return (
        yield context.call_sub_orchestrator("ReconcileOneStore", context.get_input(), f"{context.instance_id}:store-1")
    )


@app.orchestration_trigger(context_name="context")
def ReconcileOneStore(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("CountOneWarehouse", 300))


@app.orchestration_trigger(context_name="context")
def ImportEveryRecordOfTheLegacyCustomerDatabaseIntoTheNewSystem(context: df.DurableOrchestrationContext):
    """5,000 history events."""
    for _ in range(12):
        yield context.task_all([context.call_activity("ImportRecord", number) for number in range(208)])
    return "imported"


@app.orchestration_trigger(context_name="context")
def ProcessOrder(context: df.DurableOrchestrationContext):
    order = context.get_input()
    yield context.call_activity("ImportRecord", 1)
    return (yield context.call_activity("ReserveStock", order))


@app.activity_trigger(input_name="request")
def RequestApproval(request) -> str:
    return "asked"


@app.activity_trigger(input_name="warehouse")
async def CountOneWarehouse(warehouse: int) -> int:
    await asyncio.sleep(random.Random(warehouse).uniform(0.1, 1.5))
    return warehouse


@app.activity_trigger(input_name="record")
async def ImportRecord(record: int) -> int:
    return record


_asked: dict[str, int] = {}


@app.activity_trigger(input_name="instance")
def AskSupplier(instance: str) -> str:
    _asked[instance] = _asked.get(instance, 0) + 1
    if _asked[instance] < 3:
        raise TimeoutError("The supplier did not answer within 30 seconds.")
    return "in stock"


@app.activity_trigger(input_name="order")
def ReserveStock(order: dict) -> dict:
    if order["quantity"] > order["available"]:
        raise ValueError(f"Only {order['available']} pieces of {order['item']} are in stock.")
    return {"reserved": order["quantity"], "item": order["item"]}


@app.entity_trigger(context_name="context")
def Counter(context: df.DurableEntityContext) -> None:
    if context.operation_name == "add":
        context.set_state(context.get_state(lambda: 0) + int(context.get_input()))
