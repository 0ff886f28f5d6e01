"""The tests of the app, with the fixture `function_app` of durable_host.

Build the app first: `dotnet build`, then `python -m pytest tests`.
"""

from pathlib import Path

import pytest

BUILT = Path(__file__).resolve().parents[1] / "bin"
LAPTOP = {"item": "laptop", "amount": 1800}

pytestmark = pytest.mark.skipif(
    next(BUILT.glob("**/worker.config.json"), None) is None,
    reason="The app is not built: run 'dotnet build' in its folder.",
)


def requested(function_app, **changes):
    response = function_app.client.post("/api/approvals", json={**LAPTOP, **changes})
    assert response.status_code == 202
    return function_app.instance(response.json()["id"]).wait_until(condition=waits_for_approval)


def waits_for_approval(request):
    """What a .NET app waits for is not known, but this one shows it in its custom status."""
    return (request.custom_status or {}).get("stage") == "Waiting for approval"


def test_a_message_approves_a_request(function_app):
    request = requested(function_app)
    function_app.queue("approval-queue").send(request.id)
    assert request.output == {"outcome": "Approved", **LAPTOP}
    assert function_app.client.get(f"/api/approvals/{request.id}").json()["progress"] == {"stage": "Approved"}


def test_a_message_denies_a_request(function_app):
    request = requested(function_app)
    function_app.queue("approval-queue").send(json={"instanceId": request.id, "approved": False})
    assert request.output == {"outcome": "Denied", **LAPTOP}


def test_an_event_denies_a_request(function_app):
    request = requested(function_app).raise_event("Approval", {"approved": False})
    assert request.output == {"outcome": "Denied", **LAPTOP}


def test_a_request_expires_after_three_days(function_app):
    request = requested(function_app)
    function_app.advance(hours=71, minutes=59)
    assert waits_for_approval(request)
    function_app.advance(minutes=1)
    assert request.output == {"outcome": "Expired", **LAPTOP}


def test_a_request_fails_when_nobody_can_be_asked(function_app):
    function_app.activity("RequestApproval").fails_with("no mail today")
    response = function_app.client.post("/api/approvals", json=LAPTOP)
    request = function_app.instance(response.json()["id"])
    assert request.status == "Failed"
    assert "no mail today" in request.error


def test_requests_that_make_no_sense_start_nothing(function_app):
    for body in ({}, {"item": " ", "amount": 1}, {"item": "laptop", "amount": -1}, {**LAPTOP, "expiresInSeconds": 0}):
        assert function_app.client.post("/api/approvals", json=body).status_code == 400
    assert function_app.instances() == []


def test_a_message_for_nobody_ends_in_the_poison_queue(function_app):
    approvals = function_app.queue("approval-queue").send("nobody")
    assert approvals.poison.messages == ["nobody"]


@pytest.mark.durable_chaos(runs=20)
def test_a_request_ends_whatever_happens(function_app):
    request = requested(function_app)
    request.raise_event("Approval", True)
    assert request.wait().output == {"outcome": "Approved", **LAPTOP}
