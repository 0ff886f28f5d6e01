"""Starting instances over HTTP. Source: docs/protocol/durable-http-api.md#starting-an-instance"""

import asyncio
import json
import urllib.parse

import pytest
import yarl
from api_world import MAX_BODY, World, api_options, running_world

from durable_host.durable.api.start_route import LONGEST_WAIT
from durable_host.durable.model import identity
from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.status import OrchestrationStatus


async def test_start_answers_202_with_the_check_status_body(world: World) -> None:
    async with world.http.post(f"{world.webhook}/orchestrators/Orch/abc123", json={"a": 1}) as answer:
        body = await answer.json()
        assert answer.status == 202
        assert answer.headers["Retry-After"] == "10"
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.headers["Location"] == body["statusQueryGetUri"]
    assert list(body) == [
        "id", "statusQueryGetUri", "sendEventPostUri", "terminatePostUri", "purgeHistoryDeleteUri",
        "restartPostUri", "suspendPostUri", "resumePostUri",
    ]  # fmt: skip
    assert body["id"] == "abc123"
    assert body["statusQueryGetUri"] == f"{world.webhook}/instances/abc123?taskHub=TestHub&connection=Storage"


async def test_urls_of_an_rpc_start_are_those_of_the_webhook_at_the_rpc_origin(world: World) -> None:
    async with world.http.post(f"{world.rpc}/orchestrators/Orch/abc123") as answer:
        assert (await answer.json())["statusQueryGetUri"].startswith(f"{world.webhook}/instances/abc123?")


async def test_system_key_stands_in_the_urls_of_both_faces() -> None:
    async with running_world(key="k e/y") as world:
        for base in (world.webhook, world.rpc):
            async with world.http.post(f"{base}/orchestrators/Orch") as answer:
                assert (await answer.json())["statusQueryGetUri"].endswith("&code=k%20e%2Fy")


async def test_input_is_stored_as_it_came(world: World) -> None:
    async with world.http.post(f"{world.rpc}/orchestrators/Orch/i", data=b'{"a" : 1.50}') as answer:
        assert answer.status == 202
    state = await world.client.get("i")
    assert state is not None
    assert state.input == '{"a" : 1.50}'
    assert state.runtime_status is OrchestrationStatus.Pending


async def test_no_body_means_no_input(world: World) -> None:
    async with world.http.post(f"{world.rpc}/orchestrators/Orch/i") as answer:
        assert answer.status == 202
    (event,) = await world.messages("i")
    assert isinstance(event, ExecutionStarted)
    assert (event.name, event.input, event.version, event.generation) == ("Orch", None, None, 0)


async def test_missing_id_becomes_32_hex_digits(world: World) -> None:
    for path in ("orchestrators/Orch", "orchestrators/Orch/"):
        async with world.http.post(f"{world.rpc}/{path}") as answer:
            instance_id = (await answer.json())["id"]
        assert len(instance_id) == 32
        assert int(instance_id, 16) >= 0


@pytest.mark.parametrize("body", [b"{", b"a=1", b"\xff\xfe", b"[1,]", b"[" * 100_00])
async def test_body_that_is_no_json_is_refused(world: World, body: bytes) -> None:
    async with world.http.post(f"{world.rpc}/orchestrators/Orch", data=body) as answer:
        assert answer.status == 400
        told = await answer.json()
    assert told["Message"] == "Invalid JSON content"
    assert told["ExceptionType"] == "Newtonsoft.Json.JsonReaderException"


@pytest.mark.parametrize(
    ("instance_id", "text"),
    [
        ("@x", "instanceId (Parameter 'Orchestration instance ids must not start with @.')"),
        ("a%2Fb", "must not contain /, \\, #, ?, or control characters.')"),
        ("a%23b", "must not contain /, \\, #, ?, or control characters.')"),
        ("a%00b", "must not contain /, \\, #, ?, or control characters.')"),
        ("a%C2%85", "must not contain /, \\, #, ?, or control characters.')"),
        ("a" * 257, "Instance ID lengths must not exceed 256 characters."),
    ],
)
async def test_bad_instance_id_is_refused(world: World, instance_id: str, text: str) -> None:
    url = yarl.URL(f"{world.rpc}/orchestrators/Orch/{instance_id}", encoded=True)
    async with world.http.post(url) as answer:
        body = await answer.json()
        assert answer.status == 400
        assert body["Message"] == body["ExceptionMessage"]
        assert text in body["Message"]


async def test_blanks_and_other_letters_are_good_in_ids(world: World) -> None:
    async with world.http.post(f"{world.rpc}/orchestrators/Orch/a b ä;%") as answer:
        assert (await answer.json())["id"] == "a b ä;%"
    assert await world.client.get("a b ä;%") is not None


ODD_IDS = ["a b", "äöü ☃", "100%", "50%25", "a+b", "a;b=c", "a&b", "a:b'c\"<|{", "~a!*()"]


