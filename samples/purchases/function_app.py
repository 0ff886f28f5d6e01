"""Purchases that a person approves, in the style of azure-functions-durable 2.x: typed input, a class entity.

* `POST /api/purchases` with `{"item": "laptop", "amount": 1800, "team": "web"}` starts one and returns its URLs.
* A message `{"purchase": "<instance ID>", "approved": true, "by": "Ada"}` on the queue `purchase-decisions` decides it.
* `GET /api/purchases/{id}` returns its status; `GET /api/budgets/{team}` returns what a team has spent.
"""

import json
import logging
from dataclasses import asdict, dataclass
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func
from durabletask import task
from durabletask.client import OrchestrationStatus
from durabletask.entities import DurableEntity, EntityInstanceId

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

DECISION = "Decision"
TIME_TO_DECIDE = timedelta(hours=72)
RETRIES = df.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3, backoff_coefficient=2)


@dataclass
class Purchase:
    """The SDK stores objects with `to_json`, and reads them with `from_json` where the type is declared."""

    item: str
    amount: float
    team: str

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict) -> "Purchase":
        return cls(str(data["item"]), float(data["amount"]), str(data["team"]))


@app.route(route="purchases", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_purchase(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    try:
        order = Purchase.from_json(req.get_json())
    except (ValueError, TypeError, KeyError):
        return answer({"error": 'Send JSON such as {"item": "laptop", "amount": 1800, "team": "web"}.'}, 400)
    instance_id = await client.schedule_new_orchestration("purchase", input=order)
    return client.create_check_status_response(req, instance_id)


@app.route(route="purchases/{id}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def purchase_status(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    state = await client.get_orchestration_state(req.route_params["id"])
    if state is None:
        return answer({"error": "There is no such purchase."}, 404)
    return answer(
        {"state": state.runtime_status.name, "stage": state.get_custom_status(), "output": state.get_output()}
    )


@app.route(route="budgets/{team}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def budget(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    found = await client.get_entity(budget_of(req.route_params["team"]))
    spent = found.get_typed_state(float) if found is not None else None
    return answer({"spent": spent or 0})


@app.queue_trigger(arg_name="message", queue_name="purchase-decisions", connection="AzureWebJobsStorage")
@app.durable_client_input(client_name="client")
async def decide(message: func.QueueMessage, client: df.DurableFunctionsClient) -> None:
    """Raise the event. A message that names no purchase fails and ends in `purchase-decisions-poison`."""
    body = json.loads(message.get_body())
    state = await client.get_orchestration_state(body["purchase"])
    if state is None:
        raise ValueError(f"There is no purchase {body['purchase']}.")
    if state.runtime_status not in (OrchestrationStatus.PENDING, OrchestrationStatus.RUNNING):
        logging.warning("Purchase %s is already decided.", body["purchase"])
        return
    decision = {"approved": bool(body["approved"]), "by": body.get("by", "somebody")}
    await client.raise_orchestration_event(body["purchase"], DECISION, data=decision)


@app.orchestration_trigger(context_name="ctx")
def purchase(ctx: task.OrchestrationContext, order: Purchase):
    """Ask, wait for the decision or the deadline, then charge the team's budget."""
    yield ctx.call_activity("ask", input={"id": ctx.instance_id, **asdict(order)}, retry_policy=RETRIES)
    ctx.set_custom_status("waiting")
    decision = ctx.wait_for_external_event(DECISION)
    expiry = ctx.create_timer(TIME_TO_DECIDE)
    winner = yield task.when_any([decision, expiry])
    if winner is expiry:
        return {"outcome": "expired"}
    expiry.cancel()
    made = decision.get_result()
    if not made["approved"]:
        return {"outcome": "denied", "by": made["by"]}
    spent = yield ctx.call_entity(budget_of(order.team), "spend", input=order.amount)
    return {"outcome": "approved", "by": made["by"], "spent": spent}


@app.activity_trigger(input_name="question")
def ask(question: dict) -> None:
    """Send an email or a chat message here."""
    logging.info("Please decide on %s for %s: purchase %s.", question["item"], question["amount"], question["id"])


@app.entity_trigger(context_name="context")
class Budget(DurableEntity):
    """What one team has spent. Each method is an operation; operations of one entity run one after the other."""

    def spend(self, amount: float) -> float:
        spent = self.get_state(float, 0.0) + amount
        self.set_state(spent)
        return spent

    def reset(self) -> None:
        self.set_state(0.0)


def budget_of(team: str) -> EntityInstanceId:
    return EntityInstanceId("Budget", team)


def answer(body: dict, status_code: int = 200) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), status_code=status_code, mimetype="application/json")
