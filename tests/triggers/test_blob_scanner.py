"""The blob scanner and its receipts on a real blob service.

Source: docs/protocol/functions-host-blobs.md#scan-for-blobs, docs/protocol/functions-host-blobs.md#receipts
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from durable_host.bindings.blob_signals import BlobSignals
from durable_host.config.path_pattern import parse_path
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.storage import Conflict, StorageAccount, StorageUnavailable
from durable_host.storage.blobs import BlobProperties
from durable_host.timestamp import TICKS_PER_SECOND
from durable_host.triggers.blob.listing import OVERLAP, ContainerProgress
from durable_host.triggers.blob.message import BlobTriggerMessage, InvalidBlobMessage, from_text, to_text
from durable_host.triggers.blob.receipts import CONTAINER, BlobReceipts
from durable_host.triggers.blob.scanner import BlobScanner
from durable_host.triggers.blob.target import LOGS_AND_SCAN, BlobTarget

pytestmark = pytest.mark.timeout(60)


class Scanning:
    """Scanners over one fresh container, and the messages that they put."""

    def __init__(self, account: StorageAccount, box: str) -> None:
        self.account = account
        self.box = box
        self.host_id = f"h{uuid.uuid4().hex[:16]}"
        self.receipts = BlobReceipts(account.blobs, self.host_id)
        self.signals = BlobSignals()
        self.found: list[BlobTriggerMessage] = []
        self.refuse = False
        self._running: list[tuple[BlobScanner, asyncio.Task[None]]] = []

    def target(self, name: str, path: str, account: Any = None) -> BlobTarget:
        trigger = Binding("b", "blobTrigger", "in", {"path": path})
        function = FunctionMetadata(name=name, bindings=(trigger,))
        return BlobTarget(function, account or self.account, parse_path(path), LOGS_AND_SCAN)

    def start(self, *targets: BlobTarget, interval: float = 0.05) -> BlobScanner:
        scanner = BlobScanner(targets, self.receipts, self.enqueue, signals=self.signals, interval=interval)
        self._running.append((scanner, asyncio.create_task(scanner.listen())))
        return scanner

    async def enqueue(self, message: BlobTriggerMessage) -> None:
        if self.refuse:
            raise StorageUnavailable(0, "ConnectionRefused", "nobody there")
        self.found.append(message)

    async def stop(self) -> None:
        for scanner, task in self._running:
            scanner.stop()
            await task
        self._running.clear()

    @property
    def names(self) -> list[tuple[str, str]]:
        return sorted((message.function_id.rpartition(".")[2], message.name) for message in self.found)


@pytest.fixture
async def scanning(storage: StorageAccount) -> AsyncIterator[Scanning]:
    box = f"box{uuid.uuid4().hex[:16]}"
    await storage.blobs.create_container(box)
    await storage.blobs.create_container(CONTAINER)
    made = Scanning(storage, box)
    yield made
    await made.stop()
    await storage.blobs.delete_container(box)


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    while True:
        held = condition()
        if await held if not isinstance(held, bool) else held:
            return
        await asyncio.sleep(0.01)


async def test_every_matching_function_gets_a_message_and_a_receipt(scanning: Scanning) -> None:
    etag = await scanning.account.blobs.put(scanning.box, "a.txt", b"x")
    await scanning.account.blobs.put(scanning.box, "b.csv", b"x")
    scanning.start(
        scanning.target("one", f"{scanning.box}/{{n}}.txt"),
        scanning.target("two", scanning.box.upper()),
        scanning.target("none", f"{scanning.box}/{{n}}.TXT"),
    )
    await until(lambda: len(scanning.found) >= 3)
    await scanning.stop()
    assert scanning.names == [("one", "a.txt"), ("two", "a.txt"), ("two", "b.csv")]
    first = next(message for message in scanning.found if message.function_id == "Host.Functions.one")
    assert first == BlobTriggerMessage("Host.Functions.one", scanning.box, "a.txt", etag)
    receipt = f"blobreceipts/{scanning.host_id}/Host.Functions.one/{etag}/{scanning.box}/a.txt"
    properties = await scanning.account.blobs.head(CONTAINER, receipt)
    assert properties is not None
    assert properties.length == 0
    assert properties.metadata == {}
    assert properties.headers["x-ms-lease-status"] == "unlocked"


async def test_a_new_scanner_does_nothing_again_but_sees_new_versions(scanning: Scanning) -> None:
    target = scanning.target("one", scanning.box)
    await scanning.account.blobs.put(scanning.box, "a", b"1")
    await scanning.account.blobs.put(scanning.box, "b", b"1")
    scanning.start(target)
    await until(lambda: len(scanning.found) == 2)
    await scanning.stop()
    await scanning.account.blobs.put(scanning.box, "b", b"2")
    scanning.start(target)
    await until(lambda: len(scanning.found) >= 3)
    await scanning.account.blobs.put(scanning.box, "c", b"1")
    await until(lambda: len(scanning.found) >= 4)
    assert [message.name for message in scanning.found[2:]] == ["b", "c"]


async def test_deleting_a_receipt_has_the_blob_processed_again(scanning: Scanning) -> None:
    target = scanning.target("one", scanning.box)
    etag = await scanning.account.blobs.put(scanning.box, "a", b"1")
    scanning.start(target)
    await until(lambda: len(scanning.found) == 1)
    await scanning.stop()
    await scanning.account.blobs.delete(CONTAINER, scanning.receipts.name(target.id, etag, scanning.box, "a"))
    scanning.start(target)
    await until(lambda: len(scanning.found) == 2)


async def test_two_scanners_at_once_put_one_message(scanning: Scanning) -> None:
    target = scanning.target("one", scanning.box)
    for number in range(10):
        await scanning.account.blobs.put(scanning.box, str(number), b"1")
    for _ in range(3):
        scanning.start(target)
    await until(lambda: len(scanning.found) >= 10)
    for number in range(10, 15):
        await scanning.account.blobs.put(scanning.box, str(number), b"1")
    await until(lambda: len(scanning.found) >= 15)
    await scanning.stop()
    assert len(scanning.found) == 15


async def test_a_receipt_that_is_leased_by_another_host_is_tried_again(scanning: Scanning) -> None:
    target = scanning.target("one", scanning.box)
    etag = await scanning.account.blobs.put(scanning.box, "a", b"1")
    receipt = scanning.receipts.name(target.id, etag, scanning.box, "a")
    await scanning.account.blobs.put(CONTAINER, receipt, b"", metadata={"Incomplete": "Incomplete"})
    lease = await scanning.account.blobs.acquire_lease(CONTAINER, receipt, 60)
    scanning.start(target)
    await scanning.account.blobs.put(scanning.box, "b", b"1")
    await until(lambda: len(scanning.found) == 1)
    assert scanning.found[0].name == "b"
    await scanning.account.blobs.release_lease(CONTAINER, receipt, lease)
    await until(lambda: len(scanning.found) == 2)
    assert scanning.found[1].name == "a"


async def test_a_local_write_is_seen_without_a_scan(scanning: Scanning) -> None:
    target = scanning.target("one", scanning.box)
    await scanning.account.blobs.put(scanning.box, "first", b"1")
    scanning.start(target, interval=3600)
    await until(lambda: len(scanning.found) == 1)
    await scanning.account.blobs.put(scanning.box, "second", b"1")
    scanning.signals.notify(target.endpoint, scanning.box, "second")
    scanning.signals.notify(target.endpoint, scanning.box, "gone already")
    scanning.signals.notify(target.endpoint, "another-box", "x")
    await until(lambda: len(scanning.found) == 2)
    assert scanning.found[1].name == "second"


async def test_a_message_that_cannot_be_put_is_put_later(scanning: Scanning, caplog: pytest.LogCaptureFixture) -> None:
    scanning.refuse = True
    await scanning.account.blobs.put(scanning.box, "a", b"1")
    scanning.start(scanning.target("one", scanning.box))
    await until(lambda: "The scan for new blobs failed" in caplog.text)
    scanning.refuse = False
    await until(lambda: len(scanning.found) == 1)
    await until(lambda: "The scan for new blobs works again." in caplog.text)
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 2


async def test_one_container_that_cannot_be_read_does_not_stop_the_others(scanning: Scanning) -> None:
    class Refusing:
        def list(self, container: str) -> Any:
            raise StorageUnavailable(0, "ConnectionRefused", "nobody there")

    broken = SimpleNamespace(blobs=Refusing(), connection=SimpleNamespace(blob_endpoint="http://x", account_name="x"))
    await scanning.account.blobs.put(scanning.box, "a", b"1")
    scanning.start(scanning.target("bad", "some-box", broken), scanning.target("good", scanning.box))
    await until(lambda: len(scanning.found) == 1)


class OneRefused:
    """The account's blobs, of which one must not be looked at."""

    def __init__(self, account: StorageAccount, name: str) -> None:
        self._blobs, self._name = account.blobs, name

    def __getattr__(self, name: str) -> object:
        return getattr(self._blobs, name)

    async def head(self, container: str, name: str) -> BlobProperties | None:
        if name == self._name:
            raise Conflict(409, "BlobUsesCustomerSpecifiedEncryption", "encrypted with a key of the customer")
        return await self._blobs.head(container, name)


