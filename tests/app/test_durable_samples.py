"""The sample app at the top of the repository, pattern by pattern, with both generations of the SDK."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from approvals_world import copy_sample, interpreter_options
from host_process import HostProcess, hub_settings, until


@pytest.fixture(scope="module", params=["1.x", "2.x"])
def generation(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def host(
    generation: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[HostProcess]:
    options = interpreter_options(generation)
    host = HostProcess(copy_sample(tmp_path_factory.mktemp("samples") / "app"), hub_settings(connection_string))
    yield host.start(*options)
    host.end()


def started(host: HostProcess, path: str, body: dict[str, Any]) -> dict[str, str]:
    """The management URLs of what the request starts."""
    response = host.post(path, json=body)
    assert response.status_code == 202, response.text
    return response.json()


def output_of(host: HostProcess, path: str, body: dict[str, Any]) -> Any:
    return host.wait_status(started(host, path, body)["id"], "Completed")["output"]


def test_chained_activities_ship_an_order(host: HostProcess) -> None:
    assert output_of(host, "/api/orders", {"item": "book", "price": 20}) == {
        "outcome": "Shipped",
        "receipt": "receipt over 20",
        "parcel": "parcel for reservation of book",
    }


def test_a_refused_charge_releases_the_reservation(host: HostProcess, generation: str) -> None:
    outcome = output_of(host, "/api/orders", {"item": "car", "price": 20_000})
    assert outcome["outcome"] == "Refused"
    failed = {"1.x": "Activity function 'ChargeCard' failed", "2.x": "Activity task #2 failed"}
    assert failed[generation] in outcome["reason"]
    assert "the card is good for 100, not for 20000" in outcome["reason"]
    host.wait_for("Released: reservation of car")


def test_fan_out_counts_the_words_of_all_texts(host: HostProcess) -> None:
    texts = ["to be", "or not to be", "that is the question"]
    expected = {"to": 2, "be": 2, "or": 1, "not": 1, "that": 1, "is": 1, "the": 1, "question": 1}
    assert output_of(host, "/api/word-counts", {"texts": texts}) == expected
    assert output_of(host, "/api/word-counts", {"texts": []}) == {}


def test_a_report_is_fetched_by_its_status_url_and_shows_how_far_it_is(host: HostProcess) -> None:
    urls = started(host, "/api/reports", {"title": "Sales", "pages": 3})
    finished = host.wait_status(urls["id"], "Completed")
    assert finished["output"]["pages"] == [f"Sales, page {page} of 3" for page in (1, 2, 3)]
    assert finished["customStatus"] == {"page": 3, "of": 3}


def test_a_report_is_waited_for(host: HostProcess) -> None:
    response = host.post("/api/reports?wait=20", json={"title": "Sales"})
    assert response.status_code == 200
    assert response.json() == {"title": "Sales", "pages": ["Sales, page 1 of 1"]}


def test_a_monitor_looks_until_the_job_is_done(host: HostProcess) -> None:
    order = {"job": "import", "takesSeconds": 0.5, "everySeconds": 0.1}
    outcome = output_of(host, "/api/monitors", order)
    assert outcome["outcome"] == "Done"
    assert outcome["looks"] > 1


def test_a_monitor_gives_up(host: HostProcess) -> None:
    order = {"job": "import", "takesSeconds": 3600, "everySeconds": 0.1, "giveUpAfterSeconds": 0.3}
    assert output_of(host, "/api/monitors", order)["outcome"] == "GaveUp"


def challenged(host: HostProcess, phone: str, **fields: Any) -> tuple[dict[str, str], str]:
    """A verification that waits for the code, and the code."""
    urls = started(host, "/api/verifications", {"phone": phone, **fields})
    line = host.wait_for(f"SMS to {re.escape(phone)}: your code is")
    wait_for_try(host, urls["id"], 1)
    return urls, line.rsplit(" ", 1)[-1]


def wait_for_try(host: HostProcess, instance_id: str, number: int) -> None:
    until(lambda: (host.status(instance_id).get("customStatus") or {}).get("try") == number, host=host)


def answer(host: HostProcess, urls: dict[str, str], code: str) -> None:
    response = host.post(urls["sendEventPostUri"].replace("{eventName}", "SmsChallengeResponse"), json=int(code))
    assert response.status_code == 202


def test_the_right_code_verifies_a_phone(host: HostProcess) -> None:
    urls, code = challenged(host, "+49 30 1001")
    answer(host, urls, "1")
    wait_for_try(host, urls["id"], 2)
    answer(host, urls, code)
    assert host.wait_status(urls["id"], "Completed")["output"] == {"verified": True, "tries": 2}


def test_three_wrong_codes_end_a_verification(host: HostProcess) -> None:
    urls, _ = challenged(host, "+49 30 1002")
    for number in (1, 2, 3):
        wait_for_try(host, urls["id"], number)
        answer(host, urls, "1")
    assert host.wait_status(urls["id"], "Completed")["output"] == {"verified": False, "reason": "3 wrong codes."}


def test_nobody_answering_ends_a_verification(host: HostProcess) -> None:
    urls = started(host, "/api/verifications", {"phone": "+49 30 1003", "giveUpAfterSeconds": 0.2})
    assert host.wait_status(urls["id"], "Completed")["output"] == {
        "verified": False,
        "reason": "Nobody answered in time.",
    }


def test_an_entity_aggregates_readings(host: HostProcess) -> None:
    path = "/api/readings/Attic"
    assert host.get(path).status_code == 404
    for value in (20, 22.5, 0):
        assert host.post(path, json={"value": value}).status_code == 202
    expected = {"count": 3, "sum": 42.5, "lowest": 0, "highest": 22.5, "mean": 42.5 / 3}
    until(lambda: host.get(path).json() == expected, host=host)
    assert host.get("/api/readings/Cellar").status_code == 404
    assert host.request("DELETE", path).status_code == 202
    until(lambda: host.get(path).status_code == 404, host=host)


def test_an_eternal_orchestration_is_a_singleton_that_continues_until_it_is_stopped(host: HostProcess) -> None:
    assert host.request("DELETE", "/api/clean-up").status_code == 404
    urls = started(host, "/api/clean-up", {"everySeconds": 0.1})
    assert host.post("/api/clean-up", json={}).status_code == 409
    host.wait_for("Clean-up round 3$")
    assert len(host.status(urls["id"])["historyEvents"]) < 6
    assert host.request("DELETE", "/api/clean-up").status_code == 202
    assert host.wait_status(urls["id"], "Completed")["output"]["rounds"] >= 3
    started(host, "/api/clean-up", {})
    host.request("DELETE", "/api/clean-up")
    assert host.wait_status(urls["id"], "Completed")["output"] == {"rounds": 1}


def test_devices_are_set_up_by_sub_orchestrations(host: HostProcess) -> None:
    devices = ["lamp", "door", "lamp"]
    assert output_of(host, "/api/devices", {"devices": devices}) == {"lamp": "lamp.local", "door": "door.local"}


def test_a_device_that_never_answers_fails_the_set_up_after_three_tries(host: HostProcess) -> None:
    urls = started(host, "/api/devices", {"devices": ["broken lamp"]})
    failed = host.wait_status(urls["id"], "Failed")
    assert "the device 'broken lamp' does not answer" in failed["output"]
    tries = [event for event in failed["historyEvents"] if event["EventType"] == "SubOrchestrationInstanceFailed"]
    assert len(tries) == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("orders", "[]"), ("orders", '{"item": " "}'), ("orders", '{"item": "x", "price": "1"}'),
        ("word-counts", "{}"), ("word-counts", '{"texts": [1]}'), ("word-counts", "no json"),
        ("reports", '{"title": "x", "pages": 0}'), ("reports?wait=soon", '{"title": "x"}'),
        ("monitors", '{"job": "x", "everySeconds": 0}'), ("verifications", "{}"), ("readings/x", "{}"),
        ("readings/x", '{"value": true}'), ("clean-up", '{"everySeconds": -1}'), ("devices", '{"devices": "lamp"}'),
    ],
)  # fmt: skip
def test_senseless_requests_are_refused(host: HostProcess, path: str, body: str) -> None:
    response = host.post(f"/api/{path}", data=body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]
