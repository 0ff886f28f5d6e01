"""A real .NET app without a socket, and the doubles of its activities."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from real_apps import copy_of, runtime_settings

from durable_host.testing import FunctionApp, StillRunning

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionApp]:
    root: Path = copy_of("core", tmp_path_factory.mktemp("doubles"))
    settings = {
        **runtime_settings(),
        "FUNCTIONS_WORKER_RUNTIME": "dotnet-isolated",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    }
    with FunctionApp(root, settings=settings) as app:
        yield app


@pytest.fixture
def app(loaded: FunctionApp) -> FunctionApp:
    return loaded.reset()


def test_a_budget_is_approved_over_http(app: FunctionApp) -> None:
    urls = app.client.post("/api/budget", json={"title": "Desk", "amount": 12.5}).json()
    app.activity("RequestApproval").assert_called_once_with({"Title": "Desk", "Amount": 12.5})
    approve = urls["SendEventPostUri"].replace("{eventName}", "Approval")
    assert app.client.post(approve, json=True).status_code == 202
    assert app.client.get(urls["StatusQueryGetUri"]).json()["output"] == "processed Desk 12.5"
    assert app.activity("ProcessBudget").calls[0].output == "processed Desk 12.5"


def test_an_activity_is_replaced(app: FunctionApp) -> None:
    app.activity("IntActivity").returns_each(5, 7)
    assert app.start("Chain", 2).wait().output == 7
    app.activity("IntActivity").assert_has_calls([0, 5])


def test_nothing_is_returned(app: FunctionApp) -> None:
    app.activity("NullActivity").returns(None)
    assert app.start("Everything", "null").wait().output == "True"


def test_retries_run_in_virtual_time_until_the_double_succeeds(app: FunctionApp) -> None:
    app.activity("FailActivity").fails_with("no route", times=2).returns("done")
    assert app.start("Everything", "retry").wait().output == "done"
    assert [call.attempt for call in app.activity("FailActivity").calls] == [1, 2, 3]


def test_the_orchestrator_gets_the_error_of_a_double_as_it_gets_a_real_one(app: FunctionApp) -> None:
    real = app.start("Everything", "fail").wait().output
    app.activity("FailActivity").fails_with("activity says no: f", type="System.InvalidOperationException")
    double = app.start("Everything", "fail").wait().output
    assert "activity says no: f" in real
    assert double.partition("\n")[0] == real.partition("\n")[0]


def test_an_instance_shows_what_is_known_of_its_waits(app: FunctionApp) -> None:
    urls = app.client.post("/api/budget", json={"title": "Desk", "amount": 12.5}).json()
    instance = app.instance(urls["Id"]).wait_until(custom_status={"waiting": True})
    with pytest.raises(StillRunning, match="Give wait_until custom_status=, calls= or condition= instead"):
        instance.wait_until(waiting_for="Approval")
    assert instance.raise_event("Approval", True).wait().output == "processed Desk 12.5"
    instance.history.assert_contains(["EventRaised Approval", "TaskScheduled ProcessBudget"])


def test_requests_of_orchestrators_are_replaced(app: FunctionApp) -> None:
    requests = app.activity("call_http").returns({"status_code": 204})
    assert app.start("Everything", "http").wait().output == "NoContent"
    assert requests.inputs[0]["uri"] == "http://127.0.0.1:9/none"
