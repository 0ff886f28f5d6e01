"""Operations on one instance. Source: spec/durable-protocol.md, section 8.6."""

import pytest
from api_world import World

from durable_host.durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
)
from durable_host.durable.model.status import OrchestrationStatus

JSON = {"Content-Type": "application/json"}


async def test_event_goes_to_the_instance_with_its_data_compact(world: World) -> None:
    await world.put("a", OrchestrationStatus.Running)
    url = f"{world.webhook}/instances/a/raiseEvent/Approval"
    async with world.http.post(url, data=b' {"ok" : 1.50, "n": 1} ', headers=JSON) as answer:
        assert answer.status == 202
        assert await answer.read() == b""
    event = (await world.messages("a"))[-1]
    assert isinstance(event, EventRaised)
    assert (event.name, event.input, event.event_id) == ("Approval", '{"ok":1.50,"n":1}', -1)


async def test_sdk_event_data_is_encoded_twice(world: World) -> None:
    await world.put("a", OrchestrationStatus.Running)
    await world.sdk().raise_event("a", "Approval", {"ok": True})
    await world.sdk().raise_event("a", "Nothing")
    first, second = [one for one in await world.messages("a") if isinstance(one, EventRaised)]
    assert first.input == '"{\\"ok\\": true}"'
    assert second.input == '"null"'


async def test_event_to_a_pending_instance_is_accepted(world: World) -> None:
    await world.create("a")
    await world.sdk().raise_event("a", "Approval", 1)


async def test_event_to_a_live_instance_reads_no_row(world: World) -> None:
    world.live.opened("only-in-memory", 1)
    async with world.http.post(f"{world.rpc}/instances/only-in-memory/raiseEvent/E", json=1) as answer:
        assert answer.status == 202
    world.live.ended("only-in-memory")
    async with world.http.post(f"{world.rpc}/instances/only-in-memory/raiseEvent/E", json=1) as answer:
        assert answer.status == 404


async def test_event_for_unknown_and_ended_instances(world: World) -> None:
    await world.put("done", OrchestrationStatus.Completed)
    with pytest.raises(Exception, match=r"No instance with ID nope found\."):
        await world.sdk().raise_event("nope", "E", 1)
    with pytest.raises(Exception, match="is gone: either completed or failed"):
        await world.sdk().raise_event("done", "E", 1)


async def test_event_body_must_be_json(world: World) -> None:
    await world.put("a", OrchestrationStatus.Running)
    url = f"{world.webhook}/instances/a/raiseEvent/E"
    async with world.http.post(url, data="1", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 400
        assert await answer.json() == {"Message": "Only application/json request content is supported"}
    for body in (b"", b"{", b"approve", b"\xff"):
        async with world.http.post(url, data=body, headers=JSON) as answer:
            assert answer.status == 400
            assert (await answer.json())["Message"] == "Invalid JSON content"
    headers = {"Content-Type": "application/json; charset=utf-8"}
    async with world.http.post(url, data=b"NaN", headers=headers) as answer:
        assert answer.status == 202


async def test_odd_event_names_are_passed_on(world: World) -> None:
    await world.put("a", OrchestrationStatus.Running)
    await world.sdk().raise_event("a", "über 50%25", 1)
    event = (await world.messages("a"))[-1]
    assert isinstance(event, EventRaised)
    assert event.name == "über 50%"


@pytest.mark.parametrize("operation", ["terminate", "suspend", "TERMINATE"])
async def test_operation_reaches_the_instance_with_its_reason(world: World, operation: str) -> None:
    await world.put("a", OrchestrationStatus.Running)
    async with world.http.post(f"{world.webhook}/instances/a/{operation}?Reason=r%20s") as answer:
        assert answer.status == 202
    event = (await world.messages("a"))[-1]
    if isinstance(event, ExecutionTerminated):
        assert event.input == "r s"
    else:
        assert isinstance(event, ExecutionSuspended)
        assert event.reason == "r s"


async def test_resume_of_a_suspended_instance(world: World) -> None:
    await world.put("a", OrchestrationStatus.Suspended)
    await world.sdk().resume("a", "go on")
    event = (await world.messages("a"))[-1]
    assert isinstance(event, ExecutionResumed)
    assert event.reason == "go on"


@pytest.mark.parametrize("operation", ["terminate", "suspend", "resume", "rewind"])
async def test_unknown_instance_is_404(world: World, operation: str) -> None:
    async with world.http.post(f"{world.rpc}/instances/nope/{operation}") as answer:
        assert answer.status == 404
        assert await answer.read() == b""


@pytest.mark.parametrize("operation", ["terminate", "suspend", "resume", "rewind"])
async def test_ended_instance_is_410(world: World, operation: str) -> None:
    await world.put("a", OrchestrationStatus.Completed)
    async with world.http.post(f"{world.rpc}/instances/a/{operation}") as answer:
        assert answer.status == 410
        assert await answer.read() == b""


@pytest.mark.parametrize(
    ("operation", "status", "text"),
    [
        ("suspend", OrchestrationStatus.Suspended,
         "Cannot suspend the orchestration instance a because instance is in the Suspended state."),
        ("resume", OrchestrationStatus.Running,
         "Cannot resume the orchestration instance a because instance is in the Running state."),
        ("rewind", OrchestrationStatus.Running,
         "The rewind operation is only supported on failed orchestration instances."),
    ],
)  # fmt: skip
async def test_wrong_state_is_500_with_a_text(
    world: World, operation: str, status: OrchestrationStatus, text: str
) -> None:
    await world.put("a", status)
    async with world.http.post(f"{world.rpc}/instances/a/{operation}") as answer:
        assert answer.status == 500
        assert (await answer.json())["ExceptionMessage"] == text


async def test_rewind_of_a_failed_instance(world: World) -> None:
    await world.put("a", OrchestrationStatus.Failed)
    await world.sdk().rewind("a", "try again")
    state = await world.client.get("a")
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.Pending


async def test_restart_with_a_new_id_keeps_name_and_input(world: World) -> None:
    await world.put("a", OrchestrationStatus.Completed, name="Other", input='"x"')
    body = await world.sdk().restart("a")
    assert body["id"] != "a"
    state = await world.client.get(body["id"])
    assert state is not None
    assert (state.name, state.input) == ("Other", '"x"')


async def test_restart_with_the_same_id_needs_an_ended_instance(world: World) -> None:
    await world.put("a", OrchestrationStatus.Running)
    url = f"{world.rpc}/instances/a/restart?restartWithNewInstanceId=false"
    async with world.http.post(url) as answer:
        assert answer.status == 409
        assert await answer.json() == {"Message": "A non-terminal instance with this instance ID already exists."}
    await world.put("a", OrchestrationStatus.Failed)
    async with world.http.post(url) as answer:
        assert answer.status == 202
        assert (await answer.json())["id"] == "a"
    assert isinstance((await world.messages("a"))[-1], ExecutionStarted)


async def test_restart_of_an_unknown_instance_is_an_argument_error(world: World) -> None:
    async with world.http.post(f"{world.rpc}/instances/nope/restart") as answer:
        assert answer.status == 400
        text = (await answer.json())["ExceptionMessage"]
        assert text == "InstanceId does not match a valid orchestration instance."
