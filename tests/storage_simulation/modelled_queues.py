"""The queue service: messages with visibility, pop receipts, dequeue counts and a time to live."""

from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from itertools import count
from random import Random

from modelled_answer import Answer, Refused, Request, http_date, xml

from durable_host.timestamp import TICKS_PER_SECOND

_FOREVER = 10**19
_DEFAULT_TTL = 7 * 24 * 3600


@dataclass(slots=True)
class Message:
    """One message. Times in ticks; `order` is the number of its put."""

    id: str
    text: str
    receipt: str
    inserted: int
    expires: int
    visible_from: int
    order: int
    dequeued: int = 0


class ModelledQueues:
    """Queues by name, messages by ID. With `disorder` a get gives the messages in any order, as Azure may."""

    def __init__(self, now: Callable[[], int], random: Random) -> None:
        self.queues: dict[str, dict[str, Message]] = {}
        self.disorder = False
        self._now = now
        self._random = random
        self._order = count(1)

    def answer(self, request: Request) -> Answer:
        """Raises Refused."""
        name, _, rest = request.path.strip("/").partition("/")
        method = request.method
        if not name:
            return self._list(request)
        if not rest:
            return self._queue(request, name, method)
        queue = self.queues.get(name)
        if queue is None:
            raise Refused(404, "QueueNotFound")
        id = rest.removeprefix("messages").strip("/")
        if id:
            return self._one(request, queue, id)
        if method == "POST":
            return self._put(request, queue)
        if method == "DELETE":
            queue.clear()
            return Answer(204)
        return self._get(request, queue)

    def _list(self, request: Request) -> Answer:
        prefix = request.query.get("prefix", "")
        names = "".join(
            f"<Queue><Name>{name}</Name></Queue>" for name in sorted(self.queues) if name.startswith(prefix)
        )
        body = f"<?xml version='1.0'?><EnumerationResults><Queues>{names}</Queues><NextMarker/></EnumerationResults>"
        return Answer(200, {}, body.encode())

    def _queue(self, request: Request, name: str, method: str) -> Answer:
        if method == "PUT":
            if name in self.queues:
                return Answer(204)
            self.queues[name] = {}
            return Answer(201)
        if name not in self.queues:
            raise Refused(404, "QueueNotFound")
        if method == "DELETE":
            del self.queues[name]
            return Answer(204)
        return Answer(200, {"x-ms-approximate-messages-count": str(len(self._alive(self.queues[name])))})

    def _put(self, request: Request, queue: dict[str, Message]) -> Answer:
        text = _text_of(request.body)
        if len(text.encode()) > 65_536:
            raise Refused(413, "RequestBodyTooLarge")
        now = self._now()
        ttl = int(request.query.get("messagettl", _DEFAULT_TTL))
        hidden = int(request.query.get("visibilitytimeout", 0))
        message = Message(
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

    def _get(self, request: Request, queue: dict[str, Message]) -> Answer:
        now = self._now()
        visible = [message for message in self._alive(queue) if message.visible_from <= now]
        if self.disorder:
            self._random.shuffle(visible)
        else:
            visible.sort(key=lambda message: (message.visible_from, message.order))
        chosen = visible[: int(request.query.get("numofmessages", 1))]
        peeks = request.query.get("peekonly") == "true"
        if not peeks:
            hidden = int(request.query.get("visibilitytimeout", 30))
            for message in chosen:
                message.dequeued += 1
                message.receipt = self._receipt()
                message.visible_from = now + hidden * TICKS_PER_SECOND
        return _messages(chosen, 200, peeks=peeks)

    def _one(self, request: Request, queue: dict[str, Message], id: str) -> Answer:
        message = queue.get(id)
        if message is None or message.expires <= self._now():
            raise Refused(404, "MessageNotFound")
        if message.receipt != request.query.get("popreceipt"):
            raise Refused(400, "PopReceiptMismatch")
        if request.method == "DELETE":
            del queue[id]
            return Answer(204)
        message.receipt = self._receipt()
        message.visible_from = self._now() + int(request.query["visibilitytimeout"]) * TICKS_PER_SECOND
        if request.body:
            message.text = _text_of(request.body)
        headers = {"x-ms-popreceipt": message.receipt, "x-ms-time-next-visible": http_date(message.visible_from)}
        return Answer(204, headers)

    def _alive(self, queue: dict[str, Message]) -> list[Message]:
        now = self._now()
        return [message for message in queue.values() if message.expires > now]

    def _guid(self) -> str:
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _receipt(self) -> str:
        return f"r{self._random.getrandbits(64):016x}+/="


def _text_of(body: bytes) -> str:
    text = body.decode()
    begin, end = text.find("<MessageText>"), text.rfind("</MessageText>")
    return unescape(text[begin + 13 : end]) if begin >= 0 else ""


def _messages(messages: list[Message], status: int, *, peeks: bool = False, text: bool = True) -> Answer:
    parts = ["<?xml version='1.0' encoding='utf-8'?><QueueMessagesList>"]
    for message in messages:
        parts.append(
            f"<QueueMessage><MessageId>{message.id}</MessageId><InsertionTime>{http_date(message.inserted)}"
            f"</InsertionTime><ExpirationTime>"
            f"{'Fri, 31 Dec 9999 23:59:59 GMT' if message.expires == _FOREVER else http_date(message.expires)}"
            f"</ExpirationTime>"
        )
        if not peeks:
            parts.append(
                f"<PopReceipt>{message.receipt}</PopReceipt><TimeNextVisible>{http_date(message.visible_from)}"
                "</TimeNextVisible>"
            )
        if text:
            parts.append(
                f"<DequeueCount>{message.dequeued}</DequeueCount><MessageText>{xml(message.text)}</MessageText>"
            )
        parts.append("</QueueMessage>")
    parts.append("</QueueMessagesList>")
    return Answer(status, {}, "".join(parts).encode())
