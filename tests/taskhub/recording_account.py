"""A storage account that records every request and can stop answering after the n-th one, as in a crash."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from durable_host.durable.taskhub.azure import AzureTaskHub
from durable_host.storage import StorageAccount, StorageError, StorageUnavailable

Request = tuple[str, str, tuple[Any, ...]]
READING = frozenset({"list", "query_all"})
CHANGING = frozenset(
    {
        ("table", "transaction"),
        ("table", "merge"),
        ("table", "insert"),
        ("queue", "put"),
        ("queue", "delete"),
        ("blob", "put"),
    }
)
"""Requests that make a commit; polls, renewals and partitions come at any time between them."""


class RecordingAccount:
    """Stands in for a StorageAccount. `requests` are (service, method, arguments) in the order they were made;
    `answer` may give an error for one instead of having it made. `refused` is set when one was not made.
    """

    def __init__(self, account: StorageAccount) -> None:
        self._account = account
        self.connection = account.connection
        self.requests: list[Request] = []
        self.remaining: int | None = None
        self.refused = asyncio.Event()
        self.answer: Callable[[str, str, tuple[Any, ...]], StorageError | None] | None = None
        self.queues = Recorder("queue", account.queues, self)
        self.tables = Recorder("table", account.tables, self)
        self.blobs = Recorder("blob", account.blobs, self)

    def as_account(self) -> StorageAccount:
        return cast("StorageAccount", self)

    def fail_after(self, changes: int | None) -> None:
        """Every request after this many more that change work of the hub fails as if nobody listened."""
        self.remaining = changes
        self.refused.clear()

    def since(self, mark: int, *, without: tuple[str, ...] = ("get", "poll", "get_row")) -> list[str]:
        """Requests from number `mark` on, as `service.method`, polls and renewals left out."""
        return [
            f"{service}.{method}"
            for service, method, _ in self.requests[mark:]
            if not (service == "queue" and method in without)
        ]

    def note(self, service: str, method: str, arguments: tuple[Any, ...]) -> None:
        if self.remaining is not None:
            if self.remaining <= 0:
                if (service, method) in CHANGING:
                    self.refused.set()
                raise StorageUnavailable(0, "Unavailable", "nobody listens")
            self.remaining -= (service, method) in CHANGING
        if self.answer is not None and (error := self.answer(service, method, arguments)) is not None:
            raise error
        self.requests.append((service, method, arguments))


class Recorder:
    """One service of a RecordingAccount."""

    def __init__(self, service: str, target: Any, account: RecordingAccount) -> None:
        self._service = service
        self._target = target
        self._account = account

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._target, name)
        if name == "url":
            return method
        if name in READING and self._service != "queue":

            def iterate(*args: Any, **kwargs: Any) -> Any:
                self._account.note(self._service, name, args)
                return method(*args, **kwargs)

            return iterate

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._account.note(self._service, name, args)
            return await method(*args, **kwargs)

        return call


async def kill(hub: AzureTaskHub, account: RecordingAccount | None = None) -> None:
    """End a hub's worker role as `kill -9` would: nothing is released, and nothing more is written to `account`."""
    if account is not None:
        account.fail_after(0)
    worker = hub._worker
    worker.deliveries.running = False
    commits = hub._commits
    dying = [*commits._running, *commits._messages._deletes, *worker.held._deletes._tasks, *hub._blobs._deletes]
    for task in dying:
        task.cancel()
    await worker._background.stop()
    await asyncio.gather(*dying, return_exceptions=True)
    worker._slot.release()
