"""Aggregator: one entity per sensor aggregates its readings.

`POST /api/readings/{sensor}` with `{"value": 21.5}` adds a reading, `GET` returns the aggregate, `DELETE` removes it.

Signals are delivered at least once, so each reading has an ID, and the entity ignores those that it knows. A sensor
that repeats a request can send an `"id"` of its own.
"""

# ruff: noqa: N802 - the names are those of functions as Azure shows them

import uuid

import azure.durable_functions as df
import azure.functions as func

from functions.json_input import answer, json_object, number, refusal, text

readings = df.Blueprint()

ENTITY = "SensorReadings"
REMEMBERED = 100


@readings.route(route="readings/{sensor}", methods=["GET", "POST", "DELETE"])
@readings.durable_client_input(client_name="client")
async def Readings(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    entity = df.EntityId(ENTITY, req.route_params["sensor"])
    if req.method == "GET":
        state = await client.read_entity_state(entity)
        # A deleted entity exists for this client, and its state is "".
        if not state.entity_exists or state.entity_state == "":
            return answer({"error": "There are no readings for this sensor."}, 404)
        return answer({name: value for name, value in state.entity_state.items() if name != "ids"})
    if req.method == "DELETE":
        await client.signal_entity(entity, "forget")
        return func.HttpResponse(status_code=202)
    try:
        body = json_object(req)
        reading = {
            "value": number(body, "value", float("nan"), at_least=-1e9, at_most=1e9),
            "id": text({"id": str(uuid.uuid4()), **body}, "id"),
        }
    except ValueError as error:
        return refusal(error)
    await client.signal_entity(entity, "add", reading)
    return func.HttpResponse(status_code=202)


@readings.entity_trigger(context_name="context")
def SensorReadings(context: df.DurableEntityContext) -> None:
    """Aggregate the readings of a sensor. Operations of one entity run one after the other, so none is lost."""
    known = context.get_state(lambda: {"count": 0, "sum": 0})
    if context.operation_name == "add":
        value, reading_id = context.get_input()["value"], context.get_input().get("id")
        ids = known.get("ids", [])
        if reading_id and reading_id in ids:
            return
        context.set_state(
            {
                "ids": [*ids, reading_id][-REMEMBERED:],
                "count": known["count"] + 1,
                "sum": known["sum"] + value,
                "lowest": min(known.get("lowest", value), value),
                "highest": max(known.get("highest", value), value),
                "mean": (known["sum"] + value) / (known["count"] + 1),
            }
        )
    elif context.operation_name == "forget":
        context.destruct_on_exit()
