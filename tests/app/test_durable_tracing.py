"""One trace from an HTTP starter through orchestration, activity and entity, in the real host."""

import itertools

import pytest
from durable_world import HEADER, StartHost, finished, spans_in
from host_process import HostProcess

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-01"

APP = (
    HEADER
    + """
@app.route(route="start", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req, client):
    return func.HttpResponse(await client.start_new("traced"))


@app.orchestration_trigger(context_name="context")
def traced(context):
    inner = yield context.call_activity("inner", None)
    return [inner, (yield context.call_entity(df.EntityId("noted", "k"), "note"))]


@app.activity_trigger(input_name="nothing")
def inner(nothing, context: func.Context):
    return context.trace_context.trace_parent


@app.entity_trigger(context_name="context")
def noted(context):
    context.set_result(context.operation_name)
"""
)


def start_traced(host: HostProcess, headers: dict[str, str]) -> list[str]:
    return finished(host, host.post("/api/start", headers=headers).text)["output"]


def test_without_an_sdk_the_callers_context_reaches_activities(start_host: StartHost) -> None:
    host = start_host({"function_app.py": APP})
    assert start_traced(host, {"traceparent": CALLER}) == [CALLER, "note"]


def test_spans_of_host_and_functions_make_one_trace(start_host: StartHost) -> None:
    pytest.importorskip("opentelemetry.sdk")
    host = start_host({"function_app.py": APP}, "--output", "plain", settings={"OTEL_TRACES_EXPORTER": "console"})
    seen, _ = start_traced(host, {"traceparent": CALLER})
    start_traced(host, {})
    host.stop()
    ended = spans_in(host)
    mine = {span["name"]: span for span in ended if span["context"]["trace_id"] == f"0x{TRACE}"}
    path = ["start", "create_orchestration:traced", "orchestration:traced", "activity:inner", "inner"]
    assert mine["start"]["parent_id"] == "0xb7ad6b7169203331"
    for outer, within in itertools.pairwise(path):
        assert mine[within]["parent_id"] == mine[outer]["context"]["span_id"], f"{within} in {outer}"
    assert seen == f"00-{TRACE}-{mine['inner']['context']['span_id'][2:]}-01"
    assert mine["entity:noted:note"]["parent_id"] == mine["orchestration:traced"]["context"]["span_id"]
    others = [span for span in ended if span["context"]["trace_id"] != f"0x{TRACE}"]
    assert {span["name"] for span in others} >= {"start", "orchestration:traced", "activity:inner"}
    assert len({span["context"]["trace_id"] for span in others}) == 1


def test_settings_that_ask_for_a_missing_exporter_are_answered_with_one_line(start_host: StartHost) -> None:
    host = start_host({"function_app.py": APP}, settings={"OTEL_TRACES_EXPORTER": "nowhere"})
    assert "no installed package provides this exporter" in host.wait_for("No traces to 'nowhere'")
    assert start_traced(host, {"traceparent": CALLER}) == [CALLER, "note"]
