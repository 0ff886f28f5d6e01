"""A hub with unreadable contents, which are set aside with a warning while the rest continues; very large values."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableClient, UpdateMode
from azure.storage.blob import ContainerClient
from durable_world import (
    HEADER,
    MANAGEMENT,
    StartHost,
    finished,
    history_rows,
    hub_of,
    messages_in_hub,
    output,
    queues_of,
    raise_event,
    start_instance,
    wait_custom_status,
)
from host_process import HostProcess, hub_settings, until, write_app

from durable_host import timestamp
from durable_host.storage import StorageAccount
from durable_host.storage.table_codec import EdmDateTime

APP = (
    HEADER
    + """
@app.orchestration_trigger(context_name="context")
def waiting(context):
    context.set_custom_status("waiting")
    return (yield context.wait_for_external_event("go"))


@app.orchestration_trigger(context_name="context")
def same(context):
    return (yield context.call_activity("echo", context.get_input()))


@app.activity_trigger(input_name="value")
def echo(value):
    return value


@app.entity_trigger(context_name="context")
def keeper(context):
    if context.operation_name == "set":
        context.set_state(context.get_input())
"""
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    root = write_app(tmp_path_factory.mktemp("storage") / "app", {"function_app.py": APP})
    host = HostProcess(root, hub_settings(connection_string))
    yield host.start()
    host.end()


@pytest.fixture
def connection(host: HostProcess) -> str:
    return host.settings["AzureWebJobsStorage"]


def waiting(host: HostProcess) -> str:
    instance_id = start_instance(host, "waiting")
    wait_custom_status(host, instance_id, "waiting")
    return instance_id


@pytest.mark.parametrize(
    "text",
    [
        "no message at all",
        "{}",
        json.dumps({"TaskMessage": {"Event": {"EventType": 99}, "OrchestrationInstance": {"InstanceId": "x"}}}),
        base64.b64encode(b"\xff\xfe\x00").decode(),
        "[" * 2000,
    ],
    ids=["text", "empty", "event", "base64", "deep"],
)
def test_a_message_that_cannot_be_read_is_set_aside_and_the_rest_continues(host: HostProcess, text: str) -> None:
    said = len(host.lines)
    ids = [queue.send_message(text).id for queue in queues_of(host)]
    for message_id in ids:
        host.wait_for(re.escape(message_id))
    assert output(host, "same", 1) == 1
    assert "Traceback" not in "\n".join(host.lines[said:])


def test_history_that_cannot_be_read_stops_its_instance_only(host: HostProcess, connection: str) -> None:
    broken, sound = waiting(host), waiting(host)
    host.stop()
    with TableClient.from_connection_string(connection, f"{hub_of(host)}History") as table:
        rows = list(table.query_entities("PartitionKey eq @id", parameters={"id": broken}))
        row = next(row for row in rows if row.get("EventType") == "ExecutionStarted")
        table.update_entity({**row, "EventType": "NobodyKnows"}, mode=UpdateMode.REPLACE)
    host.start()
    raise_event(host, broken, "go", 1)
    raise_event(host, sound, "go", 2)
    assert finished(host, sound)["output"] == 2
    line = host.wait_for(f"{broken}.*(NobodyKnows|cannot be read)")
    assert "NobodyKnows" in line
    assert host.get(f"{MANAGEMENT}/instances/{broken}").status_code == 202
    assert output(host, "same", "still here") == "still here"
    assert host.request("DELETE", f"{MANAGEMENT}/instances/{sound}").status_code == 200


def test_an_instance_row_that_cannot_be_read_does_not_hide_the_others(host: HostProcess, connection: str) -> None:
    with TableClient.from_connection_string(connection, f"{hub_of(host)}Instances") as table:
        table.create_entity({"PartitionKey": "odd-row", "RowKey": "", "RuntimeStatus": "Dancing", "Name": "same"})
    sound = start_instance(host, "same", 5)
    finished(host, sound)
    listed = host.get(f"{MANAGEMENT}/instances")
    assert listed.status_code == 200, listed.text
    assert sound in [one["instanceId"] for one in listed.json()]
    assert host.get(f"{MANAGEMENT}/instances/odd-row").status_code in {200, 202, 404, 500}
    assert host.request("DELETE", f"{MANAGEMENT}/instances?createdTimeFrom=2020-01-01").status_code == 200


@pytest.mark.parametrize("size", [20_000, 70_000, 500_000])
def test_values_of_every_size_come_back_and_are_purged(host: HostProcess, connection: str, size: int) -> None:
    value = {"text": "\u00e4" * (size // 2), "end": size}
    instance_id = start_instance(host, "same", value)
    status = finished(host, instance_id)
    assert status["output"] == value
    assert json.loads(status["input"]) == value
    assert host.request("DELETE", f"{MANAGEMENT}/instances/{instance_id}").json() == {"instancesDeleted": 1}
    blobs = ContainerClient.from_connection_string(connection, f"{hub_of(host).lower()}-largemessages")
    assert [blob.name for blob in blobs.list_blobs(name_starts_with=instance_id)] == []


def test_large_events_and_entity_states_are_kept(host: HostProcess) -> None:
    instance_id = waiting(host)
    raise_event(host, instance_id, "go", "x" * 200_000)
    assert len(finished(host, instance_id)["output"]) == 200_000
    state = json.dumps(json.dumps("y" * 200_000))
    headers = {"Content-Type": "application/json"}
    assert host.post(f"{MANAGEMENT}/entities/keeper/k?op=set", data=state, headers=headers).status_code == 202
    until(lambda: host.get(f"{MANAGEMENT}/entities/keeper/k").text == json.dumps("y" * 200_000), host=host)


def test_a_message_for_an_instance_that_is_not_there_is_discarded(host: HostProcess) -> None:
    assert host.post(f"{MANAGEMENT}/instances/nobody/raiseEvent/go", json=1).status_code == 404
    event = {
        "$type": "DurableTask.AzureStorage.MessageData",
        "ActivityId": "00000000-0000-0000-0000-000000000000",
        "TaskMessage": {
            "$type": "DurableTask.Core.TaskMessage",
            "Event": {
                "$type": "DurableTask.Core.History.EventRaisedEvent", "EventType": 15, "Input": "1", "Name": "go",
                "EventId": -1, "IsPlayed": False, "Timestamp": "2026-01-01T00:00:00Z",
            },
            "SequenceNumber": 0,
            "OrchestrationInstance": {
                "$type": "DurableTask.Core.OrchestrationInstance", "InstanceId": "nobody", "ExecutionId": None,
            },
        },
        "SequenceNumber": 0, "Episode": 0,
    }  # fmt: skip
    before = messages_in_hub(host)
    queues_of(host)[0].send_message(json.dumps(event))
    until(lambda: messages_in_hub(host) <= before, host=host)
    assert output(host, "same", 1) == 1


def test_base64_and_plain_messages_are_both_understood(host: HostProcess, connection: str) -> None:
    source = waiting(host)
    for encode in (lambda text: text, lambda text: base64.b64encode(text.encode()).decode()):
        target = waiting(host)
        event = _captured_event(host, source, target)
        for queue in queues_of(host)[:4]:
            queue.send_message(encode(event))
        assert finished(host, target)["output"] == 7


def _captured_event(host: HostProcess, source: str, target: str) -> str:
    return json.dumps({
        "TaskMessage": {
            "Event": {"EventType": 15, "Input": "7", "Name": "go", "EventId": -1, "IsPlayed": False,
                      "Timestamp": "2026-01-01T00:00:00Z"},
            "OrchestrationInstance": {"InstanceId": target, "ExecutionId": None},
        },
        "ActivityId": source, "SequenceNumber": 0, "Episode": 0,
    })  # fmt: skip


OFFICIAL = Path(__file__).parents[1] / "taskhub" / "azure" / "golden"

OFFICIAL_APP = (
    HEADER
    + """
