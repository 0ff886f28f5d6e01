"""The JSON of events and messages in the embedded hub: the fields of the records unchanged, times in ticks.

The kind of an event (its DurableTask.Core name) is stored next to the JSON in a column.
"""

from typing import Any, cast, overload

import msgspec

from durable_host.durable.model.events import EVENT_CLASS_BY_NAME, HistoryEvent, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage

_UNDECODABLE = (msgspec.DecodeError, ValueError, TypeError, RecursionError)
_encoder = msgspec.json.Encoder()
_event_decoders = {name: msgspec.json.Decoder(cls) for name, cls in EVENT_CLASS_BY_NAME.items()}


class UnreadableRecord(ValueError):
    """The stored text is not an event or message that this version knows."""


class _Body(msgspec.Struct, frozen=True, omit_defaults=True):
    event: msgspec.Raw
    target: OrchestrationInstance
    sender: OrchestrationInstance
    episode: int | None = None
    tags: dict[str, str] | None = None
    id: str | None = None


_body_decoder = msgspec.json.Decoder(_Body)


def encode_event(event: HistoryEvent) -> bytes:
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError:
        return _encoder.encode(_well_formed_tree(msgspec.to_builtins(event)))


def decode_event(kind: str, data: bytes) -> HistoryEvent:
    """Decode an event of this kind. Raises `UnreadableRecord`."""
    decoder = _event_decoders.get(kind)
    if decoder is None:
        raise UnreadableRecord(f"unknown event type '{kind}'")
    try:
        return decoder.decode(data)
    except _UNDECODABLE as error:
        raise UnreadableRecord(str(error)) from error


def encode_message(message: TaskMessage) -> bytes:
    body = _Body(
        msgspec.Raw(encode_event(message.event)),
        message.target,
        message.sender,
        message.episode,
        message.tags,
        message.id,
    )
    try:
        return _encoder.encode(body)
    except UnicodeEncodeError:
        target, sender = (
            OrchestrationInstance(storable(each.instance_id), each.execution_id) for each in (body.target, body.sender)
        )
        return _encoder.encode(_Body(body.event, target, sender, body.episode, _well_formed_tree(body.tags), body.id))


def decode_message(kind: str, data: bytes) -> TaskMessage:
    """Decode a message whose event is of this kind. Raises `UnreadableRecord`."""
    try:
        body = _body_decoder.decode(data)
    except _UNDECODABLE as error:
        raise UnreadableRecord(str(error)) from error
    event = decode_event(kind, bytes(body.event))
    return TaskMessage(event, body.target, body.sender, body.episode, body.tags, body.id)


@overload
def storable(text: str) -> str: ...


@overload
def storable(text: str | None) -> str | None: ...


def storable(text: str | None) -> str | None:
    """Return `text` in a form that a column can store."""
    return text if text is None or text.isascii() else well_formed(text)


def well_formed(text: str) -> str:
    """Replace unpaired surrogates in `text` with U+FFFD, as .NET does when it writes UTF-8."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _well_formed_tree(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list):
        return [_well_formed_tree(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {well_formed(key): _well_formed_tree(item) for key, item in items}
    return value
