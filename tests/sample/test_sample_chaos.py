"""The workflows of the sample app end right, whatever storage and machines do to their messages.

More runs of each: pytest tests/sample/test_sample_chaos.py --durable-chaos-runs 200
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from durable_host.testing import FunctionApp, InstanceHandle

pytestmark = [pytest.mark.process, pytest.mark.durable_chaos(runs=4, seed=1)]

REPOSITORY = Path(__file__).resolve().parents[2]
REQUEST = {"item": "laptop", "amount": 1800}


@pytest.fixture(scope="module")
def loaded() -> Iterator[FunctionApp]:
    with FunctionApp(REPOSITORY, settings={"AzureWebJobsStorage": "UseDevelopmentStorage=true"}) as app:
        yield app


@pytest.fixture
def app(loaded: FunctionApp) -> FunctionApp:
    return loaded.reset()


def started(app: FunctionApp, route: str, body: Any) -> InstanceHandle:
    """Post to a starter; the instance that it has started."""
    response = app.client.post(route, json=body)
    assert response.status_code == 202, response.text
    return app.instance(response.json()["id"])


def test_a_request_is_approved_by_a_message(app: FunctionApp) -> None:
    instance = started(app, "/api/approvals", REQUEST).wait_until(waiting_for="Approval")
    app.queue("approval-queue").send(instance.id)
    assert instance.wait().output == {"outcome": "Approved", **REQUEST}


def test_a_request_is_denied_by_an_event(app: FunctionApp) -> None:
    instance = started(app, "/api/approvals", REQUEST).wait_until(waiting_for="Approval")
    instance.raise_event("Approval", {"approved": False})
    assert instance.wait().output == {"outcome": "Denied", **REQUEST}


def test_an_early_decision_counts(app: FunctionApp) -> None:
    instance = started(app, "/api/approvals", REQUEST)
    instance.raise_event("Approval", True)
    assert instance.wait().output == {"outcome": "Approved", **REQUEST}


def test_a_request_expires(app: FunctionApp) -> None:
    instance = started(app, "/api/approvals", REQUEST)
    before = app.now
    assert instance.wait().output == {"outcome": "Expired", **REQUEST}
    assert (app.now - before).days == 3


def test_a_report_has_all_pages_in_order(app: FunctionApp) -> None:
    instance = started(app, "/api/reports", {"title": "Sales", "pages": 3})
    pages = [f"Sales, page {number} of 3" for number in (1, 2, 3)]
    assert instance.wait().output == {"title": "Sales", "pages": pages}


def test_an_order_is_shipped(app: FunctionApp) -> None:
    instance = started(app, "/api/orders", {"item": "book", "price": 20, "cardLimit": 100})
    parcel = "parcel for reservation of book"
    assert instance.wait().output == {"outcome": "Shipped", "receipt": "receipt over 20", "parcel": parcel}


def test_an_order_that_the_card_does_not_cover_is_undone(app: FunctionApp) -> None:
    instance = started(app, "/api/orders", {"item": "book", "price": 200, "cardLimit": 100})
    assert instance.wait().output["outcome"] == "Refused"
    app.activity("ReleaseItem").assert_called_with("reservation of book")
    app.activity("ShipItem").assert_not_called()


def test_a_clean_up_runs_each_hour_until_it_is_stopped(app: FunctionApp) -> None:
    instance = started(app, "/api/clean-up", {"everySeconds": 3600})
    app.advance(hours=2, minutes=30)
    assert app.client.post("/api/clean-up", json={}).status_code == 409
    assert app.client.delete("/api/clean-up").status_code == 202
    assert instance.wait().output == {"rounds": 3}


def test_words_are_counted_in_parallel(app: FunctionApp) -> None:
    instance = started(app, "/api/word-counts", {"texts": ["to be", "or not", "to be", "that is"]})
    assert instance.wait().output == {"to": 2, "be": 2, "or": 1, "not": 1, "that": 1, "is": 1}


def test_a_job_is_watched_until_it_is_done(app: FunctionApp) -> None:
    app.activity("CheckJob").runs(lambda order: "done" if app.now.isoformat() >= order["readyAt"] else "running")
    ready = app.now.replace(minute=30).isoformat()
    order = {"job": "import", "readyAt": ready, "everySeconds": 600, "giveUpAfterSeconds": 86400}
    assert app.start("MonitorJob", order).wait().output == {"outcome": "Done", "looks": 4}


def test_a_job_that_takes_too_long_is_given_up(app: FunctionApp) -> None:
    order = {"job": "import", "readyAt": "9999-01-01T00:00:00+00:00", "everySeconds": 600, "giveUpAfterSeconds": 3600}
    assert app.start("MonitorJob", order).wait().output["outcome"] == "GaveUp"


def test_a_phone_number_is_verified_after_a_wrong_code(app: FunctionApp) -> None:
    app.activity("SendChallenge").returns("1234")
    instance = started(app, "/api/verifications", {"phone": "+49 30 1234567"})
    instance.wait_until(waiting_for="SmsChallengeResponse")
    instance.raise_event("SmsChallengeResponse", 4321)
    instance.wait_until(calls="SendChallenge", waiting_for="SmsChallengeResponse")
    instance.raise_event("SmsChallengeResponse", 1234)
    assert instance.wait().output["verified"] is True


def test_wrong_codes_verify_nothing(app: FunctionApp) -> None:
    app.activity("SendChallenge").returns("1234")
    instance = started(app, "/api/verifications", {"phone": "+49 30 1234567"})
    instance.wait_until(waiting_for="SmsChallengeResponse")
    instance.raise_event("SmsChallengeResponse", 1)
    assert instance.wait().output["verified"] is False


def test_readings_of_a_sensor_are_counted_once_each(app: FunctionApp) -> None:
    for value in (20.5, 21.5, 22.5):
        assert app.client.post("/api/readings/kitchen", json={"value": value}).status_code == 202
    app.advance(minutes=1)
    aggregate = app.client.get("/api/readings/kitchen").json()
    assert (aggregate["count"], aggregate["mean"]) == (3, 21.5)
    assert (aggregate["lowest"], aggregate["highest"]) == (20.5, 22.5)


def test_devices_are_set_up_once_each(app: FunctionApp) -> None:
    instance = started(app, "/api/devices", {"devices": ["lamp", "door", "lamp"]})
    assert instance.wait().output == {"lamp": "lamp.local", "door": "door.local"}


def test_a_broken_device_fails_the_set_up(app: FunctionApp) -> None:
    instance = started(app, "/api/devices", {"devices": ["lamp", "broken door"]})
    assert instance.wait().status == "Failed"
    assert "does not answer" in str(instance.error)
