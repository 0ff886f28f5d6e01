"""What the embedded hub was told to write is noticed at once, even if the caller does not wait for it."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Coroutine
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest
from hub_samples import (
    NON_RUNNING,
    activity,
    commit_of,
    create,
    first_episode,
    raised,
    receive,
    receive_activity,
    start_message,
    time_limit,
)

from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.durable.taskhub.sqlite import SqliteTaskHub, receiver, schema


@pytest.fixture(params=[False, True], ids=["in a thread", "eager"])
async def hub(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteTaskHub]:
    hub = SqliteTaskHub(tmp_path / "hub.db", "TestHub", eager=request.param)
    hub._receiver._poll_seconds = None
    await hub.start()
    yield hub
    await hub.stop()
    await hub.close()


async def cancelled(hub: SqliteTaskHub, call: Coroutine[Any, Any, Any]) -> None:
    """Run a call, and cancel it when its work is submitted."""
    submit = hub._database.submit

    def submit_and_cancel(work: Any, **options: Any) -> Any:
        future = submit(work, **options)
        task.cancel()
        return future

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub._database, "submit", submit_and_cancel)
        task = asyncio.ensure_future(call)
        await asyncio.wait([task])
    assert task.cancelled()


async def waiting(hub: SqliteTaskHub, receiving: Coroutine[Any, Any, Any], queue: int) -> "asyncio.Task[Any]":
    """A receiver that has found the table empty."""
    task = asyncio.create_task(receiving)
    signal = hub._receiver._signals[queue]
    async with time_limit():
        while signal.has_unread or not signal._event._waiters:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0.001)  # The thread gets no time from a loop that never rests.
    return task


@pytest.mark.parametrize("method", ["send", "create_instance"])
async def test_a_message_of_a_cancelled_caller_is_received_at_once(hub: SqliteTaskHub, method: str) -> None:
    receiving = await waiting(hub, hub.next_control_messages(), schema.CONTROL)
    message = raised("a") if method == "send" else start_message("a")
    options = {} if method == "send" else {"dedupe_statuses": NON_RUNNING}
    await cancelled(hub, getattr(hub, method)(message, **options))
    async with time_limit(10):
        (received,) = await receiving
    assert received.message.id == message.id


async def test_messages_that_a_cancelled_caller_has_recalled_are_delivered(hub: SqliteTaskHub) -> None:
    await hub.send(raised("a", "One"))
    await hub.abandon(await receive(hub, 1), delay=600.0)
    receiving = await waiting(hub, hub.next_control_messages(), schema.CONTROL)
    await cancelled(hub, hub.recall("a"))
    async with time_limit(10):
        (received,) = await receiving
    assert (received.message.event.name, received.dequeue_count) == ("One", 2)


async def test_commits_of_one_turn_do_not_take_more_requests_than_may_be_held(
    hub: SqliteTaskHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "_MAX_REQUESTS", 80)
    names = [f"i{number}" for number in range(6)]
    for name in names:
        await create(hub, name)
    started = await receive(hub, 6)
    slot = await waiting(hub, hub.next_activities(1), schema.ACTIVITY)
    slot.cancel()
    await asyncio.wait([slot])
    calls: dict[str, list[TaskMessage]] = {
        one.message.target.instance_id: [activity(one.message.target, number) for number in range(16)]
        for one in started
    }
    episodes = [
        commit_of(
            one.message,
            first_episode(one.message, *(call.event for call in calls[one.message.target.instance_id])),
            [one],
            outbound=calls[one.message.target.instance_id],
        )
        for one in started
    ]
    await asyncio.gather(*(hub.commit(episode) for episode in episodes))
    assert len(hub._receiver._requests) == 16
    assert hub._receiver._reserved == 0
    received = [await receive_activity(hub) for _ in range(96)]
    assert {one.message.id for one in received} == {call.id for some in calls.values() for call in some}
    await hub.discard(received)


async def test_a_message_that_cannot_be_read_is_logged_once_even_if_its_transaction_is_repeated(
    hub: SqliteTaskHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    submit = hub._database.submit

    def fail(_: Connection) -> None:
        raise ValueError("no")

    def submit_with_a_failure(work: Any, **options: Any) -> Any:
        future = submit(work, **options)
        submit(fail).add_done_callback(lambda failed: failed.exception())
        return future

    await hub.send(raised("a", "bad"))
    with closing(sqlite3.connect(hub._database.path)) as connection, connection:
        connection.execute("UPDATE messages SET body = ?", (b"{broken",))
    await hub.send(raised("a", "good"))
    monkeypatch.setattr(hub._database, "submit", submit_with_a_failure)
    (received,) = await receive(hub, 1)
    assert received.message.event.name == "good"  # type: ignore[attr-defined]
    assert len([line for line in caplog.messages if "cannot be read" in line]) == 1


async def test_a_commit_that_cannot_be_submitted_keeps_no_room_for_its_activities(hub: SqliteTaskHub) -> None:
    await create(hub, "a")
    (start,) = await receive(hub, 1)
    slot = await waiting(hub, hub.next_activities(1), schema.ACTIVITY)
    slot.cancel()
    await asyncio.wait([slot])
    call = activity(start.message.target)
    episode = commit_of(start.message, first_episode(start.message, call.event), [start], outbound=[call])
    hub._database._closed = True
    with pytest.raises(TaskHubUnavailable):
        await hub.commit(episode)
    hub._database._closed = False
    assert hub._receiver._reserved == 0
