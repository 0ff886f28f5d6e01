"""Leases on queue messages: when they are renewed, how they end, and what happens if one is lost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, cast

import pytest

from durable_host.storage import (
    HoldTimes,
    InvalidRequest,
    LeasedMessage,
    MessageLeases,
    NotFound,
    PutMessage,
    QueueService,
    StorageUnavailable,
)

_LOG = logging.getLogger("test")
_GONE = NotFound(404, "MessageNotFound", "no such message")
_MISMATCH = InvalidRequest(400, "PopReceiptMismatch", "another receipt")
_SILENT = StorageUnavailable(0, "ConnectionRefused", "nobody there")


class ScriptedQueues:
    """Answers each change with a new receipt, or with the next error of `errors`. `calls`: method, receipt, seconds."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, float | None]] = []
        self.errors: list[Exception | None] = []
        self.on_call: Callable[[], None] = lambda: None
        self._receipts = (f"r{number}" for number in count(2))

    async def update(self, queue: str, id: str, receipt: str, seconds: float) -> tuple[str, int]:
        await self._answer("update", receipt, seconds)
        return next(self._receipts), 0

    async def delete(self, queue: str, id: str, receipt: str) -> None:
        await self._answer("delete", receipt, None)

    async def _answer(self, method: str, receipt: str, seconds: float | None) -> None:
        self.calls.append((method, receipt, seconds))
        self.on_call()
        await asyncio.sleep(0)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error


