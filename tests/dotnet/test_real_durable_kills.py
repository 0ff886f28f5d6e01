"""Approvals of a real .NET app, through kills of the host and of the worker. Skipped where there is no .NET."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient
from durable_world import finished, wait_custom_status
from host_process import HostProcess, ends_of, until
from real_apps import copy_of, runtime_settings, with_host_json
from real_world import approvals_queue, decide, events, start_budget, worker_of
from scripted_hosts import dotnet_settings

APPROVALS = 50
pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.fixture
def queue(connection_string: str) -> Iterator[QueueClient]:
    with approvals_queue(connection_string) as queue:
        yield queue


@pytest.fixture
def make_host(tmp_path: Path, connection_string: str) -> Iterator[Callable[..., HostProcess]]:
    """Makes the host of an app with its own hub; `durable` are settings of host.json."""
    made: list[HostProcess] = []

    def make(*arguments: str, **durable: object) -> HostProcess:
        settings = {**dotnet_settings(connection_string), **runtime_settings()}
        host = HostProcess(with_host_json(copy_of("core", tmp_path), **durable), settings)
        made.append(host)
        return host.start(*arguments)

    yield make
    for host in made:
        host.end()


@pytest.mark.parametrize("hub", [(), ("--task-hub", "sqlite")], ids=["azurite", "sqlite"])
def test_an_approval_continues_after_a_restart(
    make_host: Callable[..., HostProcess], queue: QueueClient, hub: tuple[str, ...]
) -> None:
    host = make_host(*hub)
    waiting = [start_budget(host) for _ in range(2)]
    for instance_id in waiting:
        wait_custom_status(host, instance_id, {"waiting": True})
    assert host.stop() == 0, host.output
    host.start(*hub)
    for instance_id, approved in zip(waiting, (True, False), strict=True):
        decide(queue, instance_id, approved)
    assert [finished(host, one)["output"] for one in waiting] == ["processed Desk 12.5", "rejected Desk"]


def test_approvals_survive_faults_on_purpose(make_host: Callable[..., HostProcess], queue: QueueClient) -> None:
    chaos = "duplicate-events=1,redeliver-activities=0.5,delay=0..100ms,lose-lease=0.2"
    host = make_host("--chaos", chaos, "--chaos-seed", "7")
    waiting = [start_budget(host) for _ in range(4)]
    assert host.stop() == 0
    host.start("--chaos", f"{chaos},kill-worker=0.1", "--chaos-seed", "7")
    for instance_id in waiting:
        wait_custom_status(host, instance_id, {"waiting": True})
    for instance_id in waiting:
        decide(queue, instance_id, True)
    assert {finished(host, one)["output"] for one in waiting} == {"processed Desk 12.5"}
    assert any("is delivered a second time" in line for line in host.lines)


def test_without_extended_sessions_each_turn_has_the_history(
    make_host: Callable[..., HostProcess], queue: QueueClient
) -> None:
    host = make_host(extendedSessionsEnabled=False)
    instance_id = start_budget(host)
    wait_custom_status(host, instance_id, {"waiting": True})
    decide(queue, instance_id, True)
    assert finished(host, instance_id)["output"] == "processed Desk 12.5"


@pytest.mark.parametrize(
    ("killed", "hub"),
    [("host", ()), ("worker", ()), ("host", ("--task-hub", "sqlite"))],
    ids=["host-azurite", "worker-azurite", "host-sqlite"],
)
def test_nothing_is_lost_or_doubled_by_a_kill_in_the_middle_of_many_approvals(
    make_host: Callable[..., HostProcess], queue: QueueClient, killed: str, hub: tuple[str, ...]
) -> None:
    host = make_host(*hub)
    instances = {start_budget(host, f"item {number}", number): number for number in range(APPROVALS)}
    for instance_id in instances:
        wait_custom_status(host, instance_id, {"waiting": True})
    worker = worker_of(host)
    *first, last = instances
    for instance_id in first:
        decide(queue, instance_id, instances[instance_id] % 2 == 0)
    until(lambda: len(_ended(host)) >= 5, host=host)
    if killed == "host":
        host.kill()
        assert until(lambda: ends_of([worker])), "the worker ends with its host"
        host.start(*hub)
    else:
        os.kill(worker, signal.SIGKILL)
    decide(queue, last, instances[last] % 2 == 0)
    for instance_id, number in instances.items():
        status = finished(host, instance_id, limit=90)
        expected = f"processed item {number} {number}" if number % 2 == 0 else f"rejected item {number}"
        assert status["output"] == expected
        assert len(events(status, "TaskCompleted")) == 2
        assert len(events(status, "ExecutionCompleted")) == 1
    assert worker_of(host) != worker


def _ended(host: HostProcess) -> list[str]:
    return [line for line in host.lines if "Executed 'Functions.BudgetApproval' (Succeeded" in line]
