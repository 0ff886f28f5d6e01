"""Async HTTP API: a report that takes a while. The caller gets 202 and polls, or waits a limited time.

`POST /api/reports` with `{"title": "Sales", "pages": 3}` returns the status URL immediately;
`POST /api/reports?wait=5` returns the report if it is ready within five seconds, otherwise the status URL.
"""

# ruff: noqa: N802 - the names are those of functions as Azure shows them

import azure.durable_functions as df
import azure.functions as func

from functions.json_input import json_object, number, refusal, text

async_http = df.Blueprint()

LONGEST_WAIT_SECONDS = 100


@async_http.route(route="reports", methods=["POST"])
@async_http.durable_client_input(client_name="client")
async def OrderReport(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    try:
        body = json_object(req)
        report = {"title": text(body, "title"), "pages": int(number(body, "pages", 1, at_least=1, at_most=100))}
        wait = min(float(req.params.get("wait", 0)), LONGEST_WAIT_SECONDS)
    except ValueError as error:
        return refusal(error)
    instance_id = await client.start_new("WriteReport", client_input=report)
    if not wait > 0:
        return client.create_check_status_response(req, instance_id)
    milliseconds = int(wait * 1000)
    return await client.wait_for_completion_or_create_check_status_response(
        req, instance_id, milliseconds, min(250, milliseconds)
    )


@async_http.orchestration_trigger(context_name="context")
def WriteReport(context: df.DurableOrchestrationContext):
    """Write the report page by page. The custom status shows the progress."""
    report = context.get_input()
    pages = []
    for number_of_page in range(1, report["pages"] + 1):
        context.set_custom_status({"page": number_of_page, "of": report["pages"]})
        pages.append((yield context.call_activity("WritePage", {**report, "page": number_of_page})))
    return {"title": report["title"], "pages": pages}


@async_http.activity_trigger(input_name="order")
def WritePage(order: dict) -> str:
    return f"{order['title']}, page {order['page']} of {order['pages']}"
