"""Scans the containers of all blob triggers for new blobs.

There is one scanner per host. Another host of the same app waits for its lease.

Source: docs/protocol/functions-host-blobs.md#scan-for-blobs
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial

from durable_host.bindings.blob_signals import BlobSignals
from durable_host.storage.blobs import BlobProperties
from durable_host.storage.errors import InvalidRequest, NotFound, StorageError, StorageUnavailable
from durable_host.triggers.blob.listing import ContainerProgress
from durable_host.triggers.blob.message import BlobTriggerMessage
from durable_host.triggers.blob.receipts import BlobReceipts
from durable_host.triggers.blob.target import BlobTarget
from durable_host.triggers.listener_lock import ListenerLock
from durable_host.waiting import first_of

_log = logging.getLogger("Host.Triggers.Blob")

AT_A_TIME = 8
_SHARE_OF_TIME = 4
"""After a slow scan, the pause is this many times as long as the scan, so that storage has time for other requests."""

Key = tuple[str, str]
"""The blob endpoint of an account, and a container."""


class BlobScanner:
    """Scans for new blobs. `enqueue` puts the internal message; `interval` is the pause between scans in seconds."""

    def __init__(
        self,
        targets: Iterable[BlobTarget],
        receipts: BlobReceipts,
        enqueue: Callable[[BlobTriggerMessage], Awaitable[None]],
        *,
        lock: ListenerLock | None = None,
        signals: BlobSignals | None = None,
        interval: float = 2.0,
    ) -> None:
        self._targets: dict[Key, list[BlobTarget]] = {}
        for target in targets:
            self._targets.setdefault((target.endpoint, target.container), []).append(target)
        self._receipts = receipts
        self._enqueue = enqueue
        self._lock = lock
        self._signals = signals or BlobSignals()
        self._interval = interval
        self._progress = {key: ContainerProgress() for key in self._targets}
        self._known: set[str] | None = None
        self._pending: dict[tuple[Key, str], None] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._in_trouble = False
        self._is_checking = False

    @property
    def is_busy(self) -> bool:
        """Whether blobs wait to be checked, or are being checked."""
        return bool(self._pending) or self._is_checking

    async def check_all(self) -> None:
        """Check all blobs soon: another process may have written some. Raises StorageError."""
        for key, targets in self._targets.items():
            with suppress(NotFound):
                async for blob in targets[0].account.blobs.list(key[1]):
                    self.notify(key[0], key[1], blob.name)

    @property
    def endpoints(self) -> set[str]:
        """The blob endpoints of the accounts that are scanned."""
        return {endpoint for endpoint, _ in self._targets}

    async def listen(self) -> None:
        """Scan until `stop`."""
        lock = self._lock
        keeping = asyncio.create_task(lock.keep()) if lock is not None else None
        subscribed = {endpoint: partial(self.notify, endpoint) for endpoint in self.endpoints}
        for endpoint, notified in subscribed.items():
            self._signals.subscribe(endpoint, notified)
        try:
            await self._scan_until_stop()
        finally:
            for endpoint, notified in subscribed.items():
                self._signals.unsubscribe(endpoint, notified)
            if lock is not None and keeping is not None:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
                await lock.release()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def notify(self, endpoint: str, container: str, name: str) -> None:
        """Check this blob now: it was just written, or has changed since it was found."""
        key = (endpoint, container.lower())
        if key in self._targets:
            self._pending[key, name] = None
            self._wake.set()

    async def _scan_until_stop(self) -> None:
        clock = asyncio.get_running_loop()
        scan_at = clock.time()
        while not self._stopping:
            self._wake.clear()
            began = clock.time()
            if self._may_scan:
                try:
                    failure = await self._check_pending()
                    if began >= scan_at:
                        await self._scan()
                        scan_at = clock.time() + max(self._interval, _SHARE_OF_TIME * (clock.time() - began))
                    if failure is not None:
                        raise failure
                    self._recovered()
                except StorageError as error:
                    self._warn(error)
                    scan_at = clock.time() + self._interval
            if self._may_scan:
                await self._signals.wait(
                    self._wake, max(0.05, scan_at - clock.time()), retries=self._in_trouble or bool(self._pending)
                )
            else:
                await self._until_allowed()

    @property
    def _may_scan(self) -> bool:
        return self._lock is None or self._lock.allowed.is_set()

    async def _until_allowed(self) -> None:
        """Wait until this host may scan, or until something else happens."""
        assert self._lock is not None
        await first_of(self._lock.allowed.wait(), self._wake.wait())

    async def _check_pending(self) -> StorageError | None:
        """Check pending blobs. Returns the error of a blob that could not be checked; it stays pending."""
        pending, self._pending = self._pending, {}
        failure: StorageError | None = None
        self._is_checking = True
        try:
            for key, name in list(pending):
                try:
                    if await self._hand_over(key, name):
                        del pending[key, name]
                except StorageUnavailable as error:
                    return error
                except StorageError as error:
                    failure = error
        finally:
            self._pending = {**pending, **self._pending}
            self._is_checking = False
        return failure

    async def _scan(self) -> None:
        """List every container once. Raises StorageError if a container could not be read."""
        if self._known is None:
            known: set[str] = set()
            for target in (target for targets in self._targets.values() for target in targets):
                known |= await self._receipts.complete(target.id)
            self._known = known
        failure: StorageError | None = None
        for key in self._targets:
            try:
                await self._scan_container(key)
            except NotFound:
                continue
            except StorageError as error:
                failure = error
        if failure is not None:
            raise failure
        self._known = set()

    async def _scan_container(self, key: Key) -> None:
        progress = self._progress[key]
        blobs = self._targets[key][0].account.blobs
        latest, found = 0, list[BlobProperties]()
        failure: StorageError | None = None
        async for blob in blobs.list(key[1]):
            latest = max(latest, blob.last_modified)
            if progress.is_new(blob):
                found.append(blob)
        for start in range(0, len(found), AT_A_TIME):
            if self._stopping:
                return
            examined = await asyncio.gather(
                *(self._examine(key, blob) for blob in found[start : start + AT_A_TIME]), return_exceptions=True
            )
            for outcome in examined:
                if isinstance(outcome, StorageError) and not isinstance(outcome, StorageUnavailable):
                    failure = outcome
                elif outcome is not None:
                    raise outcome
        if failure is not None:
            raise failure
        progress.advance(latest)

    async def _examine(self, key: Key, blob: BlobProperties) -> None:
        unknown = [
            target
            for target in self._matching(key, blob.name)
            if self._receipts.name(target.id, blob.etag, key[1], blob.name) not in (self._known or ())
        ]
        if unknown and not await self._hand_over(key, blob.name):
            self._pending[key, blob.name] = None
        self._progress[key].done(blob)

    async def _hand_over(self, key: Key, name: str) -> bool:
        """Hand the blob to every matching function. False if this must be retried."""
        targets = self._matching(key, name)
        if not targets:
            return True
        properties = await targets[0].account.blobs.head(key[1], name)
        if properties is None:
            return True
        done = True
        for target in targets:
            message = BlobTriggerMessage(target.id, key[1], name, properties.etag, properties.blob_type)
            receipt = self._receipts.name(target.id, properties.etag, key[1], name)
            try:
                handed_over = await self._receipts.hand_over(receipt, lambda message=message: self._enqueue(message))
            except InvalidRequest as error:
                _log.warning("The blob '%s/%s' cannot trigger '%s': %s", key[1], name, target.function.name, error)
                continue
            done = done and handed_over
        return done

    def _matching(self, key: Key, name: str) -> list[BlobTarget]:
        return [target for target in self._targets[key] if target.pattern.match(key[1], name) is not None]

    def _warn(self, error: StorageError) -> None:
        if not self._in_trouble:
            self._in_trouble = True
            _log.warning("The scan for new blobs failed and is being retried: %s", error)

    def _recovered(self) -> None:
        if self._in_trouble:
            self._in_trouble = False
            _log.warning("The scan for new blobs works again.")
