"""One queue of an app under test."""

import json as json_format
from datetime import timedelta
from typing import Any, Self

from durable_host.bindings.queue_text import UndecodableMessage, decode, encode
from durable_host.storage.account import StorageAccount
from durable_host.storage.errors import NotFound
from durable_host.testing.app_backend import AppBackend
from durable_host.testing.argument_values import as_bytes
from durable_host.testing.settled import Settled
from durable_host.testing.time_span import checked_span
from durable_host.triggers.queue.disposition import POISON_SUFFIX

__tracebackhide__ = True

_NOTHING: Any = object()


class QueueHandle(Settled):
    """The queue `name`. It need not exist yet: the first message creates it.

    Texts are encoded and decoded as `messageEncoding` in host.json says, like those of triggers and bindings.
    """

    def __init__(self, backend: AppBackend, name: str, connection: str | None) -> None:
        self._backend = backend
        self._connection = connection
        self.name = name

    def send(self, content: str | bytes = "", *, json: Any = _NOTHING, visible_after: timedelta | None = None) -> Self:
        """Put a message, or the JSON text of `json`, and run everything that follows.

        It becomes visible after `visible_after`, which is at most seven days. Raises TypeError for both contents.
        """
        if json is not _NOTHING and content:
            raise TypeError("send needs either a text or json, not both.")
        text = content if json is _NOTHING else json_format.dumps(json, ensure_ascii=False)
        data = as_bytes(text, "a message", "json=")
        encoded = encode(data, self._backend.message_encoding)
        later = checked_span("visible_after", visible_after)
        hidden = later.total_seconds() if later is not None else 0.0

        async def put(account: StorageAccount) -> None:
            try:
                await account.queues.put(self.name, encoded, visibility=hidden)
            except NotFound:
                await account.queues.create(self.name)
                await account.queues.put(self.name, encoded, visibility=hidden)

        self._backend.use_storage(put, self._connection)
        return self

    @property
    def messages(self) -> list[str]:
        """The texts of the messages that could be received now, in order. Bytes that are not text become U+FFFD."""
        texts = self._backend.visible_messages(self.name, self._connection)
        return [self._decoded(text) for text in texts]

    @property
    def poison(self) -> "QueueHandle":
        """The poison queue: messages that failed too often."""
        return QueueHandle(self._backend, f"{self.name}{POISON_SUFFIX}", self._connection)

    def clear(self) -> Self:
        """Delete all messages, hidden ones too."""

        async def clear(account: StorageAccount) -> None:
            if await account.queues.exists(self.name):
                await account.queues.clear(self.name)

        self._backend.use_storage(clear, self._connection)
        return self

    def __len__(self) -> int:
        return len(self.messages)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<queue '{self.name}'>"

    def _decoded(self, text: str) -> str:
        try:
            return decode(text, self._backend.message_encoding).decode("utf-8", "replace")
        except UndecodableMessage:
            return text
