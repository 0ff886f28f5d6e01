"""The lease of a listener on a real blob service.

Source: docs/protocol/functions-host-timers.md#timer-lock, docs/protocol/functions-host.md#leases
"""

import asyncio
import logging
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from durable_host.storage import StorageAccount, StorageUnavailable
from durable_host.triggers import listener_lock
from durable_host.triggers.listener_lock import CONTAINER, ListenerLock
from durable_host.triggers.local_owner import LocalOwner, owner_of, this_machine, this_owner

NAME = "Host.Functions.f.Listener"


@pytest.fixture
def host_id() -> str:
    return uuid.uuid4().hex[:16]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RENEW_SECONDS", "RETRY_SECONDS", "OUTAGE_SECONDS"):
        monkeypatch.setattr(listener_lock, name, 0.05)


@pytest.fixture
def dead_process() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


class Keeping:
    """Locks that are kept in the background until the test ends."""

    def __init__(self, storage: StorageAccount, host_id: str) -> None:
        self._storage = storage
        self._host_id = host_id
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, service: Any = None) -> ListenerLock:
        lock = ListenerLock(service or self._storage.blobs, self._host_id, NAME, instance_id="I")
        self._tasks.append(asyncio.create_task(lock.keep()))
        return lock

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def keeping(storage: StorageAccount, host_id: str) -> AsyncIterator[Keeping]:
    kept = Keeping(storage, host_id)
    yield kept
    await kept.stop()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_free_lock_is_ours_and_marked(storage: StorageAccount, keeping: Keeping, host_id: str) -> None:
    lock = keeping.start()
    await lock.allowed.wait()
    assert lock.is_held

    async def mark() -> dict[str, str]:
        properties = await storage.blobs.head(CONTAINER, f"locks/{host_id}/{NAME}")
        return {} if properties is None else {key.lower(): value for key, value in properties.metadata.items()}

    while "functioninstance" not in (found := await mark()):
        pass
    assert found["functioninstance"] == "I"
    owner = owner_of(found)
    assert owner is not None
    assert not owner.is_dead


@pytest.mark.usefixtures("quick")
async def test_a_second_host_waits_until_the_first_lets_go(keeping: Keeping, caplog: pytest.LogCaptureFixture) -> None:
    first = keeping.start()
    await first.allowed.wait()
    second = keeping.start()
    await until(lambda: "this one waits for it" in caplog.text)
    assert not second.allowed.is_set()
    keeping._tasks[0].cancel()
    await asyncio.gather(keeping._tasks[0], return_exceptions=True)
    await first.release()
    assert not first.allowed.is_set()
    await second.allowed.wait()
    assert second.is_held


@pytest.mark.usefixtures("quick")
async def test_the_lease_of_a_dead_process_is_taken_over(
    storage: StorageAccount, keeping: Keeping, host_id: str, dead_process: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "Host.Triggers")
    await leave(storage, host_id, LocalOwner(this_machine(), dead_process, "1", str(uuid.uuid4())))
    lock = keeping.start()
    await lock.allowed.wait()
    assert lock.is_held
    assert f"was held by process {dead_process}, which has died" in caplog.text


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["other machine", "this process", "unmarked"])
async def test_the_lease_of_anybody_else_is_respected(
    storage: StorageAccount, keeping: Keeping, host_id: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    lease = str(uuid.uuid4())
    owner = {"other machine": LocalOwner("elsewhere", 1, "", lease), "this process": this_owner(lease)}.get(kind)
    await leave(storage, host_id, owner, lease)
    lock = keeping.start()
    await until(lambda: "this one waits for it" in caplog.text)
    assert not lock.allowed.is_set()
    await storage.blobs.release_lease(CONTAINER, f"locks/{host_id}/{NAME}", lease)
    await lock.allowed.wait()


async def leave(storage: StorageAccount, host_id: str, owner: LocalOwner | None, lease: str = "") -> None:
    """A lease as another process would have left it."""
    name = f"locks/{host_id}/{NAME}"
    await storage.blobs.create_container(CONTAINER)
    await storage.blobs.put(CONTAINER, name, b"")
    lease_id = owner.lease_id if owner is not None else lease
    await storage.blobs.acquire_lease(CONTAINER, name, 60, lease_id)
    if owner is not None:
        await storage.blobs.set_metadata(CONTAINER, name, owner.metadata(), lease_id=lease_id)


def test_a_process_id_that_was_used_again_is_another_process() -> None:
    ours = this_owner("lease")
    assert not ours.is_dead
    assert LocalOwner(ours.machine, ours.process, "0", "lease").is_dead is bool(ours.began)


class Down:
    """A blob service that does not answer while `down`."""

    def __init__(self, storage: StorageAccount) -> None:
        self._blobs = storage.blobs
        self.down = True

    def __getattr__(self, name: str) -> object:
        if self.down:
            raise StorageUnavailable(0, "ConnectionRefused", "nobody there")
        return getattr(self._blobs, name)


@pytest.mark.usefixtures("quick")
async def test_without_storage_the_listener_may_run_and_the_lock_comes_later(
    storage: StorageAccount, keeping: Keeping, caplog: pytest.LogCaptureFixture
) -> None:
    service = Down(storage)
    lock = keeping.start(service)
    await lock.allowed.wait()
    assert not lock.is_held
    service.down = False
    await until(lambda: lock.is_held and "works again" in caplog.text)
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 2


@pytest.mark.usefixtures("quick")
async def test_a_lease_that_was_broken_is_got_back(storage: StorageAccount, keeping: Keeping, host_id: str) -> None:
    lock = keeping.start()
    await lock.allowed.wait()
    held = lock._lease
    await storage.blobs.break_lease(CONTAINER, f"locks/{host_id}/{NAME}")
    await until(lambda: lock._lease not in (None, held))
    assert lock.allowed.is_set()
