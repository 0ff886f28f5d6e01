"""Streams the history of an instance in chunks that fit into messages."""

from collections.abc import AsyncIterator, Iterable, Iterator

from durable_host.durable.api.errors import InstanceNotFound
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_events import event_messages
from durable_host.durable.sidecar.sidecar_call import SidecarCall

_ROOM = 256 * 1024
"""The largest chunk in bytes, unless a single event is larger."""


async def stream(call: SidecarCall, request: pb.StreamInstanceHistoryRequest) -> AsyncIterator[pb.HistoryChunk]:
    """Yield the history, which is empty for an instance that has not begun. Raises `InstanceNotFound`."""
    state = await call.client.get(request.instanceId, fetch_input=False, fetch_output=False)
    if state is None:
        raise InstanceNotFound(request.instanceId)
    for chunk in chunks(event_messages(await call.client.history(request.instanceId))):
        yield chunk


def chunks(events: Iterable[pb.HistoryEvent]) -> Iterator[pb.HistoryChunk]:
    """Yield the events in order, with as many in a chunk as fit."""
    chunk, size = pb.HistoryChunk(), 0
    for event in events:
        length = event.ByteSize()
        if size and size + length > _ROOM:
            yield chunk
            chunk, size = pb.HistoryChunk(), 0
        chunk.events.append(event)
        size += length
    if size:
        yield chunk