@pytest.mark.parametrize("instance_id", ODD_IDS)
async def test_each_url_of_an_odd_id_works_as_it_is(world: World, instance_id: str) -> None:
    quoted = urllib.parse.quote(instance_id, safe="")
    form_encoded = quoted.replace("%20", "+").replace("~", "%7E")
    for letter in "!*()":
        form_encoded = form_encoded.replace(f"%{ord(letter):X}", letter)
    url = yarl.URL(f"{world.webhook}/orchestrators/Orch/{quoted}", encoded=True)
    async with world.http.post(url) as answer:
        told = await answer.json()
        assert told["id"] == instance_id
        assert answer.headers["Location"] == told["statusQueryGetUri"]
    assert all(f"/instances/{form_encoded}" in uri for name, uri in told.items() if name != "id")

    async def follow(method: str, name: str) -> int:
        uri = yarl.URL(told[name].replace("{eventName}", "E").replace("{text}", "x"), encoded=True)
        async with world.http.request(method, uri, json=1) as answer:
            if "Location" in answer.headers:
                assert answer.headers["Location"].isascii()
            return answer.status

    assert await follow("GET", "statusQueryGetUri") == 202
    assert await follow("POST", "sendEventPostUri") == 202
    assert await follow("POST", "suspendPostUri") == 202
    assert await follow("POST", "resumePostUri") == 202
    assert await follow("POST", "terminatePostUri") == 202
    assert await follow("POST", "restartPostUri") == 202
    await world.put(instance_id, OrchestrationStatus.Failed)
    assert await follow("DELETE", "purgeHistoryDeleteUri") == 200


async def test_urls_of_a_restart_are_encoded(world: World) -> None:
    await world.put("ä b", OrchestrationStatus.Failed)
    async with world.http.post(f"{world.rpc}/instances/ä b/restart?restartWithNewInstanceId=false") as answer:
        told = await answer.json()
        assert told["id"] == "ä b"
        assert "/instances/%C3%A4+b?" in told["statusQueryGetUri"]
        assert answer.headers["Location"] == told["statusQueryGetUri"]


@pytest.mark.parametrize("instance_id", ODD_IDS)
async def test_urls_that_the_sdk_makes_of_odd_ids_can_be_followed(world: World, instance_id: str) -> None:
    await world.put(instance_id, OrchestrationStatus.Running)
    told = world.sdk().create_http_management_payload(instance_id)
    async with world.http.get(told["statusQueryGetUri"]) as answer:
        assert (await answer.json())["instanceId"] == instance_id
    async with world.http.post(told["terminatePostUri"].replace("{text}", "x")) as answer:
        assert answer.status == 202


async def test_an_id_means_what_it_is_decoded_to_where_there_is_such_an_instance(world: World) -> None:
    await world.put("a%62", OrchestrationStatus.Running)
    await world.put("ab", OrchestrationStatus.Completed)
    url = yarl.URL(f"{world.webhook}/instances/a%62", encoded=True)
    async with world.http.get(url) as answer:
        assert (await answer.json())["instanceId"] == "ab"


async def test_unknown_orchestrator_lists_the_known_ones(world: World) -> None:
    with pytest.raises(Exception, match="doesn't exist") as caught:
        await world.sdk().start_new("Nope")
    assert str(caught.value) == (
        "The function 'Nope' doesn't exist, is disabled, or is not an orchestrator function. Additional info: "
        "The following are the known orchestrator functions: 'Orch', 'Other'."
    )
    world.code.orchestrators.clear()
    with pytest.raises(Exception, match="No orchestrator functions are currently registered!"):
        await world.sdk().start_new("Nope")


async def test_sdk_starts_with_input_and_version(world: World) -> None:
    started = await world.sdk().start_new("Orch", "sdk1", {"a": 1}, "1.0 b")
    assert started == "sdk1"
    (event,) = await world.messages("sdk1")
    assert isinstance(event, ExecutionStarted)
    assert event.input == '"{\\"a\\": 1}"'
    assert event.version == "1.0 b"


async def test_default_version_is_used_when_none_is_given() -> None:
    async with running_world(options=api_options(default_version="2.1")) as world:
        await world.sdk().start_new("Orch", "v")
        state = await world.client.get("v")
        assert state is not None
        assert state.version == "2.1"


async def test_trace_context_of_the_caller_goes_into_the_start(world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"traceparent": trace, "tracestate": "x=1"}
    async with world.http.post(f"{world.rpc}/orchestrators/Orch/t", headers=headers) as answer:
        assert answer.status == 202
    (event,) = await world.messages("t")
    assert isinstance(event, ExecutionStarted)
    assert event.parent_trace_context is not None
    assert (event.parent_trace_context.trace_parent, event.parent_trace_context.trace_state) == (trace, "x=1")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (OrchestrationStatus.Running, 409),
        (OrchestrationStatus.Pending, 409),
        (OrchestrationStatus.Suspended, 409),
        (OrchestrationStatus.ContinuedAsNew, 409),
        (OrchestrationStatus.Completed, 202),
        (OrchestrationStatus.Failed, 202),
        (OrchestrationStatus.Terminated, 202),
    ],
)
async def test_id_in_use_is_refused_while_the_instance_runs(
    world: World, status: OrchestrationStatus, code: int
) -> None:
    await world.put("dup", status)
    async with world.http.post(f"{world.rpc}/orchestrators/Orch/dup") as answer:
        assert answer.status == code
        if code == 409:
            expected = f"An Orchestration instance with the status {status.name} already exists."
            assert await answer.json() == {"Message": expected}


