"""The queue service: the requests that the task hub and queue triggers use."""

import math
from typing import NamedTuple
from urllib.parse import quote

from durable_host.storage import queue_xml
from durable_host.storage.errors import Conflict, InvalidRequest
from durable_host.storage.queue_xml import PutMessage, QueueMessage
from durable_host.storage.resource_names import names_of
from durable_host.storage.transport import HttpChannel

MAX_MESSAGE_BYTES = 65_536


class PolledMessages(NamedTuple):
    """What a poll received. `may_lack_some` is true if the response to an earlier attempt was lost, which may have
    hidden messages that are not in `messages`.
    """

    messages: list[QueueMessage]
    may_lack_some: bool


class QueueService:
    """Queues of one account. Message texts are neither encoded nor decoded; the caller may use base64.

    Visibilities are seconds from now, rounded up to whole seconds. Errors are those of `storage.errors`; a missing
    queue is NotFound with the code `QueueNotFound`.
    """

    def __init__(self, channel: HttpChannel) -> None:
        self._channel = channel

    async def create(self, queue: str) -> bool:
        """Create a queue; False if it already exists. Conflict `QueueBeingDeleted`: retry a little later."""
        try:
            reply = await self._channel.send("PUT", _path(queue))
        except Conflict as error:
            if error.code != "QueueAlreadyExists":
                raise
            return False
        return reply.status == 201

    async def delete_queue(self, queue: str) -> bool:
        """Delete a queue with its messages; False if it does not exist."""
        reply = await self._channel.send("DELETE", _path(queue), expect=(404,))
        return reply.status != 404

    async def exists(self, queue: str) -> bool:
        """Whether the queue exists."""
        reply = await self._channel.send("GET", _path(queue), (("comp", "metadata"),), expect=(404,))
        return reply.status != 404

    async def list(self, prefix: str = "") -> "list[str]":
        """Names of all queues that begin with `prefix`, in order."""
        return await names_of(self._channel, "Queue", prefix)

    async def clear(self, queue: str) -> None:
        """Delete all messages of a queue."""
        await self._channel.send("DELETE", _path(queue) + "/messages")

    async def message_count(self, queue: str) -> int:
        """The approximate number of messages in the queue, invisible ones included."""
        reply = await self._channel.send("GET", _path(queue), (("comp", "metadata"),))
        return int(reply.headers.get("x-ms-approximate-messages-count", "0"))

    async def put(self, queue: str, text: str, *, visibility: float = 0.0, ttl: float | None = None) -> PutMessage:
        """Put a message, visible after `visibility` seconds. `ttl` None is the service's default, -1 means forever."""
        body = queue_xml.write_message(text)
        if len(body) > MAX_MESSAGE_BYTES and len(text.encode()) > MAX_MESSAGE_BYTES:
            raise InvalidRequest(
                413, "MessageTooLarge", f"A message for queue '{queue}' is larger than {MAX_MESSAGE_BYTES} bytes"
            )
        if ttl is None and not visibility:
            query = ()
        else:
            query = [("messagettl", str(math.ceil(ttl)))] if ttl is not None else []
            if visibility:
                query.append(("visibilitytimeout", str(math.ceil(visibility))))
        reply = await self._channel.send("POST", f"/{queue}/messages", query, body=body)
        return queue_xml.read_put(reply.body)

    async def get(self, queue: str, count: int = 32, visibility: float = 30.0) -> "list[QueueMessage]":
        """Receive up to `count` (1 to 32) messages and hide them for `visibility` (1 second to 7 days)."""
        return (await self.poll(queue, count, visibility)).messages

    async def poll(self, queue: str, count: int = 32, visibility: float = 30.0) -> PolledMessages:
        """Like `get`, for callers that rely on the queue being empty if nothing comes."""
        query = (("numofmessages", str(count)), ("visibilitytimeout", str(max(1, math.ceil(visibility)))))
        reply = await self._channel.send("GET", f"/{queue}/messages", query)
        return PolledMessages(queue_xml.read_messages(reply.body), may_lack_some=reply.after_retry)

    async def peek(self, queue: str, count: int = 32) -> "list[QueueMessage]":
        """Look at up to `count` visible messages without receiving them."""
        reply = await self._channel.send(
            "GET", f"/{queue}/messages", (("numofmessages", str(count)), ("peekonly", "true"))
        )
        return queue_xml.read_messages(reply.body)

    async def delete(self, queue: str, id: str, pop_receipt: str) -> None:
        """Delete a message. NotFound `MessageNotFound` or InvalidRequest `PopReceiptMismatch`: it is no longer ours."""
        await self._channel.send("DELETE", f"/{queue}/messages/{id}", (("popreceipt", pop_receipt),))

    async def update(
        self, queue: str, id: str, pop_receipt: str, visibility: float, text: str | None = None
    ) -> tuple[str, int]:
        """Hide a message for `visibility` seconds (0: make it visible), and replace its text if one is given.

        Returns the new pop receipt and the time when the message becomes visible (ticks).
        """
        body = b"" if text is None else queue_xml.write_message(text)
        query = (("popreceipt", pop_receipt), ("visibilitytimeout", str(math.ceil(visibility))))
        reply = await self._channel.send("PUT", f"/{queue}/messages/{id}", query, body=body)
        return reply.headers["x-ms-popreceipt"], queue_xml.http_ticks(reply.headers["x-ms-time-next-visible"])


def _path(queue: str) -> str:
    return "/" + quote(queue, safe="")
