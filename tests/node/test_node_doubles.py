"""A JavaScript app without a socket, and the doubles of its activities."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from approvals_world import copy_node_sample
from npm_packages import NpmPackages

from durable_host.testing import FunctionApp

REQUEST = {"item": "laptop", "amount": 1800}
SETTINGS = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "FUNCTIONS_WORKER_RUNTIME": "node"}
CODE = """
const { app, output } = require('@azure/functions');
const df = require('durable-functions');

const outbox = output.storageQueue({ queueName: 'mails', connection: 'AzureWebJobsStorage' });

df.app.orchestration('Checkout', function* (context) {
    try {
        return yield context.df.callActivity('Charge', context.df.getInput());
    } catch (error) {
        return `not charged: ${error.message}`;
    }
});

df.app.orchestration('Price', function* (context) {
    const response = yield context.df.callHttp({ method: 'GET', url: 'https://shop.example/price' });
    return [response.statusCode, response.content];
});

df.app.activity('Charge', { handler: () => { throw new Error('too much'); } });

app.http('SendMails', {
    route: 'mails',
    extraOutputs: [outbox],
    handler: async (request, context) => {
        context.extraOutputs.set(outbox, await request.json());
        return { status: 202 };
    },
});
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, npm_packages: NpmPackages) -> Iterator[FunctionApp]:
    root: Path = copy_node_sample(tmp_path_factory.mktemp("doubles") / "app", npm_packages)
    (root / "src" / "functions" / "checkout.js").write_text(CODE)
    with FunctionApp(root, settings=SETTINGS) as app:
        yield app


@pytest.fixture
def app(loaded: FunctionApp) -> FunctionApp:
    return loaded.reset()


def test_a_request_is_approved_over_http(app: FunctionApp) -> None:
    urls = app.client.post("/api/approvals", json=REQUEST).json()
    app.activity("RequestApproval").assert_called_once()
    approve = urls["sendEventPostUri"].replace("{eventName}", "Approval")
    assert app.client.post(approve, json={"approved": True}).status_code == 202
    assert app.client.get(f"/api/approvals/{urls['id']}").json()["result"] == {"outcome": "Approved", **REQUEST}
    (call,) = app.activity("ApproveRequest").calls
    assert call.output == {"outcome": "Approved", **REQUEST}


def test_an_activity_is_replaced(app: FunctionApp) -> None:
    app.activity("ApproveRequest").returns({"outcome": "by double"})
    instance = app.instance(app.client.post("/api/approvals", json=REQUEST).json()["id"])
    instance.raise_event("Approval", True)
    assert instance.output == {"outcome": "by double"}


@pytest.mark.parametrize("error", ["too much", ValueError("too much")])
def test_the_orchestrator_gets_the_error_of_a_double_as_it_gets_a_real_one(
    app: FunctionApp, error: str | Exception
) -> None:
    real = app.start("Checkout", 1).wait().output
    app.activity("Charge").fails_with(error)
    double = app.start("Checkout", 1).wait().output
    assert real.startswith("not charged: ")
    assert double.partition("\n")[0] == real.partition("\n")[0]


def test_messages_of_an_output_are_recorded_and_not_written(app: FunctionApp) -> None:
    mails = app.output("SendMails").discards()
    assert app.client.post("/api/mails", json=[{"to": "a"}, "b"]).status_code == 202
    mails.assert_wrote_exactly({"to": "a"}, "b")


def test_an_instance_shows_its_waits_and_what_became_of_its_events(app: FunctionApp) -> None:
    instance = app.instance(app.client.post("/api/approvals", json=REQUEST).json()["id"])
    waits = instance.wait_until(waiting_for="Approval").waits
    assert [wait.kind for wait in waits] == ["event", "timer"]
    instance.raise_event("Other").raise_event("Approval", {"approved": True}).wait()
    assert [(event.name, event.fate) for event in instance.ledger] == [("Other", "neverTaken"), ("Approval", "taken")]
    instance.history.assert_contains(["EventRaised Approval", "TaskScheduled ApproveRequest"])


def test_requests_of_orchestrators_are_replaced(app: FunctionApp) -> None:
    requests = app.activity("call_http").returns({"status_code": 201, "content": "7"})
    assert app.start("Price").wait().output == [201, "7"]
    assert requests.inputs[0]["uri"] == "https://shop.example/price"
