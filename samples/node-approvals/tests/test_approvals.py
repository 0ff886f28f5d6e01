"""The tests of the app, with the fixture `function_app` of durable_host: `python -m pytest tests`."""

import pytest

LAPTOP = {"item": "laptop", "amount": 1800}


def requested(function_app, **changes):
    response = function_app.client.post("/api/approvals", json={**LAPTOP, **changes})
    assert response.status_code == 202
    return function_app.instance(response.json()["id"])


def test_a_message_approves_a_request(function_app):
    request = requested(function_app).wait_until(waiting_for="Approval")
    function_app.queue("approval-queue").send(request.id)
    assert request.output == {"outcome": "Approved", **LAPTOP}
    assert function_app.client.get(f"/api/approvals/{request.id}").json()["progress"] == {"stage": "Approved"}


def test_an_event_denies_a_request(function_app):
    request = requested(function_app).raise_event("Approval", {"approved": False})
    assert request.output == {"outcome": "Denied", **LAPTOP}


def test_a_request_expires_after_three_days(function_app):
    request = requested(function_app)
    function_app.advance(hours=71, minutes=59)
    assert request.custom_status["stage"] == "Waiting for approval"
    function_app.advance(minutes=1)
    assert request.output == {"outcome": "Expired", **LAPTOP}


def test_a_request_fails_when_nobody_can_be_asked(function_app):
    function_app.activity("RequestApproval").fails_with("no mail today")
    request = requested(function_app)
    assert request.status == "Failed"
    assert "no mail today" in request.error


def test_a_message_for_nobody_ends_in_the_poison_queue(function_app):
    approvals = function_app.queue("approval-queue").send("nobody")
    assert approvals.poison.messages == ["nobody"]


@pytest.mark.durable_chaos(runs=20)
def test_a_request_ends_whatever_happens(function_app):
    request = requested(function_app).wait_until(waiting_for="Approval")
    request.raise_event("Approval", True)
    assert request.wait().output == {"outcome": "Approved", **LAPTOP}
