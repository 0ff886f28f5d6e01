"""The faults of one run of the host: when they happen, what the log says, and where they are refused."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from durable_host.chaos.chaos import Chaos
from durable_host.chaos.chaos_hub import ChaosHub
from durable_host.chaos.fault import Fault
from durable_host.chaos.faulty_session import FaultySession
from durable_host.chaos.injector import ScheduledInjector
from durable_host.chaos.partition_losses import LeasesPartitions, PartitionLosses
from durable_host.chaos.spec import parse_chaos
from durable_host.clock import SystemClock
from durable_host.config import load
from durable_host.config.connections import development, parse_connection_string
from durable_host.config.overrides import Overrides
from durable_host.durable.model.events import ExecutionStarted, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure import AzureTaskHub
from durable_host.durable.taskhub.port import SearchableHub
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.errors import ConfigurationError
from durable_host.host.chosen_faults import chosen_faults
from durable_host.testing import VirtualClock

REAL = "AccountName=shop;AccountKey=c2VjcmV0"
EVENT = "event 'Approval' for instance 'order-7'"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "Host.Chaos"]


async def test_faults_happen_between_the_start_and_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    chaos = Chaos(parse_chaos("duplicate-events=1,delay=1s"), 7)
    assert chaos.happens("duplicate-events", EVENT) is None
    assert chaos.delay(EVENT) == 0
    chaos.begin()
    assert chaos.happens("duplicate-events", EVENT, instance_id="order-7")
    assert chaos.delay(EVENT) == 1
    assert caplog.records[0].levelno == logging.WARNING
    assert caplog.records[0].instance_id == "order-7"  # pyright: ignore[reportAttributeAccessIssue]
    await chaos.end()
    assert chaos.happens("duplicate-events", EVENT) is None
    assert chaos.delay(EVENT) == 0
    await chaos.end()
    assert lines(caplog) == [
        f"Chaos: The {EVENT} is delivered a second time.",
        f"Chaos: The {EVENT} is delayed by 1 s.",
        "Chaos ends after 2 faults (duplicate-events 1, delay 1). "
        "To repeat these faults: --chaos duplicate-events=1,delay=1..1s --chaos-seed 7",
    ]


async def test_the_end_says_what_became_of_the_instances(caplog: pytest.LogCaptureFixture) -> None:
    hub = SqliteTaskHub(":memory:", "TestHub")
    await hub.create()
    for name in ("order-7", "order-8"):
        instance = OrchestrationInstance(name, f"e-{name}")
        start = TaskMessage(ExecutionStarted(orchestration_instance=instance, name="Process"), instance)
        await hub.create_instance(start, dedupe_statuses=frozenset())
    chaos = Chaos(parse_chaos("duplicate-events=1"), 7)
    chaos.wrap_hub(hub, SystemClock())
    chaos.begin()
    for name in ("order-7", "order-8", "purged", "@counter@a"):
        chaos.happens("duplicate-events", name, instance_id=name)
    await chaos.end()
    await hub.close()
    assert lines(caplog)[-1] == (
        "Chaos: Faults happened to 3 instances: 2 Pending ('order-7', 'order-8'), 1 not in the hub."
    )


@pytest.mark.parametrize(("share", "variant"), [(0.0, "before"), (0.9, "after")])
def test_a_worker_is_killed_before_or_after_it_has_run_a_function(share: float, variant: str) -> None:
    chaos = Chaos(parse_chaos("kill-worker=1"), 7)
    chaos._injector = ScheduledInjector(  # pyright: ignore[reportAttributeAccessIssue]
        [Fault(kind="kill-worker", target="function 'charge' of instance 'order-7'", share=share)], chaos._injected
    )
    chaos.begin()
    assert chaos.kills("ping", None) is None
    assert chaos.kills("charge", "order-7") == variant


async def test_in_azure_storage_requests_fail_and_in_sqlite_calls_of_the_hub() -> None:
    chaos = Chaos(parse_chaos("storage-errors=1"), 7)
    account = chaos.open_account(development())
    assert isinstance(account._session, FaultySession)
    azure = chaos.wrap_hub(AzureTaskHub(account), SystemClock())
    embedded = chaos.wrap_hub(SqliteTaskHub(":memory:", "TestHub"), SystemClock())
    assert isinstance(azure, ChaosHub)
    assert isinstance(embedded, ChaosHub)
    assert (azure._calls._is_on, embedded._calls._is_on) == (False, True)
    assert (isinstance(azure, SearchableHub), isinstance(embedded, SearchableHub)) == (False, True)
    assert isinstance(azure.hub, LeasesPartitions)
    await account.close()


@pytest.mark.parametrize(("chaos", "account"), [("storage-errors=1", REAL), ("delay=1s", "UseDevelopmentStorage=true")])
async def test_requests_to_real_accounts_never_fail_on_purpose(chaos: str, account: str) -> None:
    opened = Chaos(parse_chaos(chaos), 7).open_account(parse_connection_string(account))
    assert not isinstance(opened._session, FaultySession)
    await opened.close()


async def test_partitions_are_lost_as_often_as_their_leases_are_renewed() -> None:
    lost: list[str] = []
    clock = VirtualClock()

    class Hub:
        owned_partitions = frozenset({"control-00", "control-01"})

        async def lose_partition(self, queue: str) -> None:
            lost.append(queue)

    schedule = [Fault(kind="lose-lease", target="lease of control queue 'control-01'", occurrence=2)]

    losing = asyncio.create_task(PartitionLosses(Hub(), ScheduledInjector(schedule, lambda _: None), clock).run())
    await clock.advance(15)
    assert lost == []
    await clock.advance(10)
    assert lost == ["control-01"]
    losing.cancel()


def chosen(root: Path, overrides: Overrides, durable: dict[str, Any], account: str) -> Chaos | None:
    (root / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": durable}}), "utf-8")
    config = load(root, environ={"AzureWebJobsStorage": account}, overrides=overrides)
    assert config.host.durable.chaos is not None
    return chosen_faults(config, config.host.durable.chaos)


@pytest.mark.parametrize(
    ("durable", "account"), [({}, "UseDevelopmentStorage=true"), ({"storageProvider": {"type": "sqlite"}}, REAL)]
)
def test_faults_are_injected_on_the_development_account_and_sqlite(
    tmp_path: Path, durable: dict[str, Any], account: str
) -> None:
    chaos = chosen(tmp_path, Overrides(chaos="delay=1s", chaos_seed=7), durable, account)
    assert str(chaos) == "delay=1..1s --chaos-seed 7"


def test_faults_are_refused_on_a_real_account(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        chosen(tmp_path, Overrides(chaos="delay=1s"), {}, REAL)
    assert refused.value.code == "DH1007"
    assert "--chaos" in (refused.value.cause or "")
    assert "--task-hub sqlite" in (refused.value.remedy or "")


def test_without_a_seed_each_run_has_another_one(tmp_path: Path) -> None:
    seeds = {str(chosen(tmp_path, Overrides(chaos="delay=1s"), {}, "UseDevelopmentStorage=true")) for _ in range(5)}
    assert len(seeds) > 1


@pytest.mark.parametrize("text", ["delay=0", "kill-worker=0"])
def test_faults_that_never_happen_change_nothing(tmp_path: Path, text: str) -> None:
    assert chosen(tmp_path, Overrides(chaos=text), {}, REAL) is None


def test_an_error_names_where_the_faults_are_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"host\.json: 'extensions\.durableTask\.chaos'"):
        chosen(tmp_path, Overrides(), {"chaos": {"earthquake": 1}}, REAL)