async def test_a_blob_that_cannot_be_looked_at_does_not_stop_the_others(
    scanning: Scanning, caplog: pytest.LogCaptureFixture
) -> None:
    account = SimpleNamespace(blobs=OneRefused(scanning.account, "a"), connection=scanning.account.connection)
    names = ["a", *(f"b{number:02}" for number in range(20))]
    for name in names:
        await scanning.account.blobs.put(scanning.box, name, b"1")
    scanner = scanning.start(scanning.target("one", scanning.box, account))
    await until(lambda: len(scanning.found) == 20)
    scanner.notify(next(iter(scanner.endpoints)), scanning.box, "a")
    await scanning.account.blobs.put(scanning.box, "c", b"1")
    await until(lambda: len(scanning.found) == 21)
    assert scanning.names == [("one", name) for name in (*names[1:], "c")]
    assert caplog.text.count("encrypted with a key of the customer") == 1


async def test_a_name_too_long_for_a_receipt_is_reported_and_passed_over(
    scanning: Scanning, caplog: pytest.LogCaptureFixture
) -> None:
    await scanning.account.blobs.put(scanning.box, "n" * 1000, b"1")
    await scanning.account.blobs.put(scanning.box, "z", b"1")
    scanning.start(scanning.target("one", scanning.box))
    await until(lambda: any(message.name == "z" for message in scanning.found))
    await until(lambda: len(scanning.found) == 2 or "cannot trigger 'one'" in caplog.text)


