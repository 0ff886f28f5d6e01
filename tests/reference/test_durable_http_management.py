"""The management API compared with extension 3.19.0, rows 21 to 39 of the comparison.

The expected values are the answers of the extension, except where a test says that this host stays different.
"""

import json
import re
from collections.abc import AsyncIterator

import pytest
import yarl
from aiohttp import web
from aiohttp.test_utils import TestServer
from api_world import HUB, World, api_options, running_world
from azure.durable_functions import EntityId
from engine_world import SECOND, START
from engine_world import World as EngineWorld

from durable_host.durable.api import DurableClient, ManagementUrls, client_payload
from durable_host.durable.engine.episode_start import turn_of
from durable_host.durable.model import events
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.http_activity import HttpActivity
from durable_host.durable.runtime.response_headers import parsed_values
from durable_host.durable.sdk.v1_entities import entity_payload
from durable_host.durable.sdk.v1_payload import payload_text
from durable_host.durable.user_code import EntityBatch, EntityOperation
from durable_host.errors import ConfigurationError

RUNNING = OrchestrationStatus.Running
COMPLETED = OrchestrationStatus.Completed


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Content-Type", "none"), headers={"Server": "A/1 B/2"})

    application = web.Application()
    application.router.add_route("*", "/", answer)
    server = TestServer(application)
    await server.start_server()
    yield str(server.make_url("/"))
    await server.close()


async def call_http(request: dict[str, object]) -> dict[str, object]:
    activity = HttpActivity()
    outcome = await activity.run(json.dumps([request]))
    await activity.close()
    return json.loads(outcome.result or "null")


async def test_call_http_sends_text_without_a_charset(echo: str) -> None:
    """durable-http 21: sends `text/plain`."""
    assert (await call_http({"method": "POST", "uri": echo, "content": '{"a": 1}'}))["content"] == "text/plain"


async def test_call_http_parts_the_products_of_a_server(echo: str) -> None:
    """durable-http 22: a list of two."""
    headers = (await call_http({"method": "GET", "uri": echo}))["headers"]
    assert isinstance(headers, dict)
    assert headers["Server"] == ["A/1", "B/2"]


@pytest.mark.parametrize(
    ("name", "values", "parted"),
    [
        ("Server", ["nginx/1.18.0 (Ubuntu Linux)"], ["nginx/1.18.0", "(Ubuntu Linux)"]),
        ("server", ["A/1"], ["A/1"]),
        ("Server", ["a ) b"], ["a ) b"]),
        ("Vary", ["Accept, Origin"], ["Accept", "Origin"]),
        ("X-Own", ["a, b c"], ["a, b c"]),
        ("Cache-Control", ["no-cache, no-store"], ["no-store, no-cache"]),
    ],
)
def test_response_headers_are_split_as_dotnet_does(name: str, values: list[str], parted: list[str]) -> None:
    """durable-http 22: product tokens and comments are values of their own, and so are the items of lists."""
    assert parsed_values(name, values) == parted


@pytest.mark.differs("ids")
@pytest.mark.parametrize("instance_id", ["@x", "a%3Fb", "a%23b", "a%5Cb", "a%09b", "a" * 300, "a" * 600])
async def test_ids_are_checked_at_the_start(world: World, instance_id: str) -> None:
    """durable-http 23: stays different. The extension runs them; beyond the limit of a table key it returns 500."""
    url = yarl.URL(f"{world.webhook}/orchestrators/Orch/{instance_id}", encoded=True)
    async with world.http.post(url, json=None) as answer:
        assert answer.status == 400


async def test_a_restart_replaces_a_running_instance_under_any_state() -> None:
    """durable-http 24: replaced, 202."""
    async with running_world(options=api_options(overridable_existing_instance_states="AnyState")) as world:
        await world.put("a", RUNNING)
        async with world.http.post(f"{world.webhook}/instances/a/restart?restartWithNewInstanceId=false") as answer:
            assert answer.status == 202
            assert (await answer.json())["id"] == "a"


