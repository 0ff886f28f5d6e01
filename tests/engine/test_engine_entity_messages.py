"""Messages from orchestrations to entities: golden GUIDs, labels, JSON."""

import json

import azure.durable_functions as df
import pytest
from engine_world import World, completed, raised
from msgspec.structs import replace

from durable_host import timestamp
from durable_host.durable.engine.entity_messages import (
    NO_PREDECESSOR,
    SendLabels,
    deterministic_guid,
    request_event_name,
    request_id_of,
    request_json,
    response_json,
)
from durable_host.durable.engine.options import EngineOptions

NOW = timestamp.parse("2024-05-01T12:30:45.9876543Z")
MINUTE = timestamp.TICKS_PER_MINUTE
WINDOW = 30 * MINUTE


def test_the_golden_guids_of_the_protocol():
    assert deterministic_guid("abc123", NOW, 0) == "4702cb47-3da5-5c85-bb9e-138a3635692a"
    assert deterministic_guid("abc123", NOW, 1) == "e7388ab6-97ca-5323-815a-c961d54d2cf4"


def test_the_example_request_of_the_protocol():
    text = request_json(
        operation="add",
        request_id="4702cb47-3da5-5c85-bb9e-138a3635692a",
        input="1",
        parent="abc123",
        parent_execution="0123456789abcdef0123456789abcdef",
        timestamp_label="2024-05-01T12:30:45.9876543Z",
        request_time=timestamp.parse("2024-05-01T12:30:46.0012345Z"),
    )
    assert text == (
        '{"$type":"Microsoft.Azure.WebJobs.Extensions.DurableTask.RequestMessage, Microsoft.Azure.WebJobs.Extensions'
        '.DurableTask","op":"add","input":"1","id":"4702cb47-3da5-5c85-bb9e-138a3635692a","parent":"abc123",'
        '"parentExecution":"0123456789abcdef0123456789abcdef","Timestamp":"2024-05-01T12:30:45.9876543Z",'
        '"Predecessor":"0001-01-01T00:00:00","requestTime":"2024-05-01T12:30:46.0012345+00:00"}'
    )
    assert request_id_of(text) == "4702cb47-3da5-5c85-bb9e-138a3635692a"


def test_the_example_client_signal_and_response_of_the_protocol():
    signal = request_json(
        operation="add", is_signal=True, input="1", request_id="a3f5c1de-0b7e-4c55-9d3a-1f2e3d4c5b6a",
        timestamp_label=NO_PREDECESSOR, with_type=False,
    )  # fmt: skip
    assert signal == (
        '{"op":"add","signal":true,"input":"1","id":"a3f5c1de-0b7e-4c55-9d3a-1f2e3d4c5b6a","Timestamp":'
        '"0001-01-01T00:00:00","Predecessor":"0001-01-01T00:00:00"}'
    )
    assert response_json("1") == (
        '{"$type":"Microsoft.Azure.WebJobs.Extensions.DurableTask.ResponseMessage, Microsoft.Azure.WebJobs.Extensions'
        '.DurableTask","result":"1"}'
    )


def test_labels_chain_and_never_repeat():
    labels = SendLabels()
    assert labels.label("@a@1", NOW, WINDOW) == ("2024-05-01T12:30:45.9876543Z", NO_PREDECESSOR)
    assert labels.label("@a@1", NOW, WINDOW) == ("2024-05-01T12:30:45.9876544", "2024-05-01T12:30:45.9876543Z")
    assert labels.label("@b@1", NOW, WINDOW) == ("2024-05-01T12:30:45.9876543Z", NO_PREDECESSOR)
    assert labels.label("@a@1", NOW + MINUTE, WINDOW) == (
        "2024-05-01T12:31:45.9876543Z",
        "2024-05-01T12:30:45.9876544",
    )


def test_labels_forget_what_is_older_than_the_window():
    labels = SendLabels()
    labels.label("@a@1", NOW, WINDOW)
    assert labels.horizon == NOW - WINDOW
    assert labels.label("@a@1", NOW + 2 * WINDOW, WINDOW) == ("2024-05-01T13:30:45.9876543Z", NO_PREDECESSOR)
    assert labels.horizon == NOW + WINDOW


def test_a_window_of_zero_disables_labels():
    assert SendLabels().label("@a@1", NOW, 0) == (NO_PREDECESSOR, NO_PREDECESSOR)


@pytest.mark.parametrize(
    ("delay", "name"),
    [(None, "op"), (MINUTE, "op@2024-05-01T12:31:45.9876543Z"), (7 * 1440 * MINUTE, "op@2024-05-04T12:30:45.9876543Z")],
)
def test_names_of_delayed_requests(delay, name):
    assert request_event_name(None if delay is None else NOW + delay, NOW) == name


@pytest.mark.parametrize("mode", ["live", "cold", "one_shot"])
def test_ids_and_labels_are_the_same_in_every_replay(mode):
    def orch(context):
        entity = df.EntityId("counter", "k")
        for number in range(3):
            context.signal_entity(entity, "add", number)
            yield context.call_activity("A")
        context.signal_entity(entity, "end")

    world = World([orch], entities={"counter": lambda context: None}, mode=mode)
    world.deliver(world.start("orch"))
    for number, answered in enumerate((1, 3, 5)):
        world.deliver(completed(answered), time=number + 1)
    sent = [json.loads(message.event.input) for message in world.sent if message.event.event_name == "EventRaised"]
    assert [each["id"] for each in sent] == [
        deterministic_guid("inst1", timestamp.parse(f"2026-01-01T00:00:0{number}Z"), number) for number in range(4)
    ]
    assert [each["Predecessor"] for each in sent] == [NO_PREDECESSOR, *(each["Timestamp"] for each in sent[:3])]


def test_without_a_window_nothing_is_labelled():
    def orch(context):
        context.signal_entity(df.EntityId("counter", "k"), "add", 1)
        yield context.call_activity("A")

    world = World([orch], entities={"counter": None}, options=EngineOptions(entity_reorder_window=0))
    world.deliver(world.start("orch"))
    assert json.loads(world.sent[0].event.input)["Timestamp"] == NO_PREDECESSOR


def test_the_id_in_the_history_of_another_host_is_the_one_that_counts():
    def orch(context):
        return (yield context.call_entity(df.EntityId("counter", "k"), "get"))

    world = World([orch], entities={"counter": None})
    world.deliver(world.start("orch"))
    history = world.history()
    foreign = "11111111-2222-3333-4444-555555555555"
    own = request_id_of(history[2].input)
    history[2] = replace(history[2], input=history[2].input.replace(own, foreign))
    world.drop()
    world.deliver(raised(foreign, {"result": "5"}), time=1)
    assert world.result == 5
    assert not world.diagnostics
