"""The Event Grid output binding against a topic: a real HTTP server that records requests."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from durable_host.bindings.event_grid_output import EventGridOutput
from durable_host.bindings.properties import BindingFailed
from durable_host.config.settings import AppSettings
from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import NONE, Datum, json_text, string
from durable_host.invocation.metadata import Binding, FunctionMetadata

EVENT = {
    "id": "1",
    "subject": "s",
    "eventType": "T",
    "eventTime": "2024-01-01T00:00:00Z",
    "dataVersion": "1",
    "data": {},
}
CLOUD = {"specversion": "1.0", "id": "2", "source": "s", "type": "T", "data": "x"}
NAMED = {"topicEndpointUri": "TOPIC", "topicKeySetting": "TOPIC_KEY"}


class Topic:
    """`requests` are (headers, query, body) of what was posted; `status` is what is answered."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], dict[str, str], Any]] = []
        self.status = 200
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), dict(request.query), await request.json()))
        return web.Response(status=self.status, text="why it is refused")


@pytest.fixture
async def topic() -> AsyncIterator[Topic]:
    topic = Topic()
    app = web.Application()
    app.router.add_post("/api/events", topic.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    topic.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/events"
    yield topic
    await runner.cleanup()


async def write(datum: Datum, properties: dict[str, Any], **settings: str) -> None:
    binding = Binding(name="out", type="eventGrid", direction="out", properties=properties)
    function = FunctionMetadata(name="publish", bindings=(binding,))
    await EventGridOutput(AppSettings(settings)).write(binding, datum, {}, BindingContext(function, "id-1"))


@pytest.mark.parametrize(
    ("datum", "bodies"),
    [
        (json_text(json.dumps(EVENT)), [[EVENT]]),
        (string(json.dumps(EVENT)), [[EVENT]]),
        (Datum("bytes", json.dumps(EVENT).encode()), [[EVENT]]),
        (json_text(json.dumps([EVENT, EVENT])), [[EVENT, EVENT]]),
        (json_text(json.dumps([json.dumps(EVENT), EVENT])), [[EVENT, EVENT]]),
        (Datum("collection_string", [json.dumps(EVENT)] * 2), [[EVENT, EVENT]]),
        (string(json.dumps(CLOUD)), [[CLOUD]]),
        (json_text(json.dumps([CLOUD, EVENT])), [[EVENT], [CLOUD]]),
        (json_text("[]"), []),
        (NONE, []),
    ],
)
async def test_events_are_posted_to_the_topic_that_the_settings_name(
    topic: Topic, datum: Datum, bodies: list[Any]
) -> None:
    await write(datum, NAMED, TOPIC=topic.url, TOPIC_KEY="SECRET")
    assert [body for _, _, body in topic.requests] == bodies
    for headers, query, body in topic.requests:
        kind = "application/cloudevents-batch+json" if "specversion" in body[0] else "application/json"
        assert headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert headers["aeg-sas-key"] == "SECRET"
        assert query == {"api-version": "2018-01-01"}


async def test_the_query_of_the_endpoint_stays(topic: Topic) -> None:
    await write(json_text(json.dumps(EVENT)), NAMED, TOPIC=f"{topic.url}?api-version=2023-11-01", TOPIC_KEY="k")
    assert topic.requests[0][1] == {"api-version": "2023-11-01"}


@pytest.mark.parametrize("properties", [NAMED, {"connection": "Grid"}])
async def test_without_a_topic_each_event_is_logged_as_a_json_line(
    properties: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "Function.publish"):
        await write(json_text(json.dumps([EVENT, CLOUD])), properties)
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    common = {"output": "out", "type": "eventGrid", "function": "publish", "invocationId": "id-1"}
    assert lines == [{**common, "value": EVENT}, {**common, "value": CLOUD}]
    assert {record.invocation_id for record in caplog.records} == {"id-1"}  # type: ignore[attr-defined]


async def test_a_topic_without_its_key_fails_the_call(topic: Topic) -> None:
    with pytest.raises(BindingFailed, match="no key: the app setting 'TOPIC_KEY' is missing"):
        await write(json_text(json.dumps(EVENT)), NAMED, TOPIC=topic.url)


@pytest.mark.parametrize("datum", [string("no JSON"), json_text("[1]"), json_text("3"), string('"text"')])
async def test_a_value_that_is_not_an_event_fails_the_call(datum: Datum) -> None:
    with pytest.raises(BindingFailed, match="binding 'out' got a"):
        await write(datum, NAMED)


async def test_a_refusal_of_the_topic_fails_the_call_and_shows_no_key(topic: Topic) -> None:
    topic.status = 401
    with pytest.raises(BindingFailed, match="it answered 401: why it is refused") as caught:
        await write(json_text(json.dumps(EVENT)), NAMED, TOPIC=topic.url, TOPIC_KEY="SECRET")
    assert "SECRET" not in str(caught.value)


async def test_a_topic_that_is_not_there_fails_the_call() -> None:
    with pytest.raises(BindingFailed, match="could not be sent to the topic"):
        await write(json_text(json.dumps(EVENT)), NAMED, TOPIC="http://127.0.0.1:1/api/events", TOPIC_KEY="k")