@pytest.mark.parametrize(
    ("uses_lease", "code", "body"),
    [
        (True, 200, b""),
        (False, 400, b'{"Message":"Cannot make current app primary. This app is not using the AppLease feature."}'),
    ],
)
async def test_only_an_app_with_a_lease_is_made_primary(uses_lease: bool, code: int, body: bytes) -> None:
    """durable-http 25: 400 with the reason without the lease."""
    options = api_options(use_app_lease=uses_lease)
    async with running_world(options=options) as world, world.http.post(f"{world.webhook}/makeprimary") as answer:
        assert (answer.status, await answer.read()) == (code, body)


@pytest.mark.parametrize("query", ["connection=Nowhere", "taskHub=no-hub"])
async def test_an_unknown_connection_or_hub_is_an_error_of_the_server(query: str) -> None:
    """durable-http 26: 500."""

    def hub_for(hub: str, connection: str) -> DurableClient:
        raise ConfigurationError(f"There is no {connection} or {hub}.")

    async with (
        running_world(hub_for=hub_for) as world,
        world.http.get(f"{world.webhook}/instances/a?{query}") as answer,
    ):
        assert answer.status == 500
        assert (await answer.json())["Message"] == "Something went wrong while processing your request"


@pytest.mark.parametrize("query", ["connection=%20", "taskHub=%20", "connection=&taskHub="])
async def test_a_blank_connection_or_hub_counts_as_absent(world: World, query: str) -> None:
    """durable-http 26: a blank value counts as absent."""
    await world.put("a", COMPLETED)
    async with world.http.get(yarl.URL(f"{world.webhook}/instances/a?{query}", encoded=True)) as answer:
        assert answer.status == 200


async def test_a_delete_without_a_key_is_for_the_empty_key(world: World) -> None:
    """durable-http 28: 202."""
    async with world.http.delete(f"{world.webhook}/entities/Counter") as answer:
        assert answer.status == 202
    (event,) = await world.messages("@counter@")
    assert isinstance(event, events.EventRaised)
    assert json.loads(event.input or "")["op"] == "delete"


async def test_a_signal_to_no_entity_is_refused(world: World) -> None:
    """durable-http 28: 400."""
    async with world.http.post(f"{world.webhook}/entities") as answer:
        assert answer.status == 400


@pytest.mark.parametrize(("instance_id", "code"), [("@counter@never", 200), ("never", 404)])
async def test_a_purge_of_an_entity_that_never_was_deletes_none(world: World, instance_id: str, code: int) -> None:
    """durable-http 28: 200 `{"instancesDeleted":0}`."""
    async with world.http.delete(f"{world.webhook}/instances/{instance_id}") as answer:
        assert answer.status == code
        if code == 200:
            assert await answer.json() == {"instancesDeleted": 0}


async def test_a_bad_entity_key_is_named_as_the_extension_does(world: World) -> None:
    """durable-http 28: `entityKey (Parameter 'Entity keys must not …')`."""
    url = yarl.URL(f"{world.webhook}/entities/Counter/a%3Fb?op=add", encoded=True)
    async with world.http.post(url) as answer:
        assert answer.status == 400
        assert await answer.json() == {
            "Message": "entityKey (Parameter 'Entity keys must not contain /, \\, #, ?, or control characters.')"
        }


async def test_an_unknown_entity_is_named_in_lower_case(world: World) -> None:
    """durable-http 28: named in lower case."""
    async with world.http.post(f"{world.webhook}/entities/NoBody/k?op=add") as answer:
        assert answer.status == 400
        assert "The function 'nobody' doesn't exist" in (await answer.json())["Message"]


