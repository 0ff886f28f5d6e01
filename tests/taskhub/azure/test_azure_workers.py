"""Several workers on one hub, the app lease, worker names, partition count."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_samples import later, pause, raised, receive, time_limit, timer
from recording_account import RecordingAccount, kill

from durable_host import private_files
from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.taskhub.azure import AzureTaskHub
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.partition_manager import PartitionTable
from durable_host.durable.taskhub.azure.worker_id import HostSlot, worker_id
from durable_host.storage import StorageAccount

IDS = [f"instance-{number}" for number in range(16)]


async def settled(*hubs: AzureTaskHub, shares: list[int]) -> None:
    async with time_limit(40):
        while [len(hub.owned_partitions) for hub in hubs] != shares:
            await pause(0.05)


async def test_one_worker_owns_all_partitions_when_it_has_started(open_azure) -> None:
    hub = await open_azure()
    assert len(hub.owned_partitions) == 4


async def test_a_partition_that_is_lost_is_acquired_again_with_its_messages(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    queue = HubNames.of(hub_name, 4).queue_of("i")
    await hub.send(raised("i"))
    await receive(hub, 1)
    await hub.lose_partition(queue)
    assert hub.owned_partitions == set(HubNames.of(hub_name, 4).control_queues) - {queue}
    await settled(hub, shares=[4])
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    await client.send(raised("i", "Later"))
    received = await receive(hub, 1)
    assert received[0].message.event.name == "Later"
    await hub.lose_partition("not-a-queue-of-this-hub")
    assert len(hub.owned_partitions) == 4


async def test_a_partition_whose_row_is_missing_is_added_and_served(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    client = await open_azure(worker=False)
    names = HubNames.of(hub_name, 4)
    await client.create()
    await storage.tables.delete(names.partitions, "", names.control_queue(2))
    hub = await open_azure(on=RecordingAccount(storage), worker=False)
    hub.create = _nothing  # type: ignore[method-assign]
    await hub.start()
    await settled(hub, shares=[4])


async def _nothing() -> None:
    """In place of a creation that did not come to this row."""


async def test_two_workers_share_the_partitions_and_all_messages_arrive(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    one = await open_azure(worker_id="one")
    two = await open_azure(worker_id="two", on=RecordingAccount(storage))
    one._worker._manager._wake.set()
    await settled(one, two, shares=[2, 2])
    assert not one.owned_partitions & two.owned_partitions
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    for instance_id in IDS:
        await client.send(raised(instance_id))
    names = HubNames.of(hub_name, 4)
    for hub in (one, two):
        expected = {instance_id for instance_id in IDS if names.queue_of(instance_id) in hub.owned_partitions}
        received = await receive(hub, len(expected))
        assert {message.message.target.instance_id for message in received} == expected
        await hub.discard(received)
    # A message for a partition of the other worker reaches the other worker.
    foreign = next(i for i in IDS if names.queue_of(i) in two.owned_partitions)
    await one.send(raised(foreign))
    (message,) = await receive(two, 1)
    assert message.message.target.instance_id == foreign


async def test_partition_is_handed_over_only_when_its_messages_are_done(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    one = await open_azure(worker_id="one")
    for instance_id in IDS:
        await one.send(raised(instance_id))
    received = await receive(one, len(IDS))
    two = await open_azure(worker_id="two", on=RecordingAccount(storage))
    one._worker._manager._wake.set()
    async with time_limit(40):
        while len(one.owned_partitions) > 2:
            await pause(0.05)
    assert len(two.owned_partitions) == 0
    await one.discard(received)
    await settled(one, two, shares=[2, 2])


async def test_stopped_worker_leaves_its_partitions_at_once(open_azure, storage: StorageAccount) -> None:
    one = await open_azure(worker_id="one")
    await one.stop()
    two = await open_azure(worker_id="two", on=RecordingAccount(storage))
    assert len(two.owned_partitions) == 4


async def test_worker_role_can_be_ended_and_begun_again(open_azure) -> None:
    hub = await open_azure()
    instance = OrchestrationInstance("abc123", "x")
    await hub.send(raised("abc123", "Before"))
    await hub.send(timer(instance, 1, later(0.5)))
    await hub.stop()
    await hub.start()
    assert len(hub.owned_partitions) == 4
    await hub.restore_timer(timer(instance, 1, later(0.5)))
    before, fired = await receive(hub, 2)
    assert before.message.event.name == "Before"
    assert fired.message.event.timer_id == 1
    await hub.discard([before, fired])


async def test_killed_worker_resumes_its_partitions_at_once_under_its_name(open_azure, storage) -> None:
    one = await open_azure()
    await kill(one)
    again = await open_azure(on=RecordingAccount(storage))
    assert len(again.owned_partitions) == 4


async def test_other_app_waits_for_the_app_lease_and_says_so(open_azure, storage, caplog) -> None:
    await open_azure(app_name="first")
    with caplog.at_level("WARNING", "Host.Triggers.DurableTask"):
        other = await open_azure(app_name="second", on=RecordingAccount(storage))
    assert other.owned_partitions == frozenset()
    assert any("served by another app" in record.getMessage() for record in caplog.records)
    await other.send(raised("abc123"))


async def test_another_partition_count_is_warned_of(open_azure, storage, caplog) -> None:
    await open_azure(worker=False)
    with caplog.at_level("WARNING", "Host.Triggers.DurableTask"):
        await open_azure(worker=False, partition_count=3, on=RecordingAccount(storage))
    assert any("partitionCount is 3 now" in record.getMessage() for record in caplog.records)


async def test_another_partition_count_of_a_host_that_starts_at_the_same_time_is_warned_of(
    open_azure, caplog, monkeypatch
) -> None:
    add = PartitionTable.add

    async def add_second(table: PartitionTable, queue: str) -> bool:
        for row in (queue, f"{queue[:-2]}03"):
            await add(table, row)
        return await add(table, queue)

    monkeypatch.setattr(PartitionTable, "add", add_second)
    with caplog.at_level("WARNING", "Host.Triggers.DurableTask"):
        await open_azure(worker=False, partition_count=3)
    assert any("partitionCount is 3 now" in record.getMessage() for record in caplog.records)


async def test_surplus_partitions_are_served_too(open_azure, storage) -> None:
    await open_azure(worker=False, partition_count=4)
    hub = await open_azure(partition_count=2, on=RecordingAccount(storage))
    assert len(hub.owned_partitions) == 4


def test_slots_of_running_hosts_differ_and_are_reused(tmp_path: Path) -> None:
    first, second = HostSlot("scope", tmp_path), HostSlot("scope", tmp_path)
    assert (first.acquire(), second.acquire(), first.acquire()) == (0, 1, 0)
    assert HostSlot("other scope", tmp_path).acquire() == 0
    first.release()
    third = HostSlot("scope", tmp_path)
    assert third.acquire() == 0
    second.release()
    third.release()


@pytest.mark.skipif(sys.platform == "win32", reason="links and users are those of POSIX")
def test_lock_files_of_another_user_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    HostSlot("scope", tmp_path).acquire()
    (lock,) = tmp_path.iterdir()
    lock.unlink()
    lock.symlink_to(tmp_path / "made-by-the-link")
    linked = HostSlot("scope", tmp_path)
    assert linked.acquire() == 1
    assert not (tmp_path / "made-by-the-link").exists()
    linked.release()
    monkeypatch.setattr(private_files.os, "getuid", lambda: os.geteuid() + 1)
    assert HostSlot("scope", tmp_path).acquire() >= 64


@pytest.mark.process
def test_slot_of_a_killed_process_is_free_again(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from durable_host.durable.taskhub.azure.worker_id import HostSlot\n"
        "print(HostSlot('scope', pathlib.Path(sys.argv[1])).acquire(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "0"
    slot = HostSlot("scope", tmp_path)
    assert slot.acquire() == 1
    slot.release()
    process.kill()
    process.communicate()
    assert slot.acquire() == 0
    slot.release()


@pytest.mark.parametrize(("app", "ending"), [("shop", ":shop:1"), ("", ":1")])
def test_worker_is_named_after_machine_app_and_slot(app: str, ending: str) -> None:
    assert worker_id(app, 1).endswith(ending)
    assert not worker_id(app, 1).startswith(":")


async def test_vanished_hub_is_made_anew(open_azure, storage: StorageAccount, hub_name: str) -> None:
    hub = await open_azure()
    names = HubNames.of(hub_name, 4)
    await asyncio.gather(*[storage.queues.delete_queue(queue) for queue in names.control_queues])
    async with time_limit():
        while not all([await storage.queues.exists(queue) for queue in names.control_queues]):
            await pause(0.05)
    await hub.send(raised("abc123"))
    await receive(hub, 1)
