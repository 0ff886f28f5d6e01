"""Approvals that wait while the host stops or dies and starts again."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from approvals_world import copy_sample, start_approval, wait_stage
from azure.storage.queue import QueueClient
from host_process import HostProcess


@pytest.fixture
def host(start_host: Callable[..., HostProcess], tmp_path: Path, approval_queue: QueueClient) -> HostProcess:
    return start_host(copy_sample(tmp_path / "sample"))


def test_waiting_requests_continue_after_ctrl_c_and_a_new_start(host: HostProcess, approval_queue: QueueClient) -> None:
    urls = start_approval(host)
    wait_stage(host, urls["id"], "Waiting for approval")
    assert host.stop(signal.SIGINT) == 0
    approval_queue.send_message(urls["id"])
    host.start()
    assert "1 instance in flight" in host.output
    assert host.wait_status(urls["id"], "Completed")["output"]["outcome"] == "Approved"


def test_a_timer_that_ends_while_the_host_is_down_fires_after_the_start(host: HostProcess) -> None:
    instance_id = start_approval(host, expiresInSeconds=1.5)["id"]
    wait_stage(host, instance_id, "Waiting for approval")
    assert host.stop(signal.SIGTERM) == 0
    host.start()
    assert host.wait_status(instance_id, "Completed")["output"]["outcome"] == "Expired"


@pytest.mark.timeout(240)
def test_all_of_100_approvals_complete_after_kill_9(host: HostProcess, approval_queue: QueueClient) -> None:
    ids = [start_approval(host, number=number)["id"] for number in range(100)]
    for instance_id in ids:
        approval_queue.send_message(instance_id)
    host.wait_status(ids[20], "Completed")
    host.kill()
    host.start()
    for instance_id in ids:
        finished = host.wait_status(instance_id, "Completed", limit=60)
        assert finished["output"]["outcome"] == "Approved"
        events = finished["historyEvents"]
        done = {event.get("FunctionName") for event in events if event["EventType"] == "TaskCompleted"}
        assert {"RequestApproval", "ApproveRequest"} <= done
