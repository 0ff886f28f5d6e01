"""What the sample's orchestrations do over days, in virtual time."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from durable_host.testing import VirtualHost

pytestmark = pytest.mark.process

REPOSITORY = Path(__file__).resolve().parents[2]
REQUEST = {"item": "laptop", "amount": 1800}


@pytest.fixture(scope="module")
def host() -> Iterator[VirtualHost]:
    with VirtualHost(REPOSITORY, settings={"AzureWebJobsStorage": "UseDevelopmentStorage=true"}) as host:
        yield host


def test_nobody_decides_for_three_days(host: VirtualHost) -> None:
    answer = host.run("StartApproval", REQUEST)
    assert answer["status"] == 202
    instance_id = json.loads(answer["body"])["id"]
    host.advance(hours=71)
    assert host.status(instance_id).custom_status["stage"] == "Waiting for approval"
    before = host.now
    assert host.wait(instance_id).output["outcome"] == "Expired"
    assert host.now - before <= timedelta(hours=1)


def test_a_message_approves_on_the_last_day(host: VirtualHost) -> None:
    instance_id = json.loads(host.run("StartApproval", REQUEST)["body"])["id"]
    host.advance(days=2, hours=23)
    host.run("ApprovalQueueProcessor", instance_id)
    assert host.status(instance_id).output == {"outcome": "Approved", **REQUEST}


def test_three_wrong_codes_end_a_verification(host: VirtualHost) -> None:
    instance_id = host.start("VerifyPhone", {"phone": "+49 30 1234567", "giveUpAfterSeconds": 90})
    for number in range(3):
        assert host.status(instance_id).custom_status["try"] == number + 1
        host.raise_event(instance_id, "SmsChallengeResponse", 1)
    assert host.status(instance_id).output == {"verified": False, "reason": "3 wrong codes."}


def test_the_deadline_of_a_verification_is_noticed_after_a_wrong_code(host: VirtualHost) -> None:
    instance_id = host.start("VerifyPhone", {"phone": "+49 30 1234567", "giveUpAfterSeconds": 90})
    host.raise_event(instance_id, "SmsChallengeResponse", 1)
    host.advance(seconds=91)
    assert host.status(instance_id).output == {"verified": False, "reason": "Nobody answered in time."}


def test_a_job_that_takes_too_long_is_given_up(host: VirtualHost) -> None:
    order = {"job": "import", "readyAt": "9999-01-01T00:00:00+00:00", "everySeconds": 600, "giveUpAfterSeconds": 86400}
    found = host.wait(host.start("MonitorJob", order))
    assert found.output == {"outcome": "GaveUp", "looks": 144}
    assert timedelta(days=1) <= found.last_updated - found.created < timedelta(days=1, minutes=1)
