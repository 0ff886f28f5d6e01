"""Rows of the page durable-http on operations on instances, with the answers of the real extension."""

from typing import Any

import pytest
from api_world import World

from durable_host.durable.model.events import EventRaised, ExecutionStarted
from durable_host.durable.model.status import OrchestrationStatus

pytestmark = pytest.mark.unit

RUNNING, FAILED = OrchestrationStatus.Running, OrchestrationStatus.Failed
NOT_FAILED = [status for status in OrchestrationStatus if status is not FAILED]


async def _post(world: World, path: str, **request: Any) -> tuple[int, Any]:
    async with world.http.post(f"{world.webhook}/{path}", **request) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.mark.parametrize("status", NOT_FAILED, ids=lambda status: status.name)
async def test_only_what_has_failed_is_rewound(world: World, status: OrchestrationStatus) -> None:
    """durable-http 9: 412 with a JSON string, for each status but Failed."""
    await world.put("a", status)
    text = f'This orchestration has status {status.name}, but only orchestrations in the "Failed" state can be rewound.'
    assert await _post(world, "instances/a/rewind?reason=x") == (412, text)


async def test_the_sdk_raises_the_reason_why_nothing_is_rewound(world: World) -> None:
    """durable-http 9: the SDK raises that text."""
    await world.put("a", RUNNING)
    with pytest.raises(Exception, match=r'^This orchestration has status Running, but only orchestrations in the "Fai'):
        await world.sdk().rewind("a", "x")


async def test_a_rewind_of_an_unknown_instance_names_its_id_with_a_dollar(world: World) -> None:
    """durable-http 10: 404 with the JSON string `No orchestration with instance ID "$ID" found.`"""
    assert await _post(world, "instances/ID/rewind") == (404, 'No orchestration with instance ID "$ID" found.')


async def test_a_restart_with_options_starts_the_same_under_a_new_id(world: World) -> None:
    """durable-http 11: 202 check-status."""
    await world.put("a", OrchestrationStatus.Completed, name="Other", input='"x"', version="1.0")
    status, told = await _post(world, "instances/a/restartWithOptions?newInstanceId=b&version=2.0")
    assert status == 202
    assert list(told) == [
        "id", "statusQueryGetUri", "sendEventPostUri", "terminatePostUri", "purgeHistoryDeleteUri",
        "restartPostUri", "suspendPostUri", "resumePostUri",
    ]  # fmt: skip
    assert told["id"] == "b"
    (event,) = await world.messages("b")
    assert isinstance(event, ExecutionStarted)
    assert (event.name, event.input, event.version) == ("Other", '"x"', "2.0")


async def test_the_version_of_a_restart_with_options_may_be_left_out(world: World) -> None:
    """durable-http 11: `[&version=…]`."""
    await world.put("a", OrchestrationStatus.Completed)
    status, _ = await _post(world, "instances/a/RestartWithOptions?newInstanceId=b")
    state = await world.client.get("b")
    assert state is not None
    assert (status, state.version) == (202, None)


@pytest.mark.parametrize("query", ["", "?newInstanceId=", "?newInstanceId=%20", "?version=2.0"])
async def test_a_restart_with_options_needs_a_new_id(world: World, query: str) -> None:
    """durable-http 11: no ID 400 `A new orchestration instance ID must be provided.`"""
    await world.put("a", OrchestrationStatus.Completed)
    answer = await _post(world, f"instances/a/restartWithOptions{query}")
    assert answer == (400, {"Message": "A new orchestration instance ID must be provided."})


async def test_a_restart_with_options_of_an_unknown_instance_is_refused(world: World) -> None:
    """durable-http 11: unknown 400."""
    status, body = await _post(world, "instances/nope/restartWithOptions?newInstanceId=b")
    assert (status, body["Message"]) == (400, "InstanceId does not match a valid orchestration instance.")


async def test_a_restart_with_options_under_an_id_in_use_is_refused(world: World) -> None:
    """durable-http 11: taken 409."""
    await world.put("a", OrchestrationStatus.Completed)
    await world.put("b", RUNNING)
    status, body = await _post(world, "instances/a/restartWithOptions?newInstanceId=b")
    assert (status, body["Message"]) == (409, "A non-terminal instance with this instance ID already exists.")


@pytest.mark.parametrize(
    ("new_id", "text"),
    [
        ("@x", "Orchestration instance ids must not start with @."),
        ("a%2Fb", "Orchestration instance ids must not contain /, \\, #, ?, or control characters."),
        ("x" * 257, "Instance ID lengths must not exceed 256 characters."),
    ],
)
async def test_the_new_id_of_a_restart_is_checked(world: World, new_id: str, text: str) -> None:
    """durable-http 11: the ID is checked, with plain texts."""
    await world.put("a", OrchestrationStatus.Completed)
    answer = await _post(world, f"instances/a/restartWithOptions?newInstanceId={new_id}")
    assert answer == (400, {"Message": text})


@pytest.mark.parametrize(("data", "headers"), [(b"{", {"Content-Type": "application/json"}), (b"x", {})])
async def test_an_event_looks_for_its_instance_before_its_body(
    world: World, data: bytes, headers: dict[str, str]
) -> None:
    """durable-http 15: 404 and 410 come before the body is looked at."""
    await world.put("ended", OrchestrationStatus.Completed)
    await world.put("a", RUNNING)
    for instance_id, status in (("nope", 404), ("ended", 410), ("a", 400)):
        answer = await _post(world, f"instances/{instance_id}/raiseEvent/E", data=data, headers=headers)
        assert answer[0] == status
    assert not any(isinstance(event, EventRaised) for event in await world.messages("a"))
