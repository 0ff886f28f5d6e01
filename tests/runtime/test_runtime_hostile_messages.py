"""Whatever a hub contains, no message blocks its instance, and other instances continue."""

import asyncio
import json
import logging
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest
from runtime_world import App, Hosts, World, codes

sys.path.insert(0, str(Path(__file__).parents[1] / "taskhub" / "azure"))
from hostile_messages import GOLDEN, STRANGE, changed, paths

from durable_host.durable.api.errors import InstanceEnded
from durable_host.durable.model.events import EventRaised, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.diagnostics import UNREADABLE_HISTORY, WORK_ITEM_FAILED
from durable_host.durable.taskhub import validity
from durable_host.durable.taskhub.azure import envelope
from durable_host.durable.taskhub.azure.envelope import UnreadableMessage
from durable_host.durable.taskhub.sqlite import hub
from durable_host.durable.taskhub.validity import InvalidHubMessage


def _handed_on(text: str) -> TaskMessage | None:
    try:
        message = envelope.from_text(text).message
        assert message is not None
        validity.check(message, is_work_item=message.is_activity)
    except (UnreadableMessage, InvalidHubMessage, AssertionError):
        return None
    return message


def _for_victim(value: Any) -> list[TaskMessage]:
    """Golden messages for the instance `victim` and for an entity, each member replaced in turn. Two thirds of them are
    equal, because nobody reads the member that was replaced.
    """
    found: dict[str, TaskMessage] = {}
    for golden in GOLDEN:
        for path in paths(golden):
            raw = changed(golden, path, value)
            for target in ("victim", "@counter@victim"):
                message = _handed_on(json.dumps(_addressed(raw, target)))
                if message is not None:
                    found.setdefault(repr(message), message)
    return list(found.values())


def _addressed(raw: dict[str, Any], target: str) -> dict[str, Any]:
    """The message for another instance, unless it lacks the place of the ID."""
    message = raw.get("TaskMessage")
    if not isinstance(message, dict) or not isinstance(instance := message.get("OrchestrationInstance"), dict):
        return raw
    instance = {**instance, "InstanceId": target, "ExecutionId": None}
    return {**raw, "TaskMessage": {**message, "OrchestrationInstance": instance}}


def _with_counter(app: App) -> App:
    @app.entity
    def counter(context: df.DurableEntityContext) -> None:
        context.set_state(context.get_state(lambda: 0) + 1)

    return app


async def _others_go_on(world: World) -> None:
    await world.start("chain", "good", ["a"])
    assert await world.output("good") == ["Hello a"]


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:30])
async def test_no_message_that_is_handed_on_blocks_its_instance(app: App, hosts: Hosts, value: Any) -> None:
    @app.orchestrator
    def waits(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.wait_for_external_event("Never"))

    world = await hosts.start(_with_counter(app))
    await world.start("waits", "victim")
    for message in _for_victim(value):
        await world.hub.send(message)
    await _others_go_on(world)
    with suppress(InstanceEnded):
        await world.client.terminate("victim", "enough")
    assert (await world.result("victim")).runtime_status.is_terminal
    await world.client.entities.signal("counter", "victim", "add")
    await world.until(lambda: any(commit.instance_id == "@counter@victim" for commit in world.hub.commits))
    assert not {WORK_ITEM_FAILED, UNREADABLE_HISTORY} & set(codes(world))


REQUESTS: list[str | None] = [
    None,
    "not json",
    "[]",
    "5",
    '"\\ud800"',
    '{"id": 5}',
    '{"id": "' + "x" * 5_000 + '", "op": "add"}',
    '{"id": "1", "op": "add", "parent": "' + "x" * 5_000 + '", "parentExecution": "e"}',
    '{"id": "1", "op": null, "lockset": 5}',
    '{"id": "1", "op": null, "lockset": [5]}',
    '{"id": "1", "op": null, "lockset": [{"name": "counter", "key": "' + "x" * 5_000 + '"}], "pos": 0}',
    '{"id": "1", "op": null, "lockset": [{"name": "counter", "key": "victim"}], "pos": 100000000000000000000000}',
    '{"id": "1", "op": null, "lockset": [], "pos": -7}',
    '{"id": "1", "op": {"a": 1}, "input": {"b": [1]}, "due": 5}',
    '{"id": "1", "op": "add", "Timestamp": "0001-01-01T00:00:00+05:00"}',
    '{"id": "1", "op": "add", "due": "9999-12-31T23:59:59.9999999Z", "signal": true}',
    '{"id": "1", "op": "add", "input": ' + "[" * 3_000 + "]" * 3_000 + "}",
]


