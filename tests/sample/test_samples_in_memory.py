"""Each pattern of the sample app, tested as an app's own tests would test it: with the fixture `function_app`."""

import pytest
from v2_environment import v2_interpreter

from durable_host.testing import FunctionApp, InstanceHandle

pytestmark = pytest.mark.process

LAPTOP = {"item": "laptop", "amount": 1800}
PHONE = {"phone": "+49 30 1234567"}


@pytest.fixture(autouse=True, params=["1.x", "2.x"])
def generation(request: pytest.FixtureRequest) -> None:
    """The generation of the SDK that the app uses."""
    if request.param == "2.x":
        request.node.add_marker(pytest.mark.function_app(python=str(v2_interpreter())))


def started(function_app: FunctionApp, path: str, body: object) -> InstanceHandle:
    """The instance that a request has started."""
    response = function_app.client.post(path, json=body)
    assert response.status_code == 202, response.text
    return function_app.instance(response.json()["id"])


def test_a_message_approves_a_request(function_app: FunctionApp) -> None:
    request = started(function_app, "/api/approvals", LAPTOP).wait_until(waiting_for="Approval")
    function_app.queue("approval-queue").send(request.id)
    assert request.output == {"outcome": "Approved", **LAPTOP}
    request.ledger.assert_taken("Approval")
    assert function_app.client.get(f"/api/approvals/{request.id}").json()["progress"] == {"stage": "Approved"}


def test_a_message_for_nobody_ends_in_the_poison_queue(function_app: FunctionApp) -> None:
    approvals = function_app.queue("approval-queue").send("nobody")
    assert approvals.poison.messages == ["nobody"]


def test_an_event_denies_a_request(function_app: FunctionApp) -> None:
    request = started(function_app, "/api/approvals", LAPTOP)
    denied = function_app.activity("DenyRequest")
    request.raise_event("Approval", {"approved": False})
    denied.assert_called_once()
    assert request.output["outcome"] == "Denied"


def test_a_request_expires_after_three_days(function_app: FunctionApp) -> None:
    request = started(function_app, "/api/approvals", LAPTOP)
    function_app.advance(hours=71, minutes=59)
    assert request.status == "Running"
    function_app.advance(minutes=1)
    assert request.output["outcome"] == "Expired"


def test_requests_that_make_no_sense_start_nothing(function_app: FunctionApp) -> None:
    for path in ("approvals", "orders", "word-counts", "reports", "monitors", "verifications", "devices"):
        assert function_app.client.post(f"/api/{path}", json={"none": 1}).status_code == 400, path
    assert function_app.instances() == []


def test_an_order_goes_through_its_steps(function_app: FunctionApp) -> None:
    order = started(function_app, "/api/orders", {"item": "book", "price": 20})
    assert order.output["outcome"] == "Shipped"


def test_an_order_is_undone_when_the_charge_fails(function_app: FunctionApp) -> None:
    function_app.activity("ChargeCard").fails_with(ConnectionError("the bank is closed"))
    released, shipped = function_app.activity("ReleaseItem"), function_app.activity("ShipItem")
    order = started(function_app, "/api/orders", {"item": "book", "price": 20})
    assert "the bank is closed" in order.output["reason"]
    released.assert_called_once_with("reservation of book")
    shipped.assert_not_called()


def test_words_are_counted_in_parallel(function_app: FunctionApp) -> None:
    count = function_app.activity("CountWords")
    counted = started(function_app, "/api/word-counts", {"texts": ["to be", "or not to be"]})
    assert counted.output == {"to": 2, "be": 2, "or": 1, "not": 1}
    count.assert_has_calls(["to be", "or not to be"], any_order=True)


def test_a_report_is_written_page_by_page(function_app: FunctionApp) -> None:
    report = started(function_app, "/api/reports", {"title": "Sales", "pages": 3})
    assert report.output["pages"] == [f"Sales, page {number} of 3" for number in (1, 2, 3)]
    assert report.custom_status == {"page": 3, "of": 3}


def test_a_job_is_looked_at_until_it_is_done(function_app: FunctionApp) -> None:
    function_app.activity("CheckJob").returns_each("running", "running", "done")
    order = {"job": "import", "everySeconds": 3600, "giveUpAfterSeconds": 86400}
    monitor = started(function_app, "/api/monitors", order)
    assert monitor.custom_status == {"state": "running", "looks": 1}
    function_app.advance(hours=2)
    assert monitor.output == {"outcome": "Done", "looks": 3}


def test_the_code_of_the_text_message_verifies_a_phone(function_app: FunctionApp) -> None:
    function_app.activity("SendChallenge").returns("4711")
    check = started(function_app, "/api/verifications", PHONE)
    check.raise_event("SmsChallengeResponse", 1).raise_event("SmsChallengeResponse", 4711)
    assert check.output == {"verified": True, "tries": 2}


def test_readings_of_a_sensor_are_added_up(function_app: FunctionApp) -> None:
    for value in (20, 22):
        assert function_app.client.post("/api/readings/attic", json={"value": value}).status_code == 202
    assert function_app.client.get("/api/readings/attic").json()["mean"] == 21
    assert function_app.entity("SensorReadings", "attic").state["count"] == 2
    function_app.client.delete("/api/readings/attic")
    assert function_app.client.get("/api/readings/attic").status_code == 404


def test_the_clean_up_runs_every_hour_until_somebody_stops_it(function_app: FunctionApp) -> None:
    clean_up = started(function_app, "/api/clean-up", {"everySeconds": 3600})
    function_app.advance(hours=5)
    assert clean_up.custom_status == {"round": 6}
    assert function_app.client.post("/api/clean-up", json={}).status_code == 409
    assert function_app.client.delete("/api/clean-up").status_code == 202
    assert clean_up.output == {"rounds": 6}


def test_a_device_that_does_not_answer_at_first_is_set_up_all_the_same(function_app: FunctionApp) -> None:
    find = function_app.activity("FindDevice").fails_with("no answer", times=1).runs(lambda device: f"{device}.local")
    devices = started(function_app, "/api/devices", {"devices": ["lamp", "door"]}).wait()
    assert devices.output == {"lamp": "lamp.local", "door": "door.local"}
    assert find.call_count == 3
