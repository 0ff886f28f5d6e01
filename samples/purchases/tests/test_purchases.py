"""The tests of the app, with the fixture `function_app` of durable_host: `python -m pytest tests`."""

import pytest

LAPTOP = {"item": "laptop", "amount": 1800, "team": "web"}


def purchased(function_app, **changes):
    response = function_app.client.post("/api/purchases", json={**LAPTOP, **changes})
    assert response.status_code == 202
    return function_app.instance(response.json()["id"])


def test_a_message_approves_a_purchase_and_the_team_pays(function_app):
    purchase = purchased(function_app).wait_until(waiting_for="Decision")
    function_app.queue("purchase-decisions").send(json={"purchase": purchase.id, "approved": True, "by": "Ada"})
    assert purchase.output == {"outcome": "approved", "by": "Ada", "spent": 1800}
    assert function_app.entity("Budget", "web").state == 1800
    assert function_app.client.get("/api/budgets/web").json() == {"spent": 1800}


def test_an_event_denies_a_purchase_and_nobody_pays(function_app):
    purchase = purchased(function_app).raise_event("Decision", {"approved": False, "by": "Ada"})
    assert purchase.output == {"outcome": "denied", "by": "Ada"}
    assert not function_app.entity("Budget", "web").exists


def test_a_purchase_expires_after_three_days(function_app):
    purchase = purchased(function_app)
    function_app.advance(hours=71, minutes=59)
    assert purchase.custom_status == "waiting"
    function_app.advance(minutes=1)
    assert purchase.output == {"outcome": "expired"}


def test_the_question_is_asked_again_when_the_mail_server_is_down(function_app):
    ask = function_app.activity("ask").fails_with(ConnectionError("no mail today"), times=2).returns(None)
    purchased(function_app).wait_until(waiting_for="Decision")
    assert ask.call_count == 3


def test_a_message_for_no_purchase_ends_in_the_poison_queue(function_app):
    decisions = function_app.queue("purchase-decisions").send(json={"purchase": "none", "approved": True})
    assert len(decisions.poison) == 1


@pytest.mark.durable_chaos(runs=20)
def test_the_team_pays_once_whatever_happens(function_app):
    purchase = purchased(function_app).wait_until(waiting_for="Decision")
    purchase.raise_event("Decision", {"approved": True, "by": "Ada"})
    assert purchase.wait().output["outcome"] == "approved"
    assert function_app.entity("Budget", "web").state == 1800