@pytest.mark.parametrize("path", ["a@b/k", "a%3Fb/k", "Counter/a%3Fb"])
async def test_no_entity_has_a_bad_name(world: World, path: str) -> None:
    """durable-http 28: a GET of a bad name is a 404."""
    async with world.http.get(yarl.URL(f"{world.webhook}/entities/{path}", encoded=True)) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("segment", "name"),
    [("a%2Bb", "a b"), ("a+b", "a b"), ("a%252Bb", "a+b"), ("a%2541", "aA"), ("50%25", "50%"), ("%C3%BC", "ü")],
)
async def test_names_of_events_are_decoded_twice(
    world: World, segment: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """durable-http 29: twice, and `+` is a space; a warning says so, once."""
    await world.put("a", RUNNING)
    url = yarl.URL(f"{world.webhook}/instances/a/raiseEvent/{segment}", encoded=True)
    for _ in range(2):
        async with world.http.post(url, json=1) as answer:
            assert answer.status == 202
    event = (await world.messages("a"))[-1]
    assert isinstance(event, events.EventRaised)
    assert event.name == name
    told = [record for record in caplog.records if "DH6403" in record.getMessage()]
    assert len(told) == (yarl.URL(f"/{segment}", encoded=True).name != name)


async def test_keys_of_entities_are_decoded_twice(world: World) -> None:
    """durable-http 29: the same for keys of entities."""
    url = yarl.URL(f"{world.webhook}/entities/Counter/a%2Bb?op=add", encoded=True)
    async with world.http.post(url) as answer:
        assert answer.status == 202
    assert len(await world.messages("@counter@a b")) == 1


async def test_a_slash_in_the_name_of_an_event_begins_a_segment(world: World) -> None:
    """durable-http 29: `a%2Fb` is two segments, a 404."""
    await world.put("a", RUNNING)
    before = len(await world.messages("a"))
    url = yarl.URL(f"{world.webhook}/instances/a/raiseEvent/a%2Fb", encoded=True)
    async with world.http.post(url, json=1) as answer:
        assert answer.status == 404
    assert len(await world.messages("a")) <= before


async def test_an_id_that_is_found_after_two_decodings_is_found(world: World) -> None:
    """durable-http 29: `a%2541` is `aA`."""
    await world.put("aA", RUNNING)
    async with world.http.get(yarl.URL(f"{world.webhook}/instances/a%2541", encoded=True)) as answer:
        assert (await answer.json())["instanceId"] == "aA"


@pytest.mark.differs("decoded-twice")
async def test_an_id_with_a_plus_is_reached(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """durable-http 29: stays different, with a warning. The extension cannot reach such an instance."""
    await world.put("a+b", RUNNING)
    for _ in range(2):
        async with world.http.get(yarl.URL(f"{world.webhook}/instances/a%2Bb", encoded=True)) as answer:
            assert (await answer.json())["instanceId"] == "a+b"
    assert len([record for record in caplog.records if "DH6403" in record.getMessage()]) == 1


@pytest.mark.differs("spelling")
async def test_numbers_in_the_data_of_an_event_keep_their_spelling(world: World) -> None:
    """durable-http 30: stays different. The extension prints 2.5."""
    await world.put("a", RUNNING)
    async with world.http.post(f"{world.webhook}/instances/a/raiseEvent/E", data=b"2.50", headers=JSON) as answer:
        assert answer.status == 202
    event = (await world.messages("a"))[-1]
    assert isinstance(event, events.EventRaised)
    assert event.input == "2.50"


@pytest.mark.differs("spelling")
async def test_a_restart_keeps_the_text_of_the_input(world: World) -> None:
    """durable-http 30: stays different. The extension prints it again, `{"a":1}`"""
    await world.put("a", COMPLETED, input='{"a" : 1}')
    async with world.http.post(f"{world.webhook}/instances/a/restart") as answer:
        state = await world.client.get((await answer.json())["id"])
    assert state is not None
    assert state.input == '{"a" : 1}'


@pytest.mark.parametrize(
    ("host", "scheme", "origin"),
    [
        ("app.example", "https", "https://app.example:{port}"),
        ("app.example", None, "http://127.0.0.1:{port}"),
        (None, "https", "http://127.0.0.1:{port}"),
    ],
)
async def test_a_forwarded_host_needs_its_scheme_and_keeps_the_port(
    host: str | None, scheme: str | None, origin: str
) -> None:
    """durable-http 31: both headers are needed, the request's port is kept, `Location` of a status is untouched."""
    sent = {"X-Forwarded-Host": host, "X-Forwarded-Proto": scheme}
    headers = {name: value for name, value in sent.items() if value is not None}
    async with running_world(options=api_options(use_forwarded_host=True)) as world:
        expected = origin.format(port=world.origin.rpartition(":")[2])
        async with world.http.post(f"{world.webhook}/orchestrators/Orch/a", headers=headers) as answer:
            assert (await answer.json())["statusQueryGetUri"].startswith(f"{expected}/runtime/webhooks/")
        async with world.http.get(f"{world.webhook}/instances/a", headers=headers) as answer:
            assert answer.headers["Location"] == f"{world.webhook}/instances/a"


async def test_a_forwarded_host_with_a_port_is_an_error() -> None:
    """durable-http 31: a port in the header is a 500."""
    headers = {"X-Forwarded-Host": "app.example:8080", "X-Forwarded-Proto": "https"}
    async with (
        running_world(options=api_options(use_forwarded_host=True)) as world,
        world.http.post(f"{world.webhook}/orchestrators/Orch/a", headers=headers) as answer,
    ):
        assert answer.status == 500


async def test_an_rpc_start_has_the_urls_of_the_webhook_and_its_key() -> None:
    """durable-http 34: the RPC origin, the path of the webhook, and the key."""
    async with running_world(key="secret") as world, world.http.post(f"{world.rpc}/orchestrators/Orch/a") as answer:
        url = (await answer.json())["statusQueryGetUri"]
    assert url == f"{world.webhook}/instances/a?taskHub={HUB}&connection=Storage&code=secret"


async def test_the_execution_of_a_client_start_is_a_guid_with_dashes(world: World) -> None:
    """durable-http 35: a GUID with dashes."""
    async with world.http.post(f"{world.rpc}/orchestrators/Orch/a") as answer:
        assert answer.status == 202
    state = await world.client.get("a")
    assert state is not None
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", state.execution_id or "")


@pytest.mark.differs("traceparent")
@pytest.mark.parametrize(
    ("header", "is_stored"), [("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True), ("nonsense", False)]
)
async def test_the_trace_of_a_caller_is_kept(world: World, header: str, is_stored: bool) -> None:
    """durable-http 36: stays different. Without tracing the extension stores none."""
    async with world.http.post(f"{world.rpc}/orchestrators/Orch/a", headers={"traceparent": header}) as answer:
        assert answer.status == 202
    (event,) = await world.messages("a")
    assert isinstance(event, events.ExecutionStarted)
    assert (event.parent_trace_context is not None) == is_stored


@pytest.mark.differs("stack-trace")
async def test_errors_have_no_stack_trace(world: World) -> None:
    """durable-http 37: stays different. The extension fills it with frames of .NET."""
    async with world.http.post(f"{world.webhook}/instances/nope/restart") as answer:
        assert (await answer.json())["StackTrace"] == ""


def test_the_client_payload_ends_with_the_settings_of_grpc() -> None:
    """durable-http 38: both null, at the end."""
    payload = client_payload(ManagementUrls(base_url="http://x", task_hub=HUB), rpc_base_url="http://y/")
    assert list(payload.items())[-2:] == [("maxGrpcMessageSizeInBytes", None), ("grpcHttpClientTimeout", None)]


def orch(context):
    yield context.call_activity("Hello", context.get_input())


def test_the_trigger_payload_has_the_members_of_the_extension() -> None:
    """durable-http 39: `sourceInstanceId` (null) after `parentInstanceId`, `upperSchemaVersionNew` 3."""
    engine = EngineWorld([orch])
    engine.deliver(engine.start("orch", {"a": 1}), time=0)
    engine.state().append(events.OrchestratorStarted(timestamp=START + SECOND))
    told = json.loads(payload_text(turn_of(engine.state())))
    names = list(told)
    assert names.index("sourceInstanceId") == names.index("parentInstanceId") + 1
    assert told["sourceInstanceId"] is None
    assert (told["upperSchemaVersion"], told["upperSchemaVersionNew"]) == (1, 3)


def test_the_operations_of_a_batch_have_ids() -> None:
    """durable-http 39: items of an entity batch have `id`."""
    operation = EntityOperation("add", "1", is_signal=True, id="5e1f")
    batch = EntityBatch(name="counter", key="k", exists=False, state=None, operations=[operation])
    assert json.loads(entity_payload(batch))["batch"][0]["id"] == "5e1f"


def calling(context):
    yield context.call_entity(EntityId("counter", "k"), "get")


def test_a_request_to_an_entity_has_its_time() -> None:
    """durable-http 39: entity requests have `requestTime`."""
    engine = EngineWorld([calling], entities={"counter": lambda context: None})
    engine.deliver(engine.start("calling"))
    (message,) = engine.sent
    assert isinstance(message.event, events.EventRaised)
    assert json.loads(message.event.input or "")["requestTime"].endswith("+00:00")


JSON = {"Content-Type": "application/json"}
