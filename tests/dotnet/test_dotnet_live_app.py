"""A real .NET app on a real host that a test controls."""

from collections.abc import Iterator

import pytest
from real_apps import copy_of, runtime_settings

from durable_host.testing import InstanceHandle, LiveFunctionApp

pytestmark = pytest.mark.process

BUDGET = {"title": "Desk", "amount": 12.5}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFunctionApp]:
    settings = {
        **runtime_settings(),
        "FUNCTIONS_WORKER_RUNTIME": "dotnet-isolated",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        # It fires every five minutes, which would happen many times while a test advances days.
        "AzureWebJobs.Tick.Disabled": "true",
    }
    with LiveFunctionApp(copy_of("core", tmp_path_factory.mktemp("live")), settings=settings) as app:
        yield app


def requested(app: LiveFunctionApp) -> InstanceHandle:
    return app.instance(app.client.post("/api/budget", json=BUDGET).json()["Id"]).wait_until(
        custom_status={"waiting": True}
    )


def test_an_event_approves_a_budget(app: LiveFunctionApp) -> None:
    budget = requested(app)
    assert budget.raise_event("Approval", True).output == "processed Desk 12.5"
    app.activity("RequestApproval").assert_called_with({"Title": "Desk", "Amount": 12.5})
    assert f"please approve Desk for {budget.id}" in [line.text for line in app.logs]


def test_a_message_rejects_a_budget(app: LiveFunctionApp) -> None:
    budget = requested(app)
    app.queue("approvals").send(json={"InstanceId": budget.id, "Approved": False})
    assert budget.output == "rejected Desk"


def test_days_pass_at_once(app: LiveFunctionApp) -> None:
    instance = app.start("Everything", "longtimer")
    app.advance(days=6)
    assert instance.status == "Running"
    app.advance(days=1)
    assert instance.output == "long timer done"


def test_activities_are_replaced(app: LiveFunctionApp) -> None:
    app.activity("FailActivity").fails_with("no route", times=2).returns("done")
    assert app.start("Everything", "retry").wait().output == "done"
    assert [call.attempt for call in app.activity("FailActivity").calls] == [1, 2, 3]


def test_entities_and_outputs_are_those_of_the_app(app: LiveFunctionApp) -> None:
    assert app.entity("Counter", "a").signal("Add", 2).signal("Add", 3).state == {"Value": 5}
    assert app.client.post("/api/multi").status_code == 201
    app.output("Multi", "Messages").assert_wrote_exactly("one", "two")
