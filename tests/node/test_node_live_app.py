"""A JavaScript app on a real host that a test controls."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from approvals_world import copy_node_sample
from npm_packages import NpmPackages

from durable_host.testing import InstanceHandle, LiveFunctionApp

pytestmark = pytest.mark.process

REQUEST = {"item": "laptop", "amount": 1800}
CODE = """
const { app, output } = require('@azure/functions');
const df = require('durable-functions');

const outbox = output.storageQueue({ queueName: 'mails', connection: 'AzureWebJobsStorage' });

app.http('SendMails', {
    route: 'mails',
    extraOutputs: [outbox],
    handler: async (request, context) => {
        context.extraOutputs.set(outbox, await request.json());
        return { status: 202 };
    },
});

df.app.entity('Total', (context) => {
    context.df.setState(Number(context.df.getState(() => 0)) + Number(context.df.getInput()));
});
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, npm_packages: NpmPackages) -> Iterator[LiveFunctionApp]:
    root: Path = copy_node_sample(tmp_path_factory.mktemp("live") / "app", npm_packages)
    (root / "src" / "functions" / "mails.js").write_text(CODE)
    with LiveFunctionApp(root) as app:
        yield app


def requested(app: LiveFunctionApp) -> InstanceHandle:
    response = app.client.post("/api/approvals", json=REQUEST)
    assert response.status_code == 202, response.text
    return app.instance(response.json()["id"])


def test_a_message_approves_a_request(app: LiveFunctionApp) -> None:
    request = requested(app).wait_until(waiting_for="Approval")
    app.queue("approval-queue").send(request.id)
    assert request.output == {"outcome": "Approved", **REQUEST}
    request.ledger.assert_taken("Approval")
    assert app.client.get(f"/api/approvals/{request.id}").json()["progress"] == {"stage": "Approved"}
    assert f"Approval {request.id}: decision passed on." in [line.text for line in app.logs]


def test_a_request_expires_after_three_days(app: LiveFunctionApp) -> None:
    request = requested(app)
    app.advance(hours=71)
    assert request.custom_status["stage"] == "Waiting for approval"
    app.advance(hours=1)
    assert request.output == {"outcome": "Expired", **REQUEST}


def test_the_orchestrator_gets_the_error_of_a_double(app: LiveFunctionApp) -> None:
    ask = app.activity("RequestApproval").fails_with("no mail today")
    request = requested(app)
    assert (request.status, ask.calls[-1].error) == ("Failed", "Error: no mail today")
    assert "no mail today" in str(request.error)
    ask.real()


def test_entities_and_outputs_are_those_of_the_app(app: LiveFunctionApp) -> None:
    assert app.entity("Total", "a").signal("add", 2).signal("add", 3).state == 5
    app.output("SendMails").discards(times=1)
    for mail in ("to Ada", "to Bob"):
        assert app.client.post("/api/mails", json=mail).status_code == 202
    assert app.output("SendMails").values == ["to Ada", "to Bob"]
    assert app.queue("mails").messages == ["to Bob"]


def test_reset_begins_again_with_an_empty_hub(app: LiveFunctionApp) -> None:
    requested(app)
    assert app.reset().instances() == []
    assert requested(app).raise_event("Approval", {"approved": False}).output["outcome"] == "Denied"