def blob(name: str, seconds: int, etag: str = "1") -> BlobProperties:
    return BlobProperties(name, etag, seconds * TICKS_PER_SECOND, 0, None, None, None, "BlockBlob", 0, {}, {})


def test_the_last_seconds_of_a_listing_are_looked_at_again() -> None:
    progress = ContainerProgress()
    assert progress.is_new(blob("a", 100))
    progress.done(blob("a", 100))
    progress.advance(100 * TICKS_PER_SECOND)
    assert not progress.is_new(blob("a", 100))
    assert progress.is_new(blob("a", 100, "2"))
    assert progress.is_new(blob("late", 99))
    assert not progress.is_new(blob("old", 100 - OVERLAP // TICKS_PER_SECOND - 1))


def test_what_was_seen_long_ago_is_forgotten() -> None:
    progress = ContainerProgress()
    for second in range(100, 400):
        progress.done(blob(str(second), second))
        progress.advance(second * TICKS_PER_SECOND)
    assert len(progress._recent) == OVERLAP // TICKS_PER_SECOND + 1


def test_the_message_is_the_one_of_the_reference() -> None:
    message = BlobTriggerMessage("Host.Functions.b", "c", "a.txt", '"0x8DC6A1F2B3C4D5E"')
    text = (
        '{\n  "Type": "BlobTrigger",\n  "FunctionId": "Host.Functions.b",\n  "BlobType": "BlockBlob",\n'
        '  "ContainerName": "c",\n  "BlobName": "a.txt",\n  "ETag": "\\"0x8DC6A1F2B3C4D5E\\""\n}'
    )
    assert to_text(message) == text
    assert from_text(text.encode()) == message


@pytest.mark.parametrize("text", ["", "garbage", "[]", "{}", '{"FunctionId": "f"}', '{"FunctionId": 1}', b"\xff"])
def test_what_is_not_a_message_is_recognized(text: str | bytes) -> None:
    with pytest.raises(InvalidBlobMessage):
        from_text(text)
