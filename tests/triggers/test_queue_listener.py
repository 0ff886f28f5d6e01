"""The queue listener on a real queue service.

Source: docs/protocol/functions-host-queues.md#polling, docs/protocol/functions-host-queues.md#outcomes
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from durable_host.bindings.queue_signals import QueueSignals
from durable_host.config.extensions import QueueOptions
from durable_host.storage import AccessDenied, NotFound, PollBackoff, QueueMessage, StorageAccount, StorageUnavailable
from durable_host.triggers.queue.listener import QueueListener

pytestmark = pytest.mark.timeout(60)

Run = Callable[[QueueMessage, bytes], Awaitable[None]]


class Listening:
    """Starts listeners on one fresh queue and stops them at the end."""

    def __init__(self, account: StorageAccount, queue: str) -> None:
        self.account = account
        self.queues = account.queues
        self.queue = queue
        self.signals = QueueSignals()
        self._listeners: list[tuple[QueueListener, asyncio.Task[None]]] = []

    def start(self, run: Run, *, hold: float = 30.0, service: Any = None, **options: object) -> QueueListener:
        settings = QueueOptions(**{"message_encoding": "none", **options})
        listener = QueueListener(
            queue=self.queue, account="a", service=service or self.queues, options=settings, signals=self.signals,
            run=run, hold=hold,
        )  # fmt: skip
        self._listeners.append((listener, asyncio.create_task(listener.listen())))
        return listener

    async def stop(self) -> None:
        for listener, task in self._listeners:
            listener.stop()
            await task
        self._listeners.clear()

    async def texts(self, queue: str) -> list[str]:
        return [message.text for message in await self.queues.peek(queue)]


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Wait for a condition; the test's own time-out is the limit."""
    while True:
        held = condition()
        if await held if asyncio.iscoroutine(held) else held:
            return
        await asyncio.sleep(0.02)


@pytest.fixture
async def listening(storage: StorageAccount) -> AsyncIterator[Listening]:
    queue = f"q{uuid.uuid4().hex[:20]}"
    await storage.queues.create(queue)
    opened = Listening(storage, queue)
    yield opened
    await opened.stop()
    await storage.queues.delete_queue(queue)
    await storage.queues.delete_queue(queue + "-poison")


async def test_each_message_runs_once_and_is_deleted(listening: Listening) -> None:
    seen: list[bytes] = []

    async def run(message: QueueMessage, content: bytes) -> None:
        seen.append(content)

    for number in range(50):
        await listening.queues.put(listening.queue, f"m{number}")
    listening.start(run)
    await until(lambda: len(seen) >= 50)
    await listening.stop()
    assert sorted(seen) == sorted(f"m{number}".encode() for number in range(50))
    assert await listening.queues.message_count(listening.queue) == 0


async def test_a_failing_message_runs_five_times_and_is_moved_unchanged(listening: Listening) -> None:
    counts: list[int] = []

    async def run(message: QueueMessage, content: bytes) -> None:
        counts.append(message.dequeue_count)
        raise ValueError("no")

    await listening.queues.put(listening.queue, "poor <&> message")
    listening.start(run)
    await until(lambda: len(counts) >= 5)
    await listening.stop()
    assert counts == [1, 2, 3, 4, 5]
    assert await listening.texts(listening.queue + "-poison") == ["poor <&> message"]
    assert await listening.queues.message_count(listening.queue) == 0


