"""The queues of the hub and of the app: their lengths and messages, and how to put messages and return poison ones.

The queue service says only how many messages there are in all. Visible ones are counted by peeking, up to 32.
"""

import base64
import binascii
from typing import Annotated, Literal

import msgspec

from durable_host.bindings.queue_text import encode
from durable_host.dashboard.api_call import DashboardCall, NoParameters
from durable_host.dashboard.api_errors import INVALID, DashboardError
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.payloads import IN_DETAILS, cut, time_text
from durable_host.dashboard.queue_places import KnownQueue, Place, places_of, queue_named
from durable_host.durable.taskhub.inspection import HubMessage
from durable_host.storage import NotFound, QueueService, StorageError
from durable_host.storage.bounded import for_each
from durable_host.storage.queue_xml import QueueMessage

MOST_PEEKED = 32
MOST_QUEUES = 200
MOST_MOVED = 10_000
_AT_ONCE = 8
_HIDDEN = 30.0
"""Seconds for which a poison message is hidden while it is moved."""


class QueueAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A queue. `visible` is exact up to 32; at 32, `invisible` is null, because the service does not report it.

    `oldest` is when the oldest visible message was put. `function` is what the queue triggers. `poison_of` is the queue
    that its messages come from. `connection` is the connection of the app; null is that of the task hub.
    """

    name: str
    role: Literal["control", "workItem", "app", "poison", "other"]
    partition: int | None
    visible: int
    invisible: int | None
    total: int
    oldest: str | None
    function: str | None
    poison_of: str | None
    connection: str | None
    exists: bool


class QueuesAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Queues of the hub first, then those of the app, then others in the same accounts. `errors` are of accounts."""

    queues: list[QueueAnswer]
    is_complete: bool
    errors: list[str]


class PeekQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`top` is the number of messages; `connection` as in the list of queues."""

    top: Annotated[int, msgspec.Meta(ge=1, le=MOST_PEEKED)] = MOST_PEEKED
    connection: str | None = None


class ConnectionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`connection` as in the list of queues."""

    connection: str | None = None


class MessageAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A message, decoded if it is text in base64 (`is_base64`)."""

    id: str
    text: str
    text_is_truncated: bool
    inserted: str | None
    expires: str | None
    dequeue_count: int
    is_base64: bool


class MessagesAnswer(msgspec.Struct, frozen=True):
    """The oldest visible messages."""

    messages: list[MessageAnswer]


class PutBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The text as the function receives it; host.json says how it is encoded."""

    text: Annotated[str, msgspec.Meta(max_length=65_536)]


class PutAnswer(msgspec.Struct, frozen=True):
    """The ID of the message."""

    id: str


class ReturnBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The messages to return; without `ids`, all."""

    ids: Annotated[list[str], msgspec.Meta(max_length=1000)] | None = None


class ReturnAnswer(msgspec.Struct, frozen=True):
    """How many messages were put back to the queue where they come from."""

    moved: int


async def queues(call: DashboardCall[NoParameters, None]) -> QueuesAnswer:
    """List the queues with their lengths."""
    places, errors = await places_of(call.context.sources)
    found: dict[int, QueueAnswer] = {}

    async def measure(entry: tuple[int, tuple[Place, KnownQueue]]) -> None:
        number, (place, queue) = entry
        found[number] = await _measured(place, queue)

    entries = [(place, queue) for place in places for queue in place.queues]
    shown = list(enumerate(entries[:MOST_QUEUES]))
    try:
        await for_each(shown, measure, _AT_ONCE)
    except StorageError as error:
        errors.append(str(error))
    order = {"control": 0, "workItem": 1, "app": 2, "poison": 3, "other": 4}
    answers = sorted(found.values(), key=lambda one: (order[one.role], one.name))
    is_complete = len(found) == len(entries) and not errors
    return QueuesAnswer(answers, is_complete, errors)


async def messages(call: DashboardCall[PeekQuery, None]) -> MessagesAnswer:
    """Peek at the messages of a queue."""
    place, queue = await queue_named(call.context.sources, call.path["name"], call.query.connection)
    if place.service is None:
        assert place.peek is not None
        return MessagesAnswer([_hub_message(one) for one in await place.peek(queue.name, call.query.top)])
    peeked = await _unless_missing(place.service, queue.name, call.query.top)
    return MessagesAnswer([_message(one) for one in peeked])


async def put(call: DashboardCall[ConnectionQuery, PutBody]) -> PutAnswer:
    """Put a message on a queue of the app. A queue that does not exist is created."""
    place, queue = await queue_named(call.context.sources, call.path["name"], call.query.connection)
    if queue.role in ("control", "workItem") or place.service is None:
        raise DashboardError(
            409,
            f"'{queue.name}' belongs to the task hub: the dashboard puts no messages there.",
            code=INVALID,
            remedy="Raise an event, or start an instance.",
        )
    text = encode(call.body.text.encode("utf-8", "replace"), place.encoding)
    try:
        message = await place.service.put(queue.name, text)
    except NotFound:
        await place.service.create(queue.name)
        message = await place.service.put(queue.name, text)
    except StorageError as error:
        if error.status in (400, 413):
            raise DashboardError(400, str(error), code=INVALID) from None
        raise
    place.notify(queue.name)
    call.context.watch.changes.other("queues")
    return PutAnswer(message.id)


async def return_poison(call: DashboardCall[ConnectionQuery, ReturnBody]) -> ReturnAnswer:
    """Move messages from a poison queue back to the queue where they come from."""
    place, queue = await queue_named(call.context.sources, call.path["name"], call.query.connection)
    if queue.poison_of is None or place.service is None:
        raise DashboardError(
            409, f"'{queue.name}' is not a poison queue.", code=INVALID, remedy="Its name ends in '-poison'."
        )
    wanted = None if call.body.ids is None else set(call.body.ids)
    moved = await _moved(place.service, queue.name, queue.poison_of, wanted)
    place.notify(queue.poison_of)
    call.context.watch.changes.other("queues")
    return ReturnAnswer(moved)


async def _moved(service: QueueService, source: str, target: str, wanted: set[str] | None) -> int:
    """Put each message back before it is deleted, so that none is lost. Others become visible again at the end."""
    moved = 0
    others: list[QueueMessage] = []
    try:
        # A message that fails again is back before the end: all means those that were there at the beginning.
        most = MOST_MOVED if wanted is not None else min(MOST_MOVED, await service.message_count(source))
        while (rest := most - moved - len(others)) > 0 and (wanted is None or wanted):
            batch = await service.get(source, min(MOST_PEEKED, rest), _HIDDEN)
            if not batch:
                break
            for message in batch:
                if wanted is not None and message.id not in wanted:
                    others.append(message)
                    continue
                await _put_back(service, target, message.text)
                await service.delete(source, message.id, message.pop_receipt)
                moved += 1
                if wanted is not None:
                    wanted.discard(message.id)
    except NotFound:
        return moved
    finally:
        for message in others:
            try:
                await service.update(source, message.id, message.pop_receipt, 0)
            except StorageError:
                continue  # It becomes visible by itself.
    return moved


async def _put_back(service: QueueService, target: str, text: str) -> None:
    try:
        await service.put(target, text)
    except NotFound:
        await service.create(target)
        await service.put(target, text)


async def _measured(place: Place, queue: KnownQueue) -> QueueAnswer:
    total, visible, oldest, exists = queue.total, queue.visible or 0, queue.oldest, True
    if place.service is not None:
        try:
            total = await place.service.message_count(queue.name)
        except NotFound:
            total, exists = 0, False
        peeked = await _unless_missing(place.service, queue.name, MOST_PEEKED) if total else []
        visible, oldest = len(peeked), min((one.insertion_time for one in peeked), default=None)
    is_known = visible < MOST_PEEKED or place.service is None
    return QueueAnswer(
        name=queue.name,
        role=queue.role,
        partition=queue.partition,
        visible=visible,
        invisible=max(0, (total or 0) - visible) if is_known else None,
        total=max(total or 0, visible),
        oldest=time_text(oldest),
        function=queue.function,
        poison_of=queue.poison_of,
        connection=place.connection,
        exists=exists,
    )


async def _unless_missing(service: QueueService, name: str, count: int) -> list[QueueMessage]:
    try:
        return await service.peek(name, count)
    except NotFound:
        return []


def _message(message: QueueMessage) -> MessageAnswer:
    decoded = _decoded(message.text)
    text, is_cut = cut(message.text if decoded is None else decoded, IN_DETAILS)
    return MessageAnswer(
        id=message.id,
        text=text or "",
        text_is_truncated=is_cut,
        inserted=time_text(message.insertion_time),
        expires=time_text(message.expiration_time),
        dequeue_count=message.dequeue_count,
        is_base64=decoded is not None,
    )


def _hub_message(message: HubMessage) -> MessageAnswer:
    text, is_cut = cut(message.text, IN_DETAILS)
    return MessageAnswer(
        id=message.id,
        text=text or "",
        text_is_truncated=is_cut,
        inserted=time_text(message.inserted),
        expires=None,
        dequeue_count=message.dequeue_count,
        is_base64=False,
    )


def _decoded(text: str) -> str | None:
    """The text in a base64 text; None if it is no base64, or no text."""
    try:
        return base64.b64decode(text, validate=True).decode() if text else None
    except (binascii.Error, ValueError):
        return None


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/queues",
        summary="The queues of the hub and of the app, with their lengths",
        answer=queues,
        returns=QueuesAnswer,
    ),
    Endpoint(
        method="GET",
        path="/queues/{name}/messages",
        summary="Peek at the oldest visible messages",
        answer=messages,
        query=PeekQuery,
        returns=MessagesAnswer,
        errors=(404,),
    ),
    Endpoint(
        method="POST",
        path="/queues/{name}/messages",
        summary="Put a message on a queue of the app",
        answer=put,
        query=ConnectionQuery,
        body=PutBody,
        returns=PutAnswer,
        status=201,
        errors=(404,),
    ),
    Endpoint(
        method="POST",
        path="/queues/{name}/return",
        summary="Move messages of a poison queue back to their queue",
        answer=return_poison,
        query=ConnectionQuery,
        body=ReturnBody,
        returns=ReturnAnswer,
        errors=(404,),
    ),
)
