"""Human interaction: a budget request that waits for a person's approval.

* `POST /api/approvals` with `{"item": "laptop", "amount": 1800}` starts a request and returns its management URLs.
* The instance ID as a message on the queue `approval-queue` approves it; so does posting to its `sendEventPostUri`.
* `GET /api/approvals/{instanceId}` returns a short status.

The decision is any JSON. The event is called Approval, so it approves unless its payload is `false`,
`{"approved": false}` or the word "denied".
"""

# ruff: noqa: N802, N803 - the names are those of functions and bindings as Azure shows them

import json
import logging
import os
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from functions.approval_message import read_approval_message

approvals = df.Blueprint()

EVENT = "Approval"
HOURS_TO_DECIDE = 72
FINAL = (
    df.OrchestrationRuntimeStatus.Completed,
    df.OrchestrationRuntimeStatus.Failed,
    df.OrchestrationRuntimeStatus.Terminated,
    df.OrchestrationRuntimeStatus.Canceled,
)


@approvals.route(route="approvals", methods=["POST"])
@approvals.durable_client_input(client_name="client")
async def StartApproval(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a request. `expiresInSeconds` in the body changes the time to decide."""
    try:
        request = _checked_request(req.get_json())
    except ValueError as error:
        return _json({"error": str(error)}, 400)
    instance_id = await client.start_new("BudgetApproval", client_input=request)
    logging.info("Approval %s started: %s for %s", instance_id, request["item"], request["amount"])
    return client.create_check_status_response(req, instance_id)


@approvals.route(route="approvals/{instanceId}", methods=["GET"])
@approvals.durable_client_input(client_name="client")
async def ApprovalStatus(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Return the status of a request."""
    instance_id = req.route_params["instanceId"]
    status = await client.get_status(instance_id)
    if not status:
        return _json({"error": f"There is no approval with the ID {instance_id}."}, 404)
    state = status.runtime_status.name if status.runtime_status else None
    return _json({"id": instance_id, "state": state, "progress": status.custom_status, "result": status.output}, 200)


@approvals.queue_trigger(arg_name="instanceId", queue_name="approval-queue", connection="AzureWebJobsStorage")
@approvals.durable_client_input(client_name="client")
async def ApprovalQueueProcessor(instanceId: func.QueueMessage, client: df.DurableOrchestrationClient) -> None:
    """Raise "Approval" on the instance that the message names.

    A message that names no instance fails, so it is retried and ends in `approval-queue-poison`. A decision for a
    finished request is only logged: queues deliver at least once, so it can be a duplicate.
    """
    message = read_approval_message(instanceId.get_body())
    status = await client.get_status(message.instance_id)
    if not status:
        raise ValueError(f"The queue message does not name an approval: there is no instance '{message.instance_id}'.")
    if status.runtime_status in FINAL:
        logging.warning("Approval %s is already %s; nothing to do.", message.instance_id, status.runtime_status.name)
        return
    await client.raise_event(message.instance_id, EVENT, message.decision)
    logging.info("Approval %s: decision passed on.", message.instance_id)


@approvals.orchestration_trigger(context_name="context")
def BudgetApproval(context: df.DurableOrchestrationContext):
    """Request approval, wait for the decision or the deadline, and act on it."""
    request = context.get_input()
    context.set_custom_status({"stage": "Requesting approval"})
    yield context.call_activity("RequestApproval", {**request, "instanceId": context.instance_id})

    expires_at = context.current_utc_datetime + timedelta(seconds=request["expiresInSeconds"])
    context.set_custom_status({"stage": "Waiting for approval", "expiresAt": expires_at.isoformat()})
    decision = context.wait_for_external_event(EVENT)
    expiry = context.create_timer(expires_at)
    winner = yield context.task_any([decision, expiry])

    if winner == expiry:
        context.set_custom_status({"stage": "Expired"})
        return (yield context.call_activity("ExpireRequest", request))
    expiry.cancel()
    if _says_no(decision.result):
        context.set_custom_status({"stage": "Denied"})
        return (yield context.call_activity("DenyRequest", request))
    context.set_custom_status({"stage": "Approved"})
    return (yield context.call_activity("ApproveRequest", request))


@approvals.activity_trigger(input_name="request")
def RequestApproval(request: dict) -> str:
    """Send an email or a chat message here."""
    logging.info(
        "Please decide on %s for %s: put %s on the queue approval-queue.",
        request["item"], request["amount"], request["instanceId"],
    )  # fmt: skip
    return request["instanceId"]


@approvals.activity_trigger(input_name="request")
def ApproveRequest(request: dict) -> dict:
    logging.info("Approved: %s for %s", request["item"], request["amount"])
    return {"outcome": "Approved", "item": request["item"], "amount": request["amount"]}


@approvals.activity_trigger(input_name="request")
def DenyRequest(request: dict) -> dict:
    logging.info("Denied: %s for %s", request["item"], request["amount"])
    return {"outcome": "Denied", "item": request["item"], "amount": request["amount"]}


@approvals.activity_trigger(input_name="request")
def ExpireRequest(request: dict) -> dict:
    logging.info("Expired without a decision: %s for %s", request["item"], request["amount"])
    return {"outcome": "Expired", "item": request["item"], "amount": request["amount"]}


def _checked_request(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError('Send a JSON object such as {"item": "laptop", "amount": 1800}.')
    item, amount = body.get("item"), body.get("amount")
    seconds = body.get("expiresInSeconds", os.environ.get("APPROVAL_EXPIRES_IN_SECONDS", HOURS_TO_DECIDE * 3600))
    if not isinstance(item, str) or not item.strip():
        raise ValueError('"item" must be a string that says what the money is for.')
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < float("inf"):
        raise ValueError('"amount" must be a number that is not negative.')
    try:
        seconds = float(seconds)
        within_reason = 0 < seconds <= 10 * 366 * 24 * 3600
    except (TypeError, ValueError):
        within_reason = False
    if not within_reason:
        raise ValueError('"expiresInSeconds" must be a number of seconds, more than none and less than ten years.')
    return {**body, "item": item.strip(), "expiresInSeconds": seconds}


def _says_no(decision: Any) -> bool:
    """Accepts both forms of data: JSON text from the SDK's `raise_event`, and unchanged data from a POST."""
    if isinstance(decision, str):
        try:
            decision = json.loads(decision)
        except ValueError:
            return decision.strip().lower() in ("no", "deny", "denied", "rejected")
    if isinstance(decision, dict):
        return decision.get("approved") is False
    return decision is False or (isinstance(decision, str) and _says_no(decision))


def _json(body: dict[str, Any], status_code: int) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), status_code=status_code, mimetype="application/json")