@app.orchestration_trigger(context_name="context")
def HelloSequence(context):
    return [(yield context.call_activity("Hello", "Tokyo"))]


@app.activity_trigger(input_name="name")
def Hello(name):
    return f"Hello {name}!"
"""
)


def official_rows(section: str) -> list[dict[str, Any]]:
    """The golden rows as the official backend sends them, in the form of our own table client."""
    rows: list[dict[str, Any]] = []
    for line in (OFFICIAL / "rows.tsv").read_text(encoding="utf-8").splitlines():
        name, _, text = line.partition("\t")
        row: dict[str, Any] = json.loads(text)
        if name == section and row.get("PartitionKey") == "abc123":
            dates = {key for key in row if row.get(f"{key}@odata.type") == "Edm.DateTime"}
            rows.append({
                key: EdmDateTime(timestamp.parse(value)) if key in dates else value
                for key, value in row.items()
                if "@" not in key
            })  # fmt: skip
    return rows


def official_message(kind: str) -> str:
    lines = (OFFICIAL / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if f"History.{kind}Event" in line)


@pytest.mark.parametrize(
    ("queue", "kind"),
    [("control-01", "TaskCompleted"), ("workitems", "TaskScheduled")],
    ids=["its activity has run", "its activity has still to run"],
)
async def test_an_instance_that_the_official_backend_began_is_continued(
    start_host: StartHost, storage: StorageAccount, queue: str, kind: str
) -> None:
    host = start_host({"function_app.py": OFFICIAL_APP})
    hub = hub_of(host)
    host.stop()
    for row in official_rows("R2"):
        await storage.tables.upsert_replace(f"{hub}History", row)
    for row in (*official_rows("R1"), *official_rows("R3")):
        await storage.tables.upsert_merge(f"{hub}Instances", row)
    await storage.queues.put(f"{hub.lower()}-{queue}", official_message(kind))
    host.start()
    status = finished(host, "abc123")
    assert status["output"] == ["Hello Tokyo!"]
    kinds = [row["EventType"] for row in history_rows(host, "abc123")]
    assert kinds[4:] == ["OrchestratorStarted", "TaskCompleted", "ExecutionCompleted", "OrchestratorCompleted"]
