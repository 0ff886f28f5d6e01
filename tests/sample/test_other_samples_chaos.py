"""The samples in other styles and languages end right, whatever storage and machines do to their messages.

More runs of each: pytest tests/sample/test_other_samples_chaos.py --durable-chaos-runs 200
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from approvals_world import copy_node_sample
from npm_packages import NpmPackages
from real_apps import copy_of, runtime_settings
from v2_environment import v2_interpreter

from durable_host.testing import FunctionApp, InstanceHandle

pytestmark = [pytest.mark.process, pytest.mark.durable_chaos(runs=4, seed=1)]

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
STORAGE = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
REQUEST = {"item": "laptop", "amount": 1800}


@pytest.fixture(scope="module")
def loaded_purchases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionApp]:
    root = tmp_path_factory.mktemp("samples") / "purchases"
    shutil.copytree(SAMPLES / "purchases", root, ignore=shutil.ignore_patterns("__pycache__"))
    with FunctionApp(root, settings=STORAGE, python=v2_interpreter()) as app:
        yield app


@pytest.fixture
def purchases(loaded_purchases: FunctionApp) -> FunctionApp:
    return loaded_purchases.reset()


@pytest.fixture(scope="module")
def loaded_node(tmp_path_factory: pytest.TempPathFactory, npm_packages: NpmPackages) -> Iterator[FunctionApp]:
    root = copy_node_sample(tmp_path_factory.mktemp("samples") / "node", npm_packages)
    with FunctionApp(root, settings=STORAGE) as app:
        yield app


@pytest.fixture
def node(loaded_node: FunctionApp) -> FunctionApp:
    return loaded_node.reset()


@pytest.fixture(scope="module")
def loaded_dotnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionApp]:
    root = copy_of("core", tmp_path_factory.mktemp("samples"))
    settings = {**STORAGE, **runtime_settings(), "FUNCTIONS_WORKER_RUNTIME": "dotnet-isolated"}
    with FunctionApp(root, settings=settings) as app:
        yield app


@pytest.fixture
def dotnet(loaded_dotnet: FunctionApp) -> FunctionApp:
    return loaded_dotnet.reset()


def purchase(app: FunctionApp, amount: float = 1800) -> InstanceHandle:
    response = app.client.post("/api/purchases", json={"item": "laptop", "amount": amount, "team": "web"})
    assert response.status_code == 202, response.text
    return app.instance(response.json()["id"]).wait_until(custom_status="waiting")


def decide(app: FunctionApp, instance: InstanceHandle, *, approved: bool) -> None:
    app.queue("purchase-decisions").send(json={"purchase": instance.id, "approved": approved, "by": "Ada"})


def test_a_purchase_is_approved_and_spent_once(purchases: FunctionApp) -> None:
    for spent in (1800, 3600):
        instance = purchase(purchases)
        decide(purchases, instance, approved=True)
        assert instance.wait().output == {"outcome": "approved", "by": "Ada", "spent": spent}
    assert purchases.client.get("/api/budgets/web").json() == {"spent": 3600}


def test_a_purchase_is_denied(purchases: FunctionApp) -> None:
    instance = purchase(purchases)
    decide(purchases, instance, approved=False)
    assert instance.wait().output == {"outcome": "denied", "by": "Ada"}


def test_a_purchase_expires(purchases: FunctionApp) -> None:
    instance = purchase(purchases)
    assert instance.wait().output == {"outcome": "expired"}


def test_a_request_to_the_app_in_javascript_is_approved(node: FunctionApp) -> None:
    response = node.client.post("/api/approvals", json=REQUEST)
    assert response.status_code == 202, response.text
    instance = node.instance(response.json()["id"])
    instance.wait_until(waiting_for="Approval")
    node.queue("approval-queue").send(instance.id)
    assert instance.wait().output["outcome"] == "Approved"


def test_a_request_to_the_app_in_javascript_is_denied(node: FunctionApp) -> None:
    response = node.client.post("/api/approvals", json=REQUEST)
    assert response.status_code == 202, response.text
    instance = node.instance(response.json()["id"])
    instance.wait_until(waiting_for="Approval")
    instance.raise_event("Approval", {"approved": False})
    assert instance.wait().output["outcome"] == "Denied"


def test_a_request_to_the_app_in_javascript_expires(node: FunctionApp) -> None:
    response = node.client.post("/api/approvals", json=REQUEST)
    assert response.status_code == 202, response.text
    instance = node.instance(response.json()["id"])
    assert instance.wait().output["outcome"] == "Expired"


def test_a_budget_of_an_app_in_csharp_is_approved(dotnet: FunctionApp) -> None:
    urls = dotnet.client.post("/api/budget", json={"title": "Desk", "amount": 12.5}).json()
    instance = dotnet.instance(urls["Id"]).wait_until(custom_status={"waiting": True})
    instance.raise_event("Approval", True)
    assert instance.wait().output == "processed Desk 12.5"


def test_a_chain_of_an_app_in_csharp_ends(dotnet: FunctionApp) -> None:
    dotnet.activity("IntActivity").runs(lambda number: number + 1)
    assert dotnet.start("Chain", 2).wait().status == "Completed"