async def test_a_message_that_is_not_base64_goes_to_poison_without_running(
    listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    async def run(message: QueueMessage, content: bytes) -> None:
        raise AssertionError("must not run")

    await listening.queues.put(listening.queue, "hello")
    listening.start(run, message_encoding="base64")

    async def moved() -> bool:
        try:
            return await listening.texts(listening.queue + "-poison") == ["hello"]
        except NotFound:
            return False

    await until(moved)
    assert "Message decoding has failed! Check MessageEncoding settings." in caplog.text
    assert '"messageEncoding": "none"' in caplog.text


async def test_no_more_than_batch_and_threshold_run_at_a_time(listening: Listening) -> None:
    running, most, done = 0, 0, 0

    async def run(message: QueueMessage, content: bytes) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1
        done += 1

    for number in range(20):
        await listening.queues.put(listening.queue, str(number))
    listening.start(run, batch_size=2, new_batch_threshold=1)
    await until(lambda: done == 20)
    assert most == 3


async def test_a_long_run_keeps_its_message(listening: Listening) -> None:
    runs = 0
    finish = asyncio.Event()

    async def run(message: QueueMessage, content: bytes) -> None:
        nonlocal runs
        runs += 1
        await finish.wait()

    await listening.queues.put(listening.queue, "long")
    first = await listening.queues.peek(listening.queue)
    listening.start(run, hold=2.0, max_polling_interval=0.2)
    await until(lambda: runs == 1)
    deadline = asyncio.get_running_loop().time() + 4.5
    await until(lambda: runs > 1 or asyncio.get_running_loop().time() > deadline)
    finish.set()
    await listening.stop()
    assert len(first) == 1
    assert runs == 1
    assert await listening.queues.message_count(listening.queue) == 0


async def test_a_local_write_is_received_without_waiting_for_the_poll(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, seen = asyncio.Event(), asyncio.Event()

    def very_long(_: PollBackoff) -> float:
        waiting.set()
        return 3600.0

    async def run(message: QueueMessage, content: bytes) -> None:
        seen.set()

    monkeypatch.setattr(PollBackoff, "after_empty_poll", very_long)
    listening.start(run)
    await waiting.wait()
    await listening.queues.put(listening.queue, "here")
    listening.signals.notify("a", listening.queue)
    await seen.wait()


class Flaky:
    """A queue service that does not answer while `down`."""

    def __init__(self, account: StorageAccount) -> None:
        self._queues = account.queues
        self.down = True
        self.refused = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._queues, name)

    async def get(self, queue: str, count: int, visibility: float) -> list[QueueMessage]:
        self._check()
        return await self._queues.get(queue, count, visibility)

    async def delete(self, queue: str, id: str, pop_receipt: str) -> None:
        self._check()
        await self._queues.delete(queue, id, pop_receipt)

    def _check(self) -> None:
        if self.down:
            self.refused += 1
            raise StorageUnavailable(0, "ConnectionRefused", "nobody there")


async def test_an_outage_is_warned_of_once_and_survived(listening: Listening, caplog: pytest.LogCaptureFixture) -> None:
    service = Flaky(listening.account)
    seen = asyncio.Event()

    async def run(message: QueueMessage, content: bytes) -> None:
        seen.set()

    await listening.queues.put(listening.queue, "patient")
    listening.start(run, service=service)
    await until(lambda: service.refused >= 3)
    service.down = False
    await seen.wait()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "is being retried" in warnings[0]
    assert "answers again" in warnings[1]


async def test_a_finished_message_that_could_not_be_deleted_does_not_run_again(listening: Listening) -> None:
    service = Flaky(listening.account)
    service.down = False
    runs = 0

    async def run(message: QueueMessage, content: bytes) -> None:
        nonlocal runs
        runs += 1
        service.down = True

    await listening.queues.put(listening.queue, "once")
    listening.start(run, service=service, hold=1.0, max_polling_interval=0.2)
    await until(lambda: service.refused >= 6)
    service.down = False

    async def gone() -> bool:
        return await listening.queues.message_count(listening.queue) == 0

    await until(gone)
    assert runs == 1


class Guarded(Flaky):
    """Lets nobody put a message until `down` is false."""

    async def get(self, queue: str, count: int, visibility: float) -> list[QueueMessage]:
        return await self._queues.get(queue, count, visibility)

    async def put(self, queue: str, text: str) -> object:
        if self.down:
            self.refused += 1
            raise AccessDenied(403, "AuthorizationFailure", "not with this signature")
        return await self._queues.put(queue, text)


async def test_a_message_that_must_not_be_moved_is_warned_of_once_and_moved_later(
    listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    async def run(message: QueueMessage, content: bytes) -> None:
        raise ValueError("no")

    service = Guarded(listening.account)
    await listening.queues.put(listening.queue, "kept")
    listening.start(run, service=service, max_dequeue_count=1)
    await until(lambda: service.refused >= 2)
    warnings = [record.getMessage() for record in caplog.records if "cannot be moved to" in record.getMessage()]
    assert len(warnings) == 1
    assert warnings[0].endswith(": not with this signature (AuthorizationFailure, HTTP 403)")
    assert await listening.queues.message_count(listening.queue) == 1
    service.down = False
    await listening.stop()
    assert await listening.texts(listening.queue + "-poison") == ["kept"]


async def test_a_queue_that_does_not_exist_yet_is_waited_for_in_silence(
    listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    seen = asyncio.Event()

    async def run(message: QueueMessage, content: bytes) -> None:
        seen.set()

    await listening.queues.delete_queue(listening.queue)
    listening.start(run, max_polling_interval=0.1)
    await listening.queues.create(listening.queue)
    await listening.queues.put(listening.queue, "first")
    await seen.wait()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_stopping_lets_running_messages_finish(listening: Listening) -> None:
    started, finish, finished = asyncio.Event(), asyncio.Event(), []

    async def run(message: QueueMessage, content: bytes) -> None:
        started.set()
        await finish.wait()
        finished.append(content)

    await listening.queues.put(listening.queue, "draining")
    listener = listening.start(run)
    await started.wait()
    listener.stop()
    finish.set()
    await listening.stop()
    assert finished == [b"draining"]
    assert await listening.queues.message_count(listening.queue) == 0


async def test_a_message_that_comes_when_the_host_stops_is_visible_at_once(listening: Listening) -> None:
    class Late(Flaky):
        async def get(self, queue: str, count: int, visibility: float) -> list[QueueMessage]:
            messages = await self._queues.get(queue, count, visibility)
            if messages:
                listener.stop()
                received.set()
            return messages

    async def run(message: QueueMessage, content: bytes) -> None:
        raise AssertionError("must not run")

    received = asyncio.Event()
    await listening.queues.put(listening.queue, "next time")
    service = Late(listening.account)
    service.down = False
    listener = listening.start(run, service=service, visibility_timeout=600.0)
    await received.wait()
    await listening.stop()
    assert await listening.texts(listening.queue) == ["next time"]


async def test_a_hard_stop_makes_the_message_visible_at_once(listening: Listening) -> None:
    started = asyncio.Event()

    async def run(message: QueueMessage, content: bytes) -> None:
        started.set()
        await asyncio.Event().wait()

    await listening.queues.put(listening.queue, "cut off")
    listening.start(run)
    await started.wait()
    _, task = listening._listeners.pop()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await listening.texts(listening.queue) == ["cut off"]
