"""Output bindings for services that are not available: the call fails with the reason, or the value is logged."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from bindings_world import BindingsWorld, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

CODE = """
@app.service_bus_queue_output(arg_name="out", connection="Bus", queue_name="orders-{kind}")
@trigger
def send(msg: func.QueueMessage, out: func.Out[str]) -> None:
    value = msg.get_json().get("value")
    if value is not None:
        out.set(value)


@app.generic_output_binding(arg_name="$return", type="sendGrid", apiKey="MailKey", to="a@example.com")
@trigger
def mail(msg: func.QueueMessage):
    return json.loads(msg.get_body()).get("value")


@app.generic_output_binding(arg_name="out", type="signalR", hubName="chat", data_type="BINARY")
@trigger
def binary(msg: func.QueueMessage, out: func.Out[bytes]) -> None:
    out.set(b"\\xff\\x00")
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> AsyncIterator[BindingsWorld]:
    async with running(tmp_path_factory.mktemp("strict"), CODE, settings) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def logging_world(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]
) -> AsyncIterator[BindingsWorld]:
    logs = {**settings, "DURABLE_HOST_UNSERVED_OUTPUTS": "log"}
    async with running(tmp_path_factory.mktemp("logs"), CODE, logs) as world:
        yield world


def message(**members: Any) -> str:
    return json.dumps({"kind": "new", **members})


@pytest.mark.parametrize(("function", "type_"), [("send", "serviceBus"), ("mail", "sendGrid"), ("binary", "signalR")])
async def test_setting_the_output_fails_the_call_with_the_reason(
    strict: BindingsWorld, function: str, type_: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = await strict.failure(function, message(value="x"))
    assert f"of type '{type_}' is not served by this host; its value was not sent." in error
    assert "DURABLE_HOST_UNSERVED_OUTPUTS=log" in caplog.text


@pytest.mark.parametrize("function", ["send", "mail"])
async def test_a_call_that_does_not_set_the_output_succeeds(strict: BindingsWorld, function: str) -> None:
    await strict.run(function, message())


async def logged(world: BindingsWorld, function: str, text: str, caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    with caplog.at_level(logging.INFO, "Function"):
        await world.run(function, text)
    [line] = [record.getMessage() for record in caplog.records if record.getMessage().startswith('{"output"')]
    assert "\n" not in line
    return json.loads(line)


async def test_by_setting_the_value_is_logged_as_a_line_of_json(
    logging_world: BindingsWorld, caplog: pytest.LogCaptureFixture
) -> None:
    told = await logged(logging_world, "send", message(value={"id": 1}), caplog)
    assert told.pop("invocationId")
    assert told == {
        "output": "out",
        "type": "serviceBus",
        "function": "send",
        "properties": {"queueName": "orders-new"},
        "value": {"id": 1},
    }


async def test_names_of_secrets_are_not_logged(logging_world: BindingsWorld, caplog: pytest.LogCaptureFixture) -> None:
    told = await logged(logging_world, "mail", message(value="text"), caplog)
    assert (told["properties"], told["value"]) == ({"to": "a@example.com"}, "text")


async def test_bytes_that_are_not_text_are_logged_in_base64(
    logging_world: BindingsWorld, caplog: pytest.LogCaptureFixture
) -> None:
    told = await logged(logging_world, "binary", message(), caplog)
    assert told["value"] == {"base64": "/wA="}
