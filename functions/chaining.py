"""Function chaining: an order goes through its steps in sequence, and is undone if one of them fails.

`POST /api/orders` with `{"item": "book", "price": 20, "cardLimit": 100}`.
"""

# ruff: noqa: N802 - the names are those of functions as Azure shows them

import logging

import azure.durable_functions as df
import azure.functions as func

from functions.json_input import json_object, number, refusal, text

chaining = df.Blueprint()


@chaining.route(route="orders", methods=["POST"])
@chaining.durable_client_input(client_name="client")
async def PlaceOrder(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    try:
        body = json_object(req)
        order = {
            "item": text(body, "item"),
            "price": number(body, "price", 0),
            "cardLimit": number(body, "cardLimit", 100),
        }
    except ValueError as error:
        return refusal(error)
    instance_id = await client.start_new("ProcessOrder", client_input=order)
    return client.create_check_status_response(req, instance_id)


@chaining.orchestration_trigger(context_name="context")
def ProcessOrder(context: df.DurableOrchestrationContext):
    """Reserve the item, charge the card, ship the item. Releases the item if the charge is refused."""
    order = context.get_input()
    reservation = yield context.call_activity("ReserveItem", order["item"])
    try:
        receipt = yield context.call_activity("ChargeCard", order)
    except Exception as refused:
        yield context.call_activity("ReleaseItem", reservation)
        return {"outcome": "Refused", "reason": str(refused)}
    parcel = yield context.call_activity("ShipItem", reservation)
    return {"outcome": "Shipped", "receipt": receipt, "parcel": parcel}


@chaining.activity_trigger(input_name="item")
def ReserveItem(item: str) -> str:
    logging.info("Reserved: %s", item)
    return f"reservation of {item}"


@chaining.activity_trigger(input_name="order")
def ChargeCard(order: dict) -> str:
    if order["price"] > order["cardLimit"]:
        raise ValueError(f"the card is good for {order['cardLimit']}, not for {order['price']}")
    logging.info("Charged: %s", order["price"])
    return f"receipt over {order['price']}"


@chaining.activity_trigger(input_name="reservation")
def ShipItem(reservation: str) -> str:
    logging.info("Shipped: %s", reservation)
    return f"parcel for {reservation}"


@chaining.activity_trigger(input_name="reservation")
def ReleaseItem(reservation: str) -> str:
    logging.info("Released: %s", reservation)
    return reservation
