"""The log of orchestrations: one line for the start and one for the end, whatever happens in between."""

import asyncio
import functools
import logging
from typing import Any

import msgspec
import pytest
from runtime_world import App, Hosts, RecordingHub, World

from durable_host.durable.taskhub.port import Checkpoint, EpisodeCommit, TaskHubUnavailable


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def told(caplog: pytest.LogCaptureFixture, instance_id: str) -> list[logging.LogRecord]:
    """The records in the category of the instance's function."""
    return [
        record
        for record in caplog.records
        if getattr(record, "instance_id", None) == instance_id and record.name.startswith("Function.")
    ]


def endings(caplog: pytest.LogCaptureFixture, instance_id: str) -> list[tuple[str, str]]:
    """Level and runtime status of each of them; a start counts as Running."""
    return [(record.levelname, record.status) for record in told(caplog, instance_id)]  # type: ignore[attr-defined]


async def restarted(world: World, hosts: Hosts, app: App) -> World:
    await world.runtime.stop()
    await world.hub.close()
    return await hosts.start(app)


async def test_start_and_end_are_logged_once(app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture) -> None:
    world = await hosts.start(app)
    await world.start("CHAIN", "c", ["a", "b", "c"])
    await world.result("c")
    start, end = told(caplog, "c")
    assert start.name == end.name == "Function.chain"
    assert start.getMessage() == "Executing 'Functions.chain' (Reason='Orchestration started.', InstanceId=c)"
    assert end.getMessage().startswith("Executed 'Functions.chain' (Succeeded, InstanceId=c, RuntimeStatus=Completed, ")
    assert endings(caplog, "c") == [("INFO", "Running"), ("INFO", "Completed")]
    assert end.duration_ms >= 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("is_one_shot", [False, True])
async def test_an_error_is_logged_with_type_text_and_frames_of_the_user(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture, is_one_shot: bool
) -> None:
    def helper(data: Any) -> Any:
        return data["wrong_key"]

    @app.orchestrator
    def flow(context):
        yield context.call_activity("hello", "x")
        return helper({})

    if is_one_shot:
        app.orchestrators["flow"] = functools.partial(app.orchestrators["flow"])
    world = await hosts.start(app)
    await world.start("flow", "f")
    await world.result("f")
    assert endings(caplog, "f") == [("INFO", "Running"), ("ERROR", "Failed")]
    first, *lines = told(caplog, "f")[1].getMessage().split("\n")
    assert first.startswith("Executed 'Functions.flow' (Failed, InstanceId=f, RuntimeStatus=Failed, Duration=")
    assert lines[:2] == ["Exception: KeyError: 'wrong_key'", "Stack: Traceback (most recent call last):"]
    frames = [line for line in lines if line.startswith("  File ")]
    assert [line.rsplit(" in ", 1)[1] for line in frames] == ["flow", "helper"]
    assert all("test_runtime_log.py" in line for line in frames)
    failure = told(caplog, "f")[1].exception  # type: ignore[attr-defined]
    assert (failure["type"], failure["message"]) == ("KeyError", "'wrong_key'")
    assert failure["file"].endswith("test_runtime_log.py")
    assert "output" not in failure


async def test_a_replay_reports_nothing_again(app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture) -> None:
    @app.orchestrator
    def waits(context):
        yield context.call_activity("hello", "x")
        yield context.wait_for_external_event("go")
        raise ValueError("late")

    world = await hosts.start(app)
    await world.start("waits", "w")
    await world.until(lambda: len(world.hub.commits) == 2)
    world = await restarted(world, hosts, app)
    await world.client.raise_event("w", "go", "1")
    await world.result("w")
    assert endings(caplog, "w") == [("INFO", "Running"), ("ERROR", "Failed")]
    assert "Exception: ValueError: late" in told(caplog, "w")[1].getMessage()


