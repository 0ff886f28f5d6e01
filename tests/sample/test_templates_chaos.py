"""The durable templates of `func new` end right, whatever storage and machines do to their messages.

More runs of each: pytest tests/sample/test_templates_chaos.py --durable-chaos-runs 200
"""

from collections.abc import Iterator

import pytest
from npm_packages import NpmPackages
from template_apps import QUEUE, write_template_app
from v2_environment import v2_interpreter

from durable_host.testing import FunctionApp, InstanceHandle

pytestmark = [pytest.mark.process, pytest.mark.durable_chaos(runs=4, seed=1)]

SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "AzureFunctionsJobHost__extensions__queues__messageEncoding": "none",
}


@pytest.fixture(scope="module", params=["1.x", "2.x", "javascript"])
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, npm_packages: NpmPackages
) -> Iterator[FunctionApp]:
    folder = tmp_path_factory.mktemp("templates")
    if request.param == "javascript":
        root = write_template_app(folder, "javascript", npm_packages)
    else:
        root = write_template_app(folder, "python")
    with FunctionApp(root, settings=SETTINGS, python=v2_interpreter() if request.param == "2.x" else None) as app:
        yield app


@pytest.fixture
def app(loaded: FunctionApp) -> FunctionApp:
    return loaded.reset()


def started(app: FunctionApp, path: str, body: object = None) -> InstanceHandle:
    response = app.client.post(path, json=body)
    assert response.status_code == 202, response.text
    return app.instance(response.json()["id"])


def test_steps_of_a_chain_come_in_order(app: FunctionApp) -> None:
    assert started(app, "/api/Chain?city=%20paris").wait().output == "Hello, Paris!"


def test_results_of_a_fan_out_are_added_once_each(app: FunctionApp) -> None:
    assert started(app, "/api/FanOut?count=4").wait().output == 0 + 1 + 4 + 9


def test_a_monitor_ends_when_the_job_is_done(app: FunctionApp) -> None:
    assert started(app, "/api/Watch?job=x").wait().output == "done"


def test_an_approval_is_decided_by_a_message(app: FunctionApp) -> None:
    request = started(app, "/api/Approval", {"item": "laptop"}).wait_until(waiting_for="Approval")
    app.queue(QUEUE).send(request.id)
    assert request.wait().output == "Approved"


def test_an_approval_expires(app: FunctionApp) -> None:
    assert started(app, "/api/Approval", {"item": "laptop"}).wait().output == "Expired"


def test_numbers_are_aggregated_once_each(app: FunctionApp) -> None:
    for number in (1, 2, 3.5):
        assert app.client.post("/api/Total/a", json=number).status_code == 202
    app.advance(minutes=1)
    assert app.client.get("/api/Total/a").json() == 6.5