async def test_any_state_may_be_replaced_when_host_json_says_so() -> None:
    async with running_world(options=api_options(overridable_existing_instance_states="AnyState")) as world:
        await world.put("dup", OrchestrationStatus.Running)
        assert await world.sdk().start_new("Orch", "dup") == "dup"


async def test_waiting_start_answers_the_output(world: World) -> None:
    async with world.http.post(f"{world.webhook}/orchestrators/Orch/w?timeout=0&pollingInterval=0") as answer:
        assert answer.status == 202
    await world.put("w", OrchestrationStatus.Completed, output='"done"')
    state = await world.client.wait_for_completion("w", 5, 1)
    assert state is not None
    assert state.output == '"done"'


async def test_waiting_start_sees_an_end_in_this_process_at_once(world: World) -> None:
    url = f"{world.webhook}/orchestrators/Orch/w?timeout=60&pollingInterval=60"
    request = asyncio.ensure_future(world.http.post(url))
    await world.exists("w")
    await world.put("w", OrchestrationStatus.Completed, output='{"x": 1}')
    world.live.ended("w")
    answer = await request
    assert answer.status == 200
    assert await answer.json() == {"x": 1}
    answer.release()


async def test_waiting_start_of_a_failing_instance_answers_its_status(world: World) -> None:
    url = f"{world.webhook}/orchestrators/Orch/w?timeout=60&pollingInterval=60"
    request = asyncio.ensure_future(world.http.post(url))
    await world.exists("w")
    await world.put("w", OrchestrationStatus.Failed, output="Orchestrator function 'Orch' failed: x")
    world.live.ended("w")
    answer = await request
    assert answer.status == 200
    assert (await answer.json())["runtimeStatus"] == "Failed"
    answer.release()


async def test_a_wait_ends_with_the_connection_of_its_caller(world: World) -> None:
    url = f"{world.webhook}/orchestrators/Orch/w?timeout=2000000000&pollingInterval=1"
    request = asyncio.ensure_future(world.http.post(url))
    while not world.live._waiting:  # noqa: ASYNC110
        await asyncio.sleep(0)
    request.cancel()
    while world.live._waiting:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_wait_ends_when_its_caller_closes_the_connection_in_order(world: World) -> None:
    """As curl does when it is stopped: all that was sent is sent, and then the end of it."""
    url = yarl.URL(f"{world.webhook}/orchestrators/Orch/w?timeout=2000000000&pollingInterval=1")
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"POST {url.raw_path_qs} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
    while not world.live._waiting:  # noqa: ASYNC110
        await asyncio.sleep(0)
    writer.close()
    await writer.wait_closed()
    while world.live._waiting:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_wait_has_a_longest_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, float, float]] = []

    async def wait(instance_id: str, timeout: float, interval: float) -> None:
        asked.append((instance_id, timeout, interval))

    monkeypatch.setattr(world.client, "wait_for_completion", wait)
    url = f"{world.webhook}/orchestrators/Orch/w?timeout=2000000000&pollingInterval=1000000000"
    async with world.http.post(url) as answer:
        assert answer.status == 202
    assert asked == [("w", LONGEST_WAIT, LONGEST_WAIT)]


async def test_polling_interval_above_the_timeout_is_refused_after_the_start(world: World) -> None:
    async with world.http.post(f"{world.rpc}/orchestrators/Orch/w?timeout=5&pollingInterval=10") as answer:
        assert answer.status == 400
        assert await answer.json() == {"Message": "Total timeout 5 should be bigger than retry timeout 10"}
    assert await world.client.get("w") is not None


async def test_webhook_limits_bodies_and_rpc_does_not(world: World) -> None:
    body = json.dumps("x" * (MAX_BODY + 1))
    async with world.http.post(f"{world.webhook}/orchestrators/Orch", data=body) as answer:
        assert answer.status == 413
        assert "Message" in await answer.json()

    async def chunks():
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000].encode()

    async with world.http.post(f"{world.webhook}/orchestrators/Orch", data=chunks()) as answer:
        assert answer.status == 413
    big = json.dumps("x" * 3_000_000)
    async with world.http.post(f"{world.rpc}/orchestrators/Orch/big", data=big) as answer:
        assert answer.status == 202
    state = await world.client.get("big")
    assert state is not None
    assert state.input == big


@pytest.mark.parametrize("is_of_v2", [True, False])
async def test_a_restart_passes_on_who_has_encoded_the_input(world: World, is_of_v2: bool) -> None:
    await world.client.start("Orch", instance_id="i", input='"5"', is_of_v2=is_of_v2)
    await world.client.restart("i", new_id="again")
    (event,) = await world.messages("again")
    assert isinstance(event, ExecutionStarted)
    assert identity.is_started_by_v2(event.orchestration_instance.execution_id) is is_of_v2
