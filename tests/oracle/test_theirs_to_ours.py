"""Instances that begin on the official worker and continue here after its clean stop."""

from typing import Any
from urllib.parse import quote

import pytest
from handing_over import NAMES, Failures, receive
from scenario_run import ScenarioRun

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def failures(run: ScenarioRun) -> Failures:
    return receive(run)


@pytest.mark.parametrize("scenario", NAMES)
def test_instance_continues(scenario: str, failures: Failures) -> None:
    assert failures[scenario] is None, failures[scenario]


def test_the_dashboard_shows_every_instance(run: ScenarioRun, failures: Failures) -> None:
    """Their histories have everything that the views need. Ours are on the same hub."""
    assert failures
    host = run.ours.host

    def shown(path: str) -> dict[str, Any]:
        answer = host.request("GET", f"/_df/api{path}")
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()

    fates: set[str] = set()
    cursor = ""
    while cursor is not None:
        page = shown(f"/instances?top=500&cursor={quote(cursor, safe='')}")
        cursor = page["cursor"]
        for instance in page["instances"]:
            path = f"/instances/{quote(instance['id'], safe='')}"
            detail, timeline = shown(path), shown(f"{path}/timeline")
            has_ended = detail["status"] in {"Completed", "Failed", "Terminated"}
            assert has_ended is (timeline["end"] is not None) or not detail["historyCount"], detail
            assert not (has_ended and any(bar["end"] is None for bar in timeline["bars"])), timeline
            fates |= {event["fate"] for event in shown(f"{path}/ledger")["events"]}
            shown(f"{path}/history")
            shown(f"{path}/export") if detail["historyCount"] else None
    assert "taken" in fates
    assert "unknown" not in fates
