"""Refusals of storage: retried a few times, then the instance whose data is refused fails, or the host ends."""

import asyncio
import logging
from typing import Any

import pytest
from runtime_world import App, Hosts, RecordingHub, World, runtime_options

from durable_host.clock import SystemClock
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime import storage_faults
from durable_host.durable.runtime.runtime import DurableRuntime, RuntimeFailed
from durable_host.durable.runtime.storage_faults import MAX_REFUSALS, StorageFaults
from durable_host.durable.taskhub.port import Checkpoint, EpisodeCommit, TaskHubRefused, TaskHubUnavailable


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_faults, "_SHORTEST", 0.001)


def refused(times: int, **how: Any) -> list[Exception]:
    return [TaskHubRefused("table /t: Too large (EntityTooLarge, HTTP 413)", kind="EntityTooLarge", **how)] * times


async def begin(app: App, hosts: Hosts, faults: dict[str, list[Exception]]) -> World:
    return await hosts.start(app, prepare=lambda hub: hub.faults.update(faults))


async def test_an_orchestration_whose_data_is_refused_fails_with_the_reason(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    world = await begin(app, hosts, {"commit": refused(MAX_REFUSALS, is_about_data=True)})
    await world.start("chain", "c", ["a"])
    state = await world.result("c")
    assert state.runtime_status is OrchestrationStatus.Failed
    assert "Too large (EntityTooLarge, HTTP 413)" in (state.output or "")
    texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert sum("The storage of the task hub 'TestHub' refused a request" in text for text in texts) == 1
    assert not any("work continues when it is" in text for text in texts)


async def test_one_refusal_alone_fails_nothing(app: App, hosts: Hosts) -> None:
    faults = {"commit": refused(1, is_about_data=True), "complete_activity": refused(1, is_about_data=True)}
    world = await begin(app, hosts, faults)
    await world.start("chain", "c", ["a"])
    assert await world.output("c") == ["Hello a"]


async def test_an_entity_operation_whose_data_is_refused_fails_with_the_reason(app: App, hosts: Hosts) -> None:
    @app.entity
    def counter(context: Any) -> None:
        context.set_state(1)
        context.set_result(1)

    @app.orchestrator
    def caller(context: Any) -> Any:
        import azure.durable_functions as df

        try:
            return (yield context.call_entity(df.EntityId("counter", "a"), "add", 1))
        except Exception as error:
            return str(error)

    def prepare(hub: RecordingHub) -> None:
        commit, left = hub.commit, refused(MAX_REFUSALS, is_about_data=True)

        async def faulty(episode: EpisodeCommit) -> Checkpoint:
            if episode.instance_id.startswith("@") and left:
                raise left.pop()
            return await commit(episode)

        hub.commit = faulty  # type: ignore[method-assign]

    world = await hosts.start(app, prepare=prepare)
    await world.start("caller", "c")
    assert "EntityTooLarge" in await world.output("c")


async def test_an_activity_whose_result_is_refused_fails_with_the_reason(app: App, hosts: Hosts) -> None:
    world = await begin(app, hosts, {"complete_activity": refused(MAX_REFUSALS, is_about_data=True)})
    await world.start("chain", "c", ["a"])
    state = await world.result("c")
    assert state.runtime_status is OrchestrationStatus.Failed
    assert "Its result cannot be stored: table /t: Too large" in (state.output or "")


@pytest.mark.parametrize("method", ["commit", "complete_activity"])
async def test_what_is_refused_for_another_reason_is_released_and_logged(app: App, hosts: Hosts, method: str) -> None:
    world = await begin(app, hosts, {method: refused(MAX_REFUSALS)})
    released: list[Any] = []
    abandon = world.hub.abandon

    async def abandoned(messages: Any, *, delay: float | None = None) -> None:
        released.extend(messages)
        await abandon(messages, delay=0.0)

    world.hub.abandon = abandoned  # type: ignore[method-assign]
    await world.start("chain", "c", ["a"])
    assert await world.output("c") == ["Hello a"]
    assert len(released) == 1
    assert [one.instance_id for one in world.runtime.diagnostics.recent() if one.code == "DH6207"] == ["c"]


async def test_the_host_is_ended_with_the_reason_when_storage_denies_everything(app: App, hosts: Hosts) -> None:
    hub = hosts.hub(RecordingHub)
    hub.faults = {"next_control_messages": [TaskHubRefused("The key is wrong.", is_about_access=True, is_final=True)]}
    failures: list[RuntimeFailed] = []
    runtime = DurableRuntime(hub, app.code(), runtime_options(), SystemClock(), on_failure=failures.append)
    await runtime.start()
    try:
        async with asyncio.timeout(30):
            while not failures:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await runtime.stop(1.0)
        await hub.close()
    (failure,) = failures
    assert (failure.code, failure.exit_code, failure.cause) == ("DH2002", 4, "The key is wrong.")


def test_each_kind_of_fault_is_said_once_and_once_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    faults = StorageFaults(SystemClock(), "TestHub")
    away, denied = TaskHubUnavailable("The queue is away.", kind="Unavailable"), refused(1)[0]
    for source, error in (("a", away), ("b", away), ("a", away), ("c", denied), ("c", denied), ("d", denied)):
        faults.failed(source, error)
    for source in ("a", "b", "c"):
        faults.recovered(source)
    faults.forget("d")
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "The task hub 'TestHub' is not available; work continues when it is back: The queue is away.",
        "The storage of the task hub 'TestHub' refused a request: table /t: Too large (EntityTooLarge, HTTP 413)",
        "The task hub 'TestHub' is available again.",
    ]


class RowRefused(RecordingHub):
    """Commits the history of the first episode, and not its row."""

    left = 1

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        if not self.left:
            return await super().commit(episode)
        self.left -= 1
        fields = {name: getattr(episode, name) for name in episode.__struct_fields__}
        await super().commit(EpisodeCommit(**{**fields, "update": None, "consumed": ()}))
        raise TaskHubUnavailable("The row was not written.")


async def test_custom_status_of_a_first_row_that_was_not_written_is_written_before_the_next_episode(
    app: App, hosts: Hosts
) -> None:
    world = await hosts.start(app, hub=hosts.hub(RowRefused))
    await world.start("approval", "a")
    async with asyncio.timeout(30):
        while (state := await world.hub.get_instance("a")) is None or state.custom_status != '"waiting"':  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert state.runtime_status is OrchestrationStatus.Running
    await world.client.raise_event("a", "Approval", "true")
    assert await world.output("a") is True
