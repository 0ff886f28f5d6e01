"""The app `durable-time` on a real host: timers, HTTP calls that are polled, early events."""

from collections.abc import Iterator
from typing import Any

import pytest
from durable_world import finished, raise_event
from host_process import HostProcess, until
from node_durable_hosts import node_output, operate, start_node_instance

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def host(start_node_app: Any) -> Iterator[HostProcess]:
    host = start_node_app("durable-time")
    yield host
    host.end()


def test_http_call_is_polled(host: HostProcess) -> None:
    url = f"{host.base_url}/api/slow"
    assert node_output(host, "polls", {"url": url, "enablePolling": False}) == [202, None, "after"]
    assert node_output(host, "polls", {"url": url}) == [200, {"polls": 2, "header": "yes", "key": None}, "after"]


def test_early_events_are_taken_in_order(host: HostProcess) -> None:
    instance_id = start_node_instance(host, "earlyEvents", instance_id="early")
    operate(host, instance_id, "suspend")
    raise_event(host, instance_id, "E", 1)
    raise_event(host, instance_id, "E", 2)
    operate(host, instance_id, "resume")
    assert finished(host, instance_id)["output"] == [1, 2]


def test_long_timer_is_created_in_parts_and_ends_with_the_instance(host: HostProcess) -> None:
    instance_id = start_node_instance(host, "longTimer", 10)

    def timer() -> Any:
        events = host.status(instance_id).get("historyEvents", ())
        return [event for event in events if event["EventType"] == "TimerCreated"]

    (created,) = until(timer, host=host)
    assert created["FireAt"] > created["Timestamp"]
    operate(host, instance_id, "terminate")
    finished(host, instance_id, "Terminated")
