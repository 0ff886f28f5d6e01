"""Ended instances are purged after some time, on both adapters."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hub_samples import clock, complete, create, pause, run_first_episode, time_limit

from durable_host import timestamp
from durable_host.clock import SystemClock
from durable_host.config.durable import DurableOptions
from durable_host.durable.api import DurableClient, Retention, retention
from durable_host.durable.api.retention import BATCH, ended_before, seconds_between_rounds
from durable_host.durable.model.instance import EndedQuery, InstanceQuery
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.live_instances import LiveInstances
from durable_host.durable.taskhub.azure import hub as azure_hub
from durable_host.durable.taskhub.port import TaskHub, TaskHubRefused, TaskHubUnavailable
from durable_host.durable.taskhub.sqlite import hub as sqlite_hub

OPTIONS = DurableOptions(
    max_concurrent_activity_functions=1, max_concurrent_entity_functions=1, max_concurrent_orchestrator_functions=1
)
HOUR = 3600.0


class Pauses:
    """A clock whose sleeps are recorded and take no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> int:
        return clock.now()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def sleep_until(self, ticks: int) -> None:
        raise NotImplementedError


async def at_once() -> None:
    pass


def retention_of(
    hub: TaskHub,
    pauses: Pauses | None = None,
    *,
    retain: float = HOUR,
    live: LiveInstances | None = None,
    recovered: Callable[[], Awaitable[None]] = at_once,
) -> Retention:
    client = DurableClient(hub, None, OPTIONS, SystemClock(), live)
    return Retention(client, pauses or Pauses(), retain, recovered)


async def kept(hub: TaskHub) -> list[str]:
    return sorted(state.instance_id for state in (await hub.query_instances(InstanceQuery(top=1000))).instances)


async def end_of(hub: TaskHub, instance_id: str) -> int:
    return next(time for time, one in await hub.list_ended(EndedQuery()) if one == instance_id)


async def test_a_round_purges_what_ended_before_and_nothing_else(hub: TaskHub) -> None:
    await complete(hub, "completed")
    await complete(hub, "failed", OrchestrationStatus.Failed)
    await complete(hub, "terminated", OrchestrationStatus.Terminated)
    await complete(hub, "@counter@old")
    await run_first_episode(hub, "running")
    await complete(hub, "later")
    await create(hub, "pending")
    assert await retention_of(hub).purge_round(await end_of(hub, "later")) == 3
    assert await kept(hub) == ["@counter@old", "later", "pending", "running"]
    assert await hub.get_history("completed") == []
    assert await hub.get_history("later") != []