async def test_a_repeated_work_item_is_logged_once(
    app: App, virtual_hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(hub: Any) -> None:
        hub.faults["commit"] = [TaskHubUnavailable("away"), TaskHubUnavailable("away again")]

    world = await virtual_hosts.start(app, prepare=fail)
    await world.start("chain", "c")
    await world.result("c")
    assert endings(caplog, "c") == [("INFO", "Running"), ("INFO", "Completed")]


class ForgetfulHub(RecordingHub):
    """Writes the first commit, and says that it failed."""

    is_forgetful = True

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        if not self.is_forgetful:
            return await super().commit(episode)
        self.is_forgetful = False
        await super().commit(msgspec.structs.replace(episode, consumed=()))
        raise TaskHubUnavailable("the answer was lost")


async def test_the_end_is_logged_although_the_response_to_its_commit_is_lost(
    app: App, virtual_hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    @app.orchestrator
    def short(context):
        return 1

    world = await virtual_hosts.start(app, hub=virtual_hosts.hub(ForgetfulHub))
    await world.start("short", "s")
    await world.until(lambda: len(told(caplog, "s")) == 2)
    assert endings(caplog, "s") == [("INFO", "Running"), ("INFO", "Completed")]


async def test_all_generations_are_one_orchestration(app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture) -> None:
    @app.orchestrator
    def again(context):
        left = context.get_input()
        yield context.call_activity("hello", left)
        if left:
            context.continue_as_new(left - 1)
        return left

    world = await hosts.start(app)
    await world.start("again", "a", 3)
    await world.result("a")
    assert endings(caplog, "a") == [("INFO", "Running"), ("INFO", "Completed")]
    between = [record for record in caplog.records if "continued as new" in record.getMessage()]
    assert [(record.name, record.levelname) for record in between] == [("Host.Triggers.DurableTask", "INFO")] * 3


async def test_a_failure_that_the_code_handles_is_none_of_the_orchestration(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    @app.activity
    def boom(_: Any) -> None:
        raise ValueError("boom")

    @app.orchestrator
    def careful(context):
        try:
            yield context.call_activity("boom")
        except Exception:
            return "handled"

    world = await hosts.start(app)
    await world.start("careful", "c")
    await world.result("c")
    assert endings(caplog, "c") == [("INFO", "Running"), ("INFO", "Completed")]


async def test_a_failed_call_is_logged_without_the_traceback_of_the_callee(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    @app.orchestrator
    def child(context):
        raise ValueError("inside")
        yield

    @app.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator("child", instance_id="kid")

    world = await hosts.start(app)
    await world.start("parent", "p")
    await world.result("p")
    started, failed = told(caplog, "kid")
    assert "Reason='Sub-orchestration of 'p'.'" in started.getMessage()
    assert failed.getMessage().count("Traceback") == 1
    text = told(caplog, "p")[1].getMessage()
    assert "Exception: Exception: Orchestrator function 'child' failed: inside\nStack: " in text
    assert text.count("Traceback") == 1
    assert " in parent" in text


async def test_an_error_raised_from_a_failed_call_has_the_users_frames_only(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    @app.orchestrator
    def child(context):
        raise ValueError("inside")

    @app.orchestrator
    def parent(context):
        try:
            yield context.call_sub_orchestrator("child", instance_id="kid")
        except Exception as error:
            raise RuntimeError("no child") from error

    world = await hosts.start(app)
    await world.start("parent", "p")
    await world.result("p")
    first, *lines = told(caplog, "p")[1].getMessage().split("\n")
    assert first.startswith("Executed 'Functions.parent' (Failed, ")
    assert lines[0] == "Exception: RuntimeError: no child"
    assert [line.rsplit(" in ", 1)[1] for line in lines if line.startswith("  File ")] == ["parent", "parent"]
    assert "Exception: Orchestrator function 'child' failed: ValueError: inside" in lines
    assert "The above exception was the direct cause of the following exception:" in lines


async def test_a_failure_made_by_the_host_is_logged_with_its_reason(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    world = await hosts.start(app)
    await world.start("approval", "a")
    await world.until(lambda: world.hub.commits)
    del app.orchestrators["approval"]
    world = await restarted(world, hosts, app)
    await world.client.raise_event("a", "Approval", "1")
    await world.result("a")
    assert endings(caplog, "a") == [("INFO", "Running"), ("ERROR", "Failed")]
    text = told(caplog, "a")[1].getMessage()
    assert "\nReason: Orchestrator function 'approval' failed: The function 'approval' doesn't exist" in text


async def test_a_termination_is_a_warning_with_its_reason(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    world = await hosts.start(app)
    await world.start("approval", "a")
    await world.until(lambda: world.hub.commits)
    await world.client.suspend("a", "lunch")
    await world.until(lambda: len(world.hub.commits) == 2)
    await world.client.resume("a", "back")
    await world.client.terminate("a", "enough")
    await world.result("a")
    assert endings(caplog, "a") == [("INFO", "Running"), ("WARNING", "Terminated")]
    assert told(caplog, "a")[1].getMessage().endswith("\nReason: enough")
    notes = [record.getMessage() for record in caplog.records if "'approval' was" in record.getMessage()]
    assert notes == [
        "The orchestration 'approval' was suspended: lunch (InstanceId=a)",
        "The orchestration 'approval' was resumed: back (InstanceId=a)",
    ]


async def test_a_rewound_orchestration_starts_and_ends_again(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True]

    @app.activity
    def flaky(_: Any) -> str:
        if broken:
            raise ValueError(broken.pop())
        return "ok"

    @app.orchestrator
    def flow(context):
        return (yield context.call_activity("flaky"))

    world = await hosts.start(app)
    await world.start("flow", "f")
    await world.result("f")
    await world.client.rewind("f", "fixed")
    await world.until(lambda: len(told(caplog, "f")) == 4)
    assert endings(caplog, "f") == [
        ("INFO", "Running"),
        ("ERROR", "Failed"),
        ("INFO", "Running"),
        ("INFO", "Completed"),
    ]
    assert "Reason='Rewound: fixed'" in told(caplog, "f")[2].getMessage()


async def test_a_replaced_instance_is_logged_as_another_one(
    app: App, hosts: Hosts, caplog: pytest.LogCaptureFixture
) -> None:
    world = await hosts.start(app)
    for _ in range(2):
        await world.start("chain", "c")
        await world.result("c")
        await asyncio.sleep(0)
    assert endings(caplog, "c") == [("INFO", "Running"), ("INFO", "Completed")] * 2