@pytest.mark.parametrize("name", ["op", "release", "continue", "op@0001-01-01T00:00:00+05:00", "other", ""])
async def test_no_request_blocks_its_entity(app: App, hosts: Hosts, name: str) -> None:
    world = await hosts.start(_with_counter(app))
    for text in REQUESTS:
        event = EventRaised(name=name, input=text, timestamp=world.clock.now())
        await world.hub.send(TaskMessage(event, OrchestrationInstance("@counter@victim")))
    await world.until(lambda: any(commit.instance_id == "@counter@victim" for commit in world.hub.commits))
    await _others_go_on(world)
    assert WORK_ITEM_FAILED not in codes(world)


BODY = {"target": {"instance_id": "victim"}, "sender": {"instance_id": ""}}
ROWS: dict[str, tuple[Any, Any]] = {
    "number of 100 bits": ("EventRaised", {**BODY, "event": {"event_id": 10**30, "name": "x"}}),
    "long ID": ("EventRaised", {**BODY, "target": {"instance_id": "x" * 5_000}, "event": {"name": "x"}}),
    "half of a surrogate pair": ("EventRaised", {**BODY, "target": {"instance_id": "\ud800"}, "event": {}}),
    "unknown kind": ("NoSuch", {**BODY, "event": {}}),
    "kind that is no text": (b"\xff\xfe", {**BODY, "event": {}}),
    "kind that does not travel": ("OrchestratorStarted", {**BODY, "event": {}}),
    "activity request": ("TaskScheduled", {**BODY, "event": {}}),
    "wrong type": ("EventRaised", {**BODY, "event": {"name": 5}}),
    "missing member": ("TaskCompleted", {**BODY, "event": {}}),
    "time out of range": ("TimerFired", {**BODY, "event": {"timer_id": 1, "fire_at": -5}}),
    "no JSON": ("EventRaised", b"rubbish"),
    "a number": ("EventRaised", 5),
    "no UTF-8": ("EventRaised", b'{"event": {"name": "\xff"}}'),
}


async def test_bad_rows_of_an_embedded_hub_are_set_aside(
    app: App, hosts: Hosts, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_FOREIGN_POLL_SECONDS", 0.01)
    world = await hosts.start(app)
    await world.start("approval", "victim")
    with closing(sqlite3.connect(tmp_path / "hub.db")) as connection, connection:
        for kind, body in ROWS.values():
            text = json.dumps(body) if isinstance(body, dict) else body
            connection.execute(
                "INSERT INTO messages (queue, state, due, dequeue_count, instance_id, kind, body) "
                "VALUES (0, 0, 0, 'x', 'victim', CAST(? AS TEXT), ?)",
                (kind, text.encode() if isinstance(text, str) else text),
            )
        connection.execute(
            "INSERT INTO messages (queue, state, due, instance_id, kind, body) "
            "VALUES (1, 0, 0, 'victim', 'EventRaised', '{}')"
        )
    with caplog.at_level(logging.WARNING):
        await _others_go_on(world)
        await world.client.terminate("victim", "enough")
        assert (await world.result("victim")).runtime_status is OrchestrationStatus.Terminated
        async with asyncio.timeout(30):
            while (await world.hub.set_aside()).get("workitems") != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert await world.hub.set_aside() == {"control": len(ROWS), "workitems": 1}
    assert sum("was set aside" in record.getMessage() for record in caplog.records) == len(ROWS) + 1
    with closing(sqlite3.connect(tmp_path / "hub.db")) as connection:
        reasons = [row[0] for row in connection.execute("SELECT reason FROM set_aside")]
    assert all(reasons)
    assert any("EventId is out of range" in reason for reason in reasons)


async def test_messages_that_an_earlier_version_set_aside_are_counted(app: App, hosts: Hosts, tmp_path: Path) -> None:
    world = await hosts.start(app)
    await world.runtime.stop()
    await world.hub.close()
    with closing(sqlite3.connect(tmp_path / "hub.db")) as connection, connection:
        connection.execute(
            "INSERT INTO messages (queue, state, due, instance_id, kind, body) "
            "VALUES (0, 3, 0, 'victim', 'NoSuch', x'00')"
        )
    world = await hosts.start(app)
    assert await world.hub.set_aside() == {"control": 1}
