"""The queue service in memory: messages with visibility, pop receipts, dequeue counts and a time to live."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from itertools import count
from random import Random

from durable_host.testing.memory_storage.service_properties import ServiceProperties
from durable_host.testing.memory_storage.storage_exchange import (
    RequestRefused,
    StorageAnswer,
    StorageRequest,
    header_date,
    meta_headers,
    xml_answer,
    xml_metadata,
    xml_page,
    xml_text,
)
from durable_host.timestamp import TICKS_PER_SECOND

_FOREVER = 10**19
_DEFAULT_TTL = 7 * 24 * 3600
_LONGEST_VISIBILITY = 7 * 24 * 3600
_MOST_BYTES = 65_536
_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(slots=True)
class MemoryMessage:
    """One message. Times in ticks; `order` is the number of its put."""

    id: str
    text: str
    receipt: str
    inserted: int
    expires: int
    visible_from: int
    order: int
    dequeued: int = 0


class MemoryQueues:
    """Queues by name, messages by ID. With `disorder`, a get returns messages in any order, as Azure may.

    `changed` is called with the name of a queue after each change of its messages.
    """

    def __init__(
        self, now: Callable[[], int], random: Random, changed: Callable[[str], None] = lambda queue: None
    ) -> None:
        self.queues: dict[str, dict[str, MemoryMessage]] = {}
        self.disorder = False
        self._now = now
        self._random = random
        self._changed = changed
        self._metadata: dict[str, dict[str, str]] = {}
        self._policies: dict[str, bytes] = {}
        self._properties = ServiceProperties("queue")
        self._order = count(1)

    def answer(self, request: StorageRequest) -> StorageAnswer:
        """Raises RequestRefused."""
        name, _, rest = request.path.strip("/").partition("/")
        if not name:
            return self._properties.answer(request) or self._list(request)
        if not rest:
            return self._queue(request, name)
        queue = self.queues.get(name)
        if queue is None:
            raise RequestRefused(404, "QueueNotFound")
        id = rest.removeprefix("messages").strip("/")
        if not id and request.method == "GET":
            return self._get(request, name, queue)
        if id:
            answer = self._one(request, queue, id)
        elif request.method == "POST":
            answer = self._put(request, queue)
        else:
            queue.clear()
            answer = StorageAnswer(204)
        self._changed(name)
        return answer

    def visible(self, name: str) -> list[MemoryMessage]:
        """The messages of a queue that can be received now, in order."""
        now = self._now()
        found = [message for message in self._alive(self.queues.get(name, {})) if message.visible_from <= now]
        return sorted(found, key=lambda message: (message.visible_from, message.order))

    def is_empty(self, queue: str) -> bool:
        """True if no message can be received now."""
        now = self._now()
        return not any(one.visible_from <= now < one.expires for one in self.queues.get(queue, {}).values())

    def next_visible(self, queue: str) -> int | None:
        """The time when the next hidden message becomes visible, in ticks; None without one."""
        now = self._now()
        hidden = (
            one.visible_from for one in self.queues.get(queue, {}).values() if now < one.visible_from < one.expires
        )
        return min(hidden, default=None)

    def _list(self, request: StorageRequest) -> StorageAnswer:
        prefix, marker = request.query.get("prefix", ""), request.query.get("marker", "")
        size = int(request.query.get("maxresults", 5000))
        with_metadata = "metadata" in request.query.get("include", "")
        names = [name for name in sorted(self.queues) if name.startswith(prefix) and name >= marker]
        listed = "".join(
            f"<Queue><Name>{name}</Name>{xml_metadata(self._metadata.get(name, {})) if with_metadata else ''}</Queue>"
            for name in names[:size]
        )
        following = names[size] if len(names) > size else ""
        return xml_answer(
            f"<EnumerationResults>{xml_page(request)}<Queues>{listed}</Queues><NextMarker>{following}</NextMarker></EnumerationResults>"
        )

    def _queue(self, request: StorageRequest, name: str) -> StorageAnswer:
        method, comp = request.method, request.query.get("comp")
        if method == "PUT" and comp is None:
            return self._create(request, name)
        if name not in self.queues:
            raise RequestRefused(404, "QueueNotFound")
        if comp == "acl":
            return self._policy(request, name)
        if method == "DELETE":
            del self.queues[name]
            self._metadata.pop(name, None)
            self._policies.pop(name, None)
            return StorageAnswer(204)
        if method == "PUT":
            self._metadata[name] = request.metadata()
            return StorageAnswer(204)
        number = len(self._alive(self.queues[name]))
        return StorageAnswer(
            200, {"x-ms-approximate-messages-count": str(number), **meta_headers(self._metadata.get(name, {}))}
        )

    def _create(self, request: StorageRequest, name: str) -> StorageAnswer:
        if not _NAME.fullmatch(name):
            raise RequestRefused(400, "InvalidResourceName" if 3 <= len(name) <= 63 else "OutOfRangeInput")
        metadata = request.metadata()
        if name in self.queues:
            if metadata != self._metadata.get(name, {}):
                raise RequestRefused(409, "QueueAlreadyExists")
            return StorageAnswer(204)
        self.queues[name] = {}
        self._metadata[name] = metadata
        return StorageAnswer(201)

    def _policy(self, request: StorageRequest, name: str) -> StorageAnswer:
        if request.method == "PUT":
            self._policies[name] = request.body
            return StorageAnswer(204)
        body = self._policies.get(name) or b"<SignedIdentifiers/>"
        return StorageAnswer(200, {"Content-Type": "application/xml"}, body)

    def _put(self, request: StorageRequest, queue: dict[str, MemoryMessage]) -> StorageAnswer:
        text = _text_of(request.body)
        if len(text.encode()) > _MOST_BYTES:
            raise RequestRefused(413, "RequestBodyTooLarge")
        now = self._now()
        ttl = _number(request, "messagettl", _DEFAULT_TTL, -1, 2**40)
        hidden = _number(request, "visibilitytimeout", 0, 0, _LONGEST_VISIBILITY)
        if ttl == 0 or (0 < ttl <= hidden):
            raise RequestRefused(400, "InvalidQueryParameterValue")
        message = MemoryMessage(
            self._guid(),
            text,
            self._receipt(),
            now,
            _FOREVER if ttl == -1 else now + ttl * TICKS_PER_SECOND,
            now + hidden * TICKS_PER_SECOND,
            next(self._order),
        )
        queue[message.id] = message
        return _messages([message], 201, text=False)

    def _get(self, request: StorageRequest, name: str, queue: dict[str, MemoryMessage]) -> StorageAnswer:
        number = _number(request, "numofmessages", 1, 1, 32)
        peeks = request.query.get("peekonly") == "true"
        hidden = _number(request, "visibilitytimeout", 30, 1, _LONGEST_VISIBILITY)
        now = self._now()
        if self.disorder:
            visible = [message for message in self._alive(queue) if message.visible_from <= now]
            self._random.shuffle(visible)
        else:
            visible = self.visible(name)
        chosen = visible[:number]
        if not peeks:
            for message in chosen:
                message.dequeued += 1
                message.receipt = self._receipt()
                message.visible_from = now + hidden * TICKS_PER_SECOND
        return _messages(chosen, 200, peeks=peeks)

    def _one(self, request: StorageRequest, queue: dict[str, MemoryMessage], id: str) -> StorageAnswer:
        message = queue.get(id)
        if message is None or message.expires <= self._now():
            raise RequestRefused(404, "MessageNotFound")
        if message.receipt != request.query.get("popreceipt"):
            raise RequestRefused(400, "PopReceiptMismatch")
        if request.method == "DELETE":
            del queue[id]
            return StorageAnswer(204)
        hidden = _number(request, "visibilitytimeout", 30, 0, _LONGEST_VISIBILITY)
        if request.body:
            message.text = _text_of(request.body)
        message.receipt = self._receipt()
        message.visible_from = self._now() + hidden * TICKS_PER_SECOND
        headers = {"x-ms-popreceipt": message.receipt, "x-ms-time-next-visible": header_date(message.visible_from)}
        return StorageAnswer(204, headers)

    def _alive(self, queue: dict[str, MemoryMessage]) -> list[MemoryMessage]:
        now = self._now()
        return [message for message in queue.values() if message.expires > now]

    def _guid(self) -> str:
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _receipt(self) -> str:
        return f"r{self._random.getrandbits(64):016x}+/="


def _number(request: StorageRequest, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        raise RequestRefused(400, "InvalidQueryParameterValue") from None
    if not least <= number <= most:
        raise RequestRefused(400, "OutOfRangeQueryParameterValue")
    return number


def _text_of(body: bytes) -> str:
    text = body.decode()
    begin, end = text.find("<MessageText>"), text.rfind("</MessageText>")
    return unescape(text[begin + 13 : end]) if begin >= 0 else ""


def _messages(messages: list[MemoryMessage], status: int, *, peeks: bool = False, text: bool = True) -> StorageAnswer:
    parts = ["<?xml version='1.0' encoding='utf-8'?><QueueMessagesList>"]
    for message in messages:
        parts.append(
            f"<QueueMessage><MessageId>{message.id}</MessageId><InsertionTime>{header_date(message.inserted)}"
            f"</InsertionTime><ExpirationTime>"
            f"{'Fri, 31 Dec 9999 23:59:59 GMT' if message.expires == _FOREVER else header_date(message.expires)}"
            f"</ExpirationTime>"
        )
        if not peeks:
            parts.append(
                f"<PopReceipt>{message.receipt}</PopReceipt><TimeNextVisible>{header_date(message.visible_from)}"
                "</TimeNextVisible>"
            )
        if text:
            parts.append(
                f"<DequeueCount>{message.dequeued}</DequeueCount><MessageText>{xml_text(message.text)}</MessageText>"
            )
        parts.append("</QueueMessage>")
    parts.append("</QueueMessagesList>")
    return StorageAnswer(status, {"Content-Type": "application/xml"}, "".join(parts).encode())
