"""Operations on one instance. Source: docs/protocol/durable-http-api.md#operations-on-an-instance"""

import pytest
from api_world import MAX_BODY, World, api_options, running_world

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


@pytest.mark.parametrize(
    ("instance_id", "body", "kind", "code"),
    [
        ("nope", b"{", "text/plain", 404),
        ("nope", b"{", "application/json", 404),
        ("done", b"{", "text/plain", 410),
        ("done", b"", "application/json", 410),
        ("running", b"1", "text/plain", 400),
        ("running", b"{", "application/json", 400),
        ("nope", b"x" * (MAX_BODY + 1), "application/json", 404),
    ],
)
async def test_an_event_is_refused_for_its_instance_before_its_body_is_looked_at(
    world: World, instance_id: str, body: bytes, kind: str, code: int
) -> None:
    await world.put("done", OrchestrationStatus.Completed)
    await world.put("running", OrchestrationStatus.Running)
    url = f"{world.webhook}/instances/{instance_id}/raiseEvent/E"
    async with world.http.post(url, data=body, headers={"Content-Type": kind}) as answer:
        assert answer.status == code
        assert (await answer.read() == b"") == (code != 400)


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


_STATES = tuple(OrchestrationStatus)
_GONE = {OrchestrationStatus.Completed, OrchestrationStatus.Failed, OrchestrationStatus.Terminated,
         OrchestrationStatus.Canceled}  # fmt: skip


def expected(operation: str, status: OrchestrationStatus) -> int:
    if operation == "rewind":
        return 202 if status is OrchestrationStatus.Failed else 412
    if operation == "restart?restartWithNewInstanceId=false":
        return 202 if status in _GONE else 409
    return 202 if operation == "restart" or status not in _GONE else 410


@pytest.mark.parametrize("status", _STATES, ids=lambda status: status.name)
@pytest.mark.parametrize(
    "operation",
    ["suspend", "resume", "terminate", "raiseEvent/E", "rewind", "restart",
     "restart?restartWithNewInstanceId=false"],
)  # fmt: skip
async def test_each_operation_has_an_answer_in_each_state(
    world: World, operation: str, status: OrchestrationStatus
) -> None:
    await world.put("a", status)
    async with world.http.post(f"{world.rpc}/instances/a/{operation}", json=1) as answer:
        assert answer.status == expected(operation, status)
        if answer.status == 412:
            assert await answer.json() == (
                f'This orchestration has status {status.name}, but only orchestrations in the "Failed" state can be '
                "rewound."
            )
        elif answer.status in (202, 410) and "restart" not in operation:
            assert await answer.read() == b""


@pytest.mark.parametrize("operation", ["terminate", "suspend", "resume", "raiseEvent/E"])
async def test_unknown_instance_is_404(world: World, operation: str) -> None:
    async with world.http.post(f"{world.rpc}/instances/nope/{operation}", json=1) as answer:
        assert answer.status == 404
        assert await answer.read() == b""


async def test_rewind_of_an_unknown_instance_names_it(world: World) -> None:
    async with world.http.post(f"{world.rpc}/instances/nope/rewind") as answer:
        assert answer.status == 404
        assert await answer.json() == 'No orchestration with instance ID "$nope" found.'
    with pytest.raises(Exception, match="No instance with ID nope found"):
        await world.sdk().rewind("nope", "x")


async def test_sdk_tells_why_a_running_instance_is_not_rewound(world: World) -> None:
    await world.put("a", OrchestrationStatus.Running)
    with pytest.raises(Exception, match='has status Running, but only orchestrations in the "Failed" state'):
        await world.sdk().rewind("a", "x")


async def test_resume_right_after_suspend_is_accepted_and_comes_second(world: World) -> None:
    await world.put("a", OrchestrationStatus.Running)
    await world.sdk().suspend("a", "wait")
    await world.sdk().resume("a", "go on")
    sent = [type(event) for event in await world.messages("a")]
    assert sent[-2:] == [ExecutionSuspended, ExecutionResumed]


async def test_rewind_of_a_failed_instance(world: World) -> None:
    await world.put("a", OrchestrationStatus.Failed)
    await world.sdk().rewind("a", "try again")
    state = await world.client.get("a")
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.Pending


async def test_restart_with_a_new_id_keeps_name_and_input(world: World) -> None:
    await world.put("a", OrchestrationStatus.Completed, name="Other", input='"x"')
    body = await world.sdk().restart("a")
    assert body["id"] != "a"  # pyright: ignore[reportArgumentType]
    state = await world.client.get(body["id"])  # pyright: ignore[reportArgumentType]
    assert state is not None
    assert (state.name, state.input) == ("Other", '"x"')


async def test_restart_with_the_same_id_needs_an_ended_instance(world: World) -> None:
    await world.put("a", OrchestrationStatus.Running)
    url = f"{world.rpc}/instances/a/restart?restartWithNewInstanceId=false"
    async with world.http.post(url) as answer:
        assert answer.status == 409
        assert (await answer.json())["Message"] == "A non-terminal instance with this instance ID already exists."
    await world.put("a", OrchestrationStatus.Failed)
    async with world.http.post(url) as answer:
        assert answer.status == 202
        assert (await answer.json())["id"] == "a"
    assert isinstance((await world.messages("a"))[-1], ExecutionStarted)


async def test_restart_replaces_a_running_instance_when_host_json_says_so() -> None:
    async with running_world(options=api_options(overridable_existing_instance_states="AnyState")) as world:
        await world.put("a", OrchestrationStatus.Running)
        url = f"{world.rpc}/instances/a/restart?restartWithNewInstanceId=false"
        async with world.http.post(url) as answer:
            assert answer.status == 202


async def test_restart_of_an_unknown_instance_is_an_argument_error(world: World) -> None:
    async with world.http.post(f"{world.rpc}/instances/nope/restart") as answer:
        assert answer.status == 400
        body = await answer.json()
    assert body["Message"] == "InstanceId does not match a valid orchestration instance."
    assert body["ExceptionMessage"] == "No instance with ID 'nope' was found. (Parameter 'instanceId')"
