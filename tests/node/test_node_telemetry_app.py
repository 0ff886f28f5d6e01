"""The app `telemetry`: OpenTelemetry, Application Insights and a web framework, with their own hooks and adapters."""

from collections.abc import Callable

import pytest
from host_process import HostProcess

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
INSIGHTS = "InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=http://127.0.0.1:9/"


@pytest.fixture(scope="module", params=["", INSIGHTS], ids=["OpenTelemetry", "Application Insights"])
def host(request: pytest.FixtureRequest, start_node_app: Callable[..., HostProcess]) -> HostProcess:
    settings = {"APPLICATIONINSIGHTS_CONNECTION_STRING": request.param} if request.param else {}
    return start_node_app("telemetry", kind="telemetry", settings=settings)


def test_trace_of_the_caller_is_active_in_the_function(host: HostProcess) -> None:
    told = host.get("/api/traced", headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}).json()
    assert told["given"].split("-")[1] == TRACE_ID
    assert told["inner"] == TRACE_ID


def test_activity_is_in_the_trace_of_its_orchestration(host: HostProcess) -> None:
    started = host.post("/runtime/webhooks/durabletask/orchestrators/Traced", json=None)
    output = host.wait_status(started.json()["id"], "Completed")["output"]
    assert output["inner"] == output["given"].split("-")[1]


def test_web_framework_answers_through_its_adapter(host: HostProcess) -> None:
    assert host.get("/api/web/hello/Bob?q=1").json() == {"hello": "Bob", "q": "1"}
    response = host.post("/api/web/echo", data="loud")
    assert (response.status_code, response.text, response.headers["x-hono"]) == (201, "LOUD", "yes")
    assert host.get("/api/web/nothing").status_code == 404