class Clock:
    """`time.monotonic`, for the leases only. Their waits end when it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def queues() -> ScriptedQueues:
    return ScriptedQueues()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("leased_message", "message_leases"):
        monkeypatch.setattr(f"durable_host.storage.{module}.time", clock)
    return clock


def opened(queues: ScriptedQueues, first: float, longest: float) -> MessageLeases:
    return MessageLeases(cast("QueueService", queues), HoldTimes(first, longest), _LOG)


def leased(hidden: float, id: str = "m") -> LeasedMessage:
    return LeasedMessage("q", PutMessage(id, "r1", 0, 0), hidden)


async def renew_when_due(leases: MessageLeases, clock: Clock, message: LeasedMessage, times: int) -> list[float]:
    """The seconds until each of the next renewals."""
    pauses: list[float] = []
    for _ in range(times):
        pauses.append(message.renew_at - clock.now)
        clock.now = message.renew_at
        await leases.renew_next()
    return pauses


@pytest.mark.parametrize(
    ("first", "longest", "holds", "pauses"),
    [
        (2.0, 30.0, [4.0, 8.0, 16.0, 30.0, 30.0], [1.0, 2.0, 4.0, 8.0, 15.0]),
        (600.0, 600.0, [600.0] * 3, [300.0] * 3),
        (1.0, 1.0, [1.0] * 3, [0.5] * 3),
    ],
    ids=["doubling", "fixed", "fixed and short"],
)
async def test_a_message_is_hidden_again_when_half_of_its_time_is_over(
    queues: ScriptedQueues, clock: Clock, first: float, longest: float, holds: list[float], pauses: list[float]
) -> None:
    leases, message = opened(queues, first, longest), leased(first)
    leases.keep(message)
    assert await renew_when_due(leases, clock, message, len(holds)) == pytest.approx(pauses)
    assert [seconds for _, _, seconds in queues.calls] == holds
    assert [receipt for _, receipt, _ in queues.calls] == [f"r{number}" for number in range(1, len(holds) + 1)]


async def test_a_message_is_hidden_for_longer_at_first_when_many_are_held(queues: ScriptedQueues, clock: Clock) -> None:
    leases = opened(queues, 2.0, 30.0)
    for number in range(500):
        leases.keep(leased(2.0, str(number)))
    assert leases.first_hold == 10.0


@pytest.mark.parametrize(("first", "longest", "hold"), [(2.0, 30.0, 4.0), (30.0, 30.0, 30.0), (600.0, 600.0, 600.0)])
async def test_a_renewal_that_fails_is_tried_again_before_the_message_is_visible(
    queues: ScriptedQueues, clock: Clock, first: float, longest: float, hold: float
) -> None:
    queues.errors = [_SILENT, None]
    leases, message = opened(queues, first, longest), leased(first)
    visible = message.hidden_until
    leases.keep(message)
    await renew_when_due(leases, clock, message, 2)
    assert clock.now < visible
    assert message.hidden_until == clock.now + hold


@pytest.mark.parametrize("answer", [_GONE, _MISMATCH], ids=["gone", "another receipt"])
async def test_a_lost_message_is_not_renewed_until_its_queue_delivers_it_again(
    queues: ScriptedQueues, clock: Clock, answer: Exception
) -> None:
    queues.errors = [answer]
    leases, message = opened(queues, 2.0, 30.0), leased(2.0)
    leases.keep(message)
    clock.now = message.renew_at
    await leases.renew_next()
    assert message.is_lost
    message.received_again("fresh", 2.0)
    leases.keep(message)
    assert not message.is_lost
    clock.now = message.renew_at
    await leases.renew_next()
    assert [receipt for _, receipt, _ in queues.calls] == ["r1", "fresh"]


async def test_a_released_message_is_not_hidden_again(queues: ScriptedQueues, clock: Clock) -> None:
    leases, message = opened(queues, 2.0, 30.0), leased(2.0)
    leases.keep(message)
    assert await leases.release(message, 7.0)
    clock.now = message.renew_at
    leases.keep(leased(-1.0, "other"))
    clock.now += 1.0
    await leases.renew_next()
    assert [(method, seconds) for method, _, seconds in queues.calls] == [("update", 7.0), ("update", 2.0)]


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_a_delete_ends_the_renewals(queues: ScriptedQueues, clock: Clock, is_deleted: bool) -> None:
    queues.errors = [None if is_deleted else _GONE]
    leases, message = opened(queues, 2.0, 30.0), leased(2.0)
    leases.keep(message)
    assert await leases.delete(message) is is_deleted
    assert message.is_lost is not is_deleted
    assert leases.first_hold == 2.0
    assert not leases._kept


async def test_a_message_whose_delete_fails_stays_hidden(queues: ScriptedQueues, clock: Clock) -> None:
    queues.errors = [_SILENT]
    leases, message = opened(queues, 2.0, 30.0), leased(2.0)
    leases.keep(message)
    with pytest.raises(StorageUnavailable):
        await leases.delete(message)
    clock.now = message.renew_at
    await leases.renew_next()
    assert [method for method, _, _ in queues.calls] == ["delete", "update"]


@pytest.mark.parametrize("change", ["delete", "hide"])
async def test_a_change_that_meets_a_new_receipt_is_made_with_that_one(
    queues: ScriptedQueues, clock: Clock, change: str
) -> None:
    """The queue delivers the message again while the change is on its way."""
    leases, message = opened(queues, 2.0, 30.0), leased(2.0)
    queues.errors = [_MISMATCH]

    def deliver_again() -> None:
        queues.on_call = lambda: None
        message.received_again("newer", 2.0)

    queues.on_call = deliver_again
    changed: Any = leases.delete(message) if change == "delete" else leases.hide(message, 5.0)
    assert await changed
    assert [receipt for _, receipt, _ in queues.calls] == ["r1", "newer"]


@asynccontextmanager
async def renewing(leases: MessageLeases) -> AsyncIterator[None]:
    task = asyncio.create_task(leases.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_change_waits_for_the_renewal_under_way_and_has_its_receipt(
    queues: ScriptedQueues, clock: Clock
) -> None:
    leases, message = opened(queues, 2.0, 30.0), leased(2.0)
    begun = asyncio.Event()
    queues.on_call = begun.set
    leases.keep(message)
    clock.now = message.renew_at
    async with renewing(leases):
        await begun.wait()
        await leases.delete(message)
    assert queues.calls == [("update", "r1", 4.0), ("delete", "r2", None)]


async def test_messages_that_are_settled_early_leave_nothing_behind(queues: ScriptedQueues, clock: Clock) -> None:
    leases = opened(queues, 600.0, 600.0)
    for number in range(1000):
        message = leased(600.0, str(number))
        leases.keep(message)
        await leases.delete(message)
    assert len(leases._planned) < 100
