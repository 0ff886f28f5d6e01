"""Fan-out, fan-in: count the words of many texts in parallel and add up the results.

`POST /api/word-counts` with `{"texts": ["to be", "or not to be"]}`.
"""

# ruff: noqa: N802 - the names are those of functions as Azure shows them

from collections import Counter

import azure.durable_functions as df
import azure.functions as func

from functions.json_input import json_object, refusal, texts

fan_out = df.Blueprint()


@fan_out.route(route="word-counts", methods=["POST"])
@fan_out.durable_client_input(client_name="client")
async def StartWordCount(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    try:
        given = texts(json_object(req), "texts")
    except ValueError as error:
        return refusal(error)
    instance_id = await client.start_new("CountAllWords", client_input=given)
    return client.create_check_status_response(req, instance_id)


@fan_out.orchestration_trigger(context_name="context")
def CountAllWords(context: df.DurableOrchestrationContext):
    """Run one activity per text in parallel, then add up the results, which are in the order of the calls."""
    given = context.get_input()
    if not given:
        return {}
    counts = yield context.task_all([context.call_activity("CountWords", one) for one in given])
    return (yield context.call_activity("SumCounts", counts))


@fan_out.activity_trigger(input_name="given")
def CountWords(given: str) -> dict:
    return dict(Counter(given.lower().split()))


@fan_out.activity_trigger(input_name="counts")
def SumCounts(counts: list) -> dict:
    total: Counter = Counter()
    for count in counts:
        total.update(count)
    return dict(total)
