"""Rows of the page durable-http on starts over HTTP, with the answers of the real extension."""

import asyncio
from typing import Any

import pytest
import yarl
from api_world import World

from durable_host.durable.model.events import EventRaised, ExecutionStarted
from durable_host.durable.model.status import OrchestrationStatus

pytestmark = pytest.mark.unit

COMPLETED, FAILED, RUNNING = OrchestrationStatus.Completed, OrchestrationStatus.Failed, OrchestrationStatus.Running
FORM = "application/x-www-form-urlencoded"


async def _input_of(world: World, instance_id: str) -> str | None:
    state = await world.client.get(instance_id)
    assert state is not None
    return state.input


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "DH6402" in record.getMessage()]


async def _raw_post(world: World, path: str, rest: str) -> str:
    """The first line of the answer to a request that no library would send."""
    url = yarl.URL(f"{world.origin}{path}")
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"POST {url.raw_path_qs} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.split(b"\r\n", 1)[0].decode()


@pytest.mark.differs("blank-starts")
@pytest.mark.parametrize(
    "rest", ["\r\n", "Content-Length: 2\r\n\r\n \n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
)
async def test_a_start_with_a_blank_body_runs_with_a_warning(
    world: World, caplog: pytest.LogCaptureFixture, rest: str
) -> None:
    """durable-http 3: stays different. The reference stores the blank text, and the instance fails."""
    for instance_id in ("one", "two"):
        path = f"/runtime/webhooks/durabletask/orchestrators/Orch/{instance_id}"
        assert " 202 " in await _raw_post(world, path, rest)
        assert await _input_of(world, instance_id) is None
    (told,) = _warnings(caplog)
    assert "'Orch' came with a blank body" in told
    assert "in Azure it fails" in told
    assert "Content-Length: 0" in told


async def test_a_start_that_says_that_it_has_no_body_has_no_input(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """durable-http 3: only `Content-Length: 0` is null."""
    path = "/durabletask/orchestrators/Orch/a"
    assert " 202 " in await _raw_post(world, path, f"Content-Length: 0\r\nContent-Type: {FORM}\r\n\r\n")
    assert await _input_of(world, "a") is None
    assert _warnings(caplog) == []


@pytest.mark.differs("blank-starts")
@pytest.mark.parametrize("content_type", [FORM, "multipart/form-data; boundary=x"])
async def test_a_start_of_a_form_type_runs_with_a_warning(
    world: World, caplog: pytest.LogCaptureFixture, content_type: str
) -> None:
    """durable-http 3: stays different. On the webhook of the reference the instance fails; here the body is JSON."""
    url = f"{world.webhook}/orchestrators/Orch/a"
    async with world.http.post(url, data=b'{"a": 1}', headers={"Content-Type": content_type}) as answer:
        assert answer.status == 202
    assert await _input_of(world, "a") == '{"a": 1}'
    (told,) = _warnings(caplog)
    assert "in Azure the instance fails" in told
    assert "-H 'Content-Type: application/json'" in told


async def test_a_form_type_is_fine_on_rpc(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """durable-http 3: on RPC the form type is fine."""
    url = f"{world.rpc}/orchestrators/Orch/a"
    async with world.http.post(url, data=b'{"a": 1}', headers={"Content-Type": FORM}) as answer:
        assert answer.status == 202
    assert await _input_of(world, "a") == '{"a": 1}'
    assert _warnings(caplog) == []


@pytest.mark.parametrize(
    ("instance_id", "encoded"),
    [
        ("a b", "a+b"),
        ("a:b@c'd", "a%3Ab%40c%27d"),
        ('"<|{', "%22%3C%7C%7B"),
        ("ä☃", "%C3%A4%E2%98%83"),
        ("a+b", "a%2Bb"),
        ("50%", "50%25"),
    ],
)
async def test_ids_in_generated_urls_are_encoded_as_in_a_form(world: World, instance_id: str, encoded: str) -> None:
    """durable-http 6: form-URL-encoded, in `Location` too: blank `+`, `:` `%3A`, `'` `%27`, non-ASCII `%XX`."""
    url = yarl.URL(world.webhook) / "orchestrators" / "Orch" / instance_id
    async with world.http.post(url) as answer:
        told = await answer.json()
        assert answer.headers["Location"] == told["statusQueryGetUri"]
    assert told.pop("id") == instance_id
    assert all(f"/instances/{encoded}" in uri for uri in told.values())
    async with world.http.get(yarl.URL(told["statusQueryGetUri"], encoded=True)) as answer:
        assert (await answer.json())["instanceId"] == instance_id


async def _failed_in_time(world: World, flags: str) -> tuple[int, Any]:
    url = f"{world.webhook}/orchestrators/Orch/w?timeout=60&pollingInterval=60{flags}"
    request = asyncio.ensure_future(world.http.post(url, json={"a": 1}))
    await world.exists("w")
    await world.put("w", FAILED, input='{"a": 1}', output="Orchestrator function 'Orch' failed: x")
    world.live.ended("w")
    async with await request as answer:
        return answer.status, await answer.json()


async def test_a_waiting_start_that_fails_answers_200_in_any_case(world: World) -> None:
    """durable-http 12: `returnInternalServerErrorOnFailure=true` has no effect (200)."""
    status, body = await _failed_in_time(world, "&returnInternalServerErrorOnFailure=true")
    assert (status, body["runtimeStatus"], body["input"]) == (200, "Failed", {"a": 1})
    assert "historyEvents" not in body


async def test_a_waiting_start_that_fails_obeys_the_other_flags(world: World) -> None:
    """durable-http 12: `showHistory`, `showInput`, … of the start URL are obeyed."""
    _, body = await _failed_in_time(world, "&showHistory=true&showInput=false")
    assert body["input"] is None
    assert [event["EventType"] for event in body["historyEvents"]] == ["ExecutionStarted"]
    assert "Input" not in body["historyEvents"][0]


async def test_a_body_that_is_not_json_is_named_with_the_parsers_reason(world: World) -> None:
    """durable-http 13: `Invalid JSON content`, the parser's text, type `Newtonsoft.Json.JsonReaderException`."""
    async with world.http.post(f"{world.webhook}/orchestrators/Orch", data=b"{a") as answer:
        assert answer.status == 400
        body = await answer.json()
    assert list(body) == ["Message", "ExceptionMessage", "ExceptionType", "StackTrace"]
    assert body["Message"] == "Invalid JSON content"
    assert body["ExceptionMessage"] not in ("", "Invalid JSON content")
    assert body["ExceptionType"] == "Newtonsoft.Json.JsonReaderException"


async def test_an_argument_error_of_a_start_is_its_text_and_nothing_else(world: World) -> None:
    """durable-http 13: argument errors at start: `Message` = text, nothing else."""
    async with world.http.post(f"{world.webhook}/orchestrators/Orch/w?timeout=5&pollingInterval=10") as answer:
        assert answer.status == 400
        assert await answer.json() == {"Message": "Total timeout 5 should be bigger than retry timeout 10"}


@pytest.mark.differs("unknown-orchestrator", "ids")
@pytest.mark.parametrize("path", ["Nope", "Orch/@x"])
async def test_what_only_this_host_refuses_at_a_start_has_the_text_where_the_sdk_reads_it(
    world: World, path: str
) -> None:
    """durable-http 13: stays different for unknown names and bad IDs, which the reference starts: the SDK reads
    `ExceptionMessage`."""
    async with world.http.post(f"{world.webhook}/orchestrators/{path}") as answer:
        assert answer.status == 400
        body = await answer.json()
    assert body["Message"] == body["ExceptionMessage"] != ""


async def test_a_restart_of_an_unknown_instance_is_an_argument_error(world: World) -> None:
    """durable-http 13: `InstanceId does not match a valid orchestration instance.`, and the exception."""
    async with world.http.post(f"{world.webhook}/instances/x/restart") as answer:
        assert answer.status == 400
        body = await answer.json()
    assert body["Message"] == "InstanceId does not match a valid orchestration instance."
    assert body["ExceptionMessage"] == "No instance with ID 'x' was found. (Parameter 'instanceId')"


async def test_a_restart_of_a_running_instance_has_the_long_form(world: World) -> None:
    """durable-http 13: restart 409: long form."""
    await world.put("a", RUNNING)
    async with world.http.post(f"{world.webhook}/instances/a/restart?restartWithNewInstanceId=false") as answer:
        assert answer.status == 409
        body = await answer.json()
    assert list(body) == ["Message", "ExceptionMessage", "ExceptionType", "StackTrace"]
    assert body["Message"] == "A non-terminal instance with this instance ID already exists."


LENIENT = ["{'a': 1}", "{a: 1}", '{"a": 1 /* one */}', '{"a": 1,}', '{"a": 1']


@pytest.mark.differs("json-dialect")
@pytest.mark.parametrize("body", LENIENT)
@pytest.mark.parametrize("path", ["orchestrators/Orch", "instances/a/raiseEvent/E", "entities/Counter/k?op=add"])
async def test_only_json_is_json(world: World, path: str, body: str) -> None:
    """durable-http 14: stays different, 400. Json.NET accepts these bodies (a truncated start gives 500)."""
    await world.put("a", RUNNING)
    headers = {"Content-Type": "application/json"}
    async with world.http.post(f"{world.webhook}/{path}", data=body, headers=headers) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("charset", ["utf-16", "utf-16le", "iso-8859-1", '"utf-8"'])
async def test_the_charset_of_the_content_type_is_used_at_a_start(world: World, charset: str) -> None:
    """durable-http 14: the charset of Content-Type is used."""
    data, headers = '"Zürich"'.encode(charset.strip('"')), {"Content-Type": f"application/json; charset={charset}"}
    async with world.http.post(f"{world.webhook}/orchestrators/Orch/a", data=data, headers=headers) as answer:
        assert answer.status == 202
    assert await _input_of(world, "a") == '"Zürich"'


@pytest.mark.parametrize(
    ("path", "receiver", "stored"),
    [
        ("instances/a/raiseEvent/E", "a", '"Zürich"'),
        ("entities/Counter/k?op=add", "@counter@k", '\\"Zürich\\"'),
    ],
)
async def test_the_charset_of_the_content_type_is_used_in_events_and_signals(
    world: World, path: str, receiver: str, stored: str
) -> None:
    """durable-http 14: the charset of Content-Type is used."""
    await world.put("a", RUNNING)
    data, headers = '"Zürich"'.encode("latin-1"), {"Content-Type": "application/json; charset=latin1"}
    async with world.http.post(f"{world.webhook}/{path}", data=data, headers=headers) as answer:
        assert answer.status == 202
    event = (await world.messages(receiver))[-1]
    assert isinstance(event, EventRaised)
    assert stored in (event.input or "")


async def test_a_start_without_a_version_has_none(world: World) -> None:
    """durable-http 7: the version of an instance that is started without one is null."""
    async with world.http.post(f"{world.webhook}/orchestrators/Orch/a") as answer:
        assert answer.status == 202
    (event,) = await world.messages("a")
    assert isinstance(event, ExecutionStarted)
    assert event.version is None