async def test_an_instance_that_runs_again_since_it_was_listed_is_kept(
    hub: TaskHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await complete(hub, "restarted")
    await complete(hub, "rewound", OrchestrationStatus.Failed)
    await complete(hub, "ended")
    listed = await hub.list_ended(EndedQuery())

    async def ended_pages(before: int) -> AsyncIterator[list[str]]:
        yield [instance_id for _, instance_id in listed]

    await create(hub, "restarted")
    await hub.rewind("rewound", None)
    monkeypatch.setattr(hub, "ended_pages", ended_pages)
    assert await retention_of(hub).purge_round(listed[-1][0] + 1) == 1
    assert await kept(hub) == ["restarted", "rewound"]


async def test_instances_go_in_batches_with_a_pause_after_each(hub: TaskHub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "Host.Triggers.DurableTask")
    for number in range(2 * BATCH + 1):
        await complete(hub, f"instance{number}")
    pauses = Pauses()
    before = clock.now()
    assert await retention_of(hub, pauses).purge_round(before) == 2 * BATCH + 1
    assert len(pauses.slept) >= 3
    assert min(pauses.slept) > 0
    lines = [line for line in caplog.messages if line.startswith("Retention: purged")]
    ended = timestamp.to_text(before)
    assert lines == [f"Retention: purged 21 instances of the task hub '{hub.name}' that ended before {ended}"]


async def test_a_round_without_work_logs_nothing(hub: TaskHub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "Host.Triggers.DurableTask")
    await run_first_episode(hub, "running")
    assert await retention_of(hub).purge_round(clock.now()) == 0
    assert not [line for line in caplog.messages if line.startswith("Retention")]


async def test_pages_follow_each_other_even_if_an_instance_stays(hub: TaskHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_hub, "_PAGE", 2)
    monkeypatch.setattr(azure_hub, "_PAGE", 2)
    for name in ("a", "b", "c", "d", "e"):
        await complete(hub, name)
    purge = hub.purge_ended

    async def purge_ended(instance_id: str, *rest: Any) -> bool:
        return instance_id != "a" and await purge(instance_id, *rest)

    monkeypatch.setattr(hub, "purge_ended", purge_ended)
    assert await retention_of(hub).purge_round(clock.now()) == 4
    assert await kept(hub) == ["a"]


async def test_two_hosts_may_purge_the_same_instances_at_the_same_time(hub: TaskHub) -> None:
    for number in range(2 * BATCH):
        await complete(hub, f"instance{number}")
    before = clock.now()
    await asyncio.gather(*(retention_of(hub).purge_round(before) for _ in range(2)))
    assert await kept(hub) == []


async def test_it_begins_when_the_work_of_an_earlier_process_is_done(hub: TaskHub) -> None:
    await complete(hub, "old")
    recovered, asked = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        asked.set()
        await recovered.wait()

    retention = retention_of(hub, retain=0.0, recovered=wait)
    retention.start()
    await asked.wait()
    assert await kept(hub) == ["old"]
    recovered.set()
    await until_kept(hub, [])
    await retention.stop()


async def test_an_outage_is_logged_once_when_it_begins_and_once_when_it_is_over(
    hub: TaskHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await complete(hub, "old")
    ended_pages = hub.ended_pages
    answers: list[Any] = [TaskHubUnavailable("the storage does not respond")] * 5

    async def unavailable_at_first(before: int) -> AsyncIterator[list[str]]:
        if answers:
            raise answers.pop()
        async for page in ended_pages(before):
            yield page

    monkeypatch.setattr(hub, "ended_pages", unavailable_at_first)
    retention = retention_of(hub, retain=0.0)
    retention.start()
    again = f"Retention: the task hub '{hub.name}' can be purged again"
    async with time_limit():
        while again not in caplog.messages:
            await pause(0.01)
    await retention.stop()
    assert await kept(hub) == []
    text = f"Retention: the task hub '{hub.name}' could not be purged: the storage does not respond"
    assert [line for line in caplog.messages if line in (text, again)] == [text, again]


def refuse_to_purge_a(hub: TaskHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, storage refuses to purge the instance 'a'."""
    purge = hub.purge_ended

    async def purge_ended(instance_id: str, *rest: Any) -> bool:
        if instance_id == "a":
            raise TaskHubRefused("a blob is leased")
        return await purge(instance_id, *rest)

    monkeypatch.setattr(hub, "purge_ended", purge_ended)


async def test_an_instance_that_storage_refuses_to_delete_does_not_stop_the_others(
    hub: TaskHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "c"):
        await complete(hub, name)
    refuse_to_purge_a(hub, monkeypatch)
    retention = retention_of(hub)
    assert await retention.purge_round(clock.now()) == 2
    assert await kept(hub) == ["a"]
    await complete(hub, "d")
    assert await retention.purge_round(clock.now()) == 1
    assert await kept(hub) == ["a"]
    assert caplog.messages.count("Retention: the instance 'a' was not purged: a blob is leased") == 1


async def test_the_only_instance_of_a_page_does_not_end_the_round_when_it_cannot_be_deleted(
    hub: TaskHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite_hub, "_PAGE", 1)
    monkeypatch.setattr(azure_hub, "_PAGE", 1)
    for name in ("a", "b", "c"):
        await complete(hub, name)
    refuse_to_purge_a(hub, monkeypatch)
    retention = retention_of(hub)
    assert [await retention.purge_round(clock.now()) for _ in range(2)] == [2, 0]
    assert await kept(hub) == ["a"]
    assert caplog.messages.count("Retention: the instance 'a' was not purged: a blob is leased") == 1


@pytest.mark.parametrize(
    "error", [TaskHubUnavailable("no answer", is_unreachable=True), TaskHubRefused("access is denied")]
)
async def test_storage_that_fails_altogether_ends_the_round(
    hub: TaskHub, monkeypatch: pytest.MonkeyPatch, error: TaskHubUnavailable
) -> None:
    monkeypatch.setattr(retention, "_ALL_REFUSED", 3)
    monkeypatch.setattr(retention, "BATCH", 1)
    for name in ("a", "b", "c", "d"):
        await complete(hub, name)
    asked: list[str] = []

    async def purge_ended(instance_id: str, *_: Any) -> bool:
        asked.append(instance_id)
        raise error

    monkeypatch.setattr(hub, "purge_ended", purge_ended)
    with pytest.raises(TaskHubUnavailable):
        await retention_of(hub).purge_round(clock.now())
    assert len(asked) == (1 if error.is_unreachable else 3)


async def test_without_a_duration_nothing_is_purged(hub: TaskHub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "Host.Triggers.DurableTask")
    await complete(hub, "old")
    retention = Retention(DurableClient(hub, None, OPTIONS, clock), clock, None, at_once)
    retention.start()
    await asyncio.sleep(0)
    await retention.stop()
    assert await kept(hub) == ["old"]
    assert not [line for line in caplog.messages if line.startswith("Retention")]


async def test_what_is_purged_is_forgotten_in_memory(hub: TaskHub) -> None:
    await complete(hub, "old")
    live, forgotten = LiveInstances(), list[str]()
    live.when_removed(forgotten.append)
    await retention_of(hub, live=live).purge_round(clock.now())
    assert forgotten == ["old"]


async def test_pauses_are_shorter_while_many_instances_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count()
    monkeypatch.setattr(retention, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    pauses = Pauses()
    pace = retention.Pace(pauses)
    await pace.pause()
    for is_behind in (True, True, True, False):
        pace.adapt(is_behind=is_behind)
        await pace.pause()
    assert pauses.slept == [9, 3, 1, 1, 9]


async def test_retention_is_behind_when_many_instances_are_due_on_pages_that_are_not_full(
    hub: TaskHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended_pages(before: int) -> AsyncIterator[list[str]]:
        for page in ("abc", "def", "g"):
            yield list(page)

    async def purge_ended(*_: Any) -> bool:
        return True

    adapted: list[bool] = []
    monkeypatch.setattr(retention, "_MANY", 4)
    monkeypatch.setattr(retention.Pace, "adapt", lambda self, is_behind: adapted.append(is_behind))
    monkeypatch.setattr(hub, "ended_pages", ended_pages)
    monkeypatch.setattr(hub, "purge_ended", purge_ended)
    assert await retention_of(hub).purge_round(clock.now()) == 7
    assert adapted == [False, True, True]


@pytest.mark.parametrize(("retain", "seconds"), [(1.0, 1.0), (60.0, 6.0), (HOUR, 360.0), (7 * 24 * HOUR, 600.0)])
def test_rounds_come_ten_times_in_the_period_but_at_least_every_ten_minutes(retain: float, seconds: float) -> None:
    assert seconds_between_rounds(retain) == seconds


@pytest.mark.parametrize("days", [200_000, 999_999, 999_999_999])
async def test_a_period_longer_than_the_calendar_keeps_everything(hub: TaskHub, days: int) -> None:
    await complete(hub, "old")
    assert await retention_of(hub).purge_round(ended_before(days * 24 * HOUR, clock.now())) == 0
    assert await kept(hub) == ["old"]


async def until_kept(hub: TaskHub, names: list[str]) -> None:
    async with time_limit():
        while await kept(hub) != names:
            await pause(0.01)
