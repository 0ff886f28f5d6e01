"""The receiver side of the message sorter: delivers the requests of one sender in the order they were sent, once each.

Times are compared as ticks.

Source: docs/protocol/task-hub-storage-entities.md#message-sorter
"""

from collections.abc import Iterator

from durable_host.durable.engine.entity_messages import Moment
from durable_host.durable.engine.entity_request import NEVER, EntityRequest
from durable_host.timestamp import TICKS_PER_SECOND

_COLLECTION_GAP = 10 * TICKS_PER_SECOND


class Source:
    """What one sender has sent: the label of the last delivered request, and requests that arrived too early."""

    __slots__ = ("buffered", "execution_id", "last")

    def __init__(
        self, execution_id: str | None, last: Moment = NEVER, buffered: dict[int, EntityRequest] | None = None
    ) -> None:
        self.execution_id = execution_id
        self.last = last
        self.buffered = buffered or {}


class MessageSorter:
    """The state of the receiver side, part of the scheduler state of one entity."""

    __slots__ = ("horizon", "sources")

    def __init__(self, sources: dict[str, Source] | None = None, horizon: int = 0) -> None:
        self.sources = sources or {}
        self.horizon = horizon

    def receive(self, request: EntityRequest, window: int) -> list[EntityRequest]:
        """Return the requests that can be delivered after `request`, in order. `window` is in ticks; 0 delivers
        everything.

        Requests from clients, scheduled requests, forwarded locks and requests without labels are not sorted.
        """
        is_sorted = (
            window > 0
            and request.parent is not None
            and request.due is None
            and not request.position
            and request.timestamp.ticks > 0
        )
        return list(self._in_order(request, window)) if is_sorted else [request]

    def _in_order(self, request: EntityRequest, window: int) -> Iterator[EntityRequest]:
        sent = request.timestamp.ticks
        if self.horizon + window + _COLLECTION_GAP < sent:
            self.horizon = sent - window
            yield from self._collect()
        if sent < self.horizon:
            yield request
            return
        assert request.parent is not None
        source = self.sources.get(request.parent)
        if source is None:
            source = self.sources[request.parent] = Source(request.parent_execution)
        elif source.execution_id != request.parent_execution:
            yield from (source.buffered[label] for label in sorted(source.buffered))
            source.buffered.clear()
            source.last = NEVER
            source.execution_id = request.parent_execution
        if sent <= source.last.ticks:
            return
        if request.predecessor.ticks > source.last.ticks and request.predecessor.ticks >= self.horizon:
            source.buffered[sent] = request
            return
        yield self._delivered(source, request)
        yield from self._deliverable(source)

    def _collect(self) -> Iterator[EntityRequest]:
        """Forget sources older than the horizon, and yield requests that no longer wait for a predecessor."""
        for name, source in list(self.sources.items()):
            if source.last.ticks < self.horizon:
                source.last = NEVER
            yield from self._deliverable(source)
            if source.last.ticks == 0 and not source.buffered:
                del self.sources[name]

    def _deliverable(self, source: Source) -> Iterator[EntityRequest]:
        """Yield the requests that no longer have to wait.

        An episode that ran again after a crash gives its requests new labels. Requests from the first run are then
        older than those already delivered and must not move `last` back.
        """
        while source.buffered:
            oldest = source.buffered[min(source.buffered)]
            predecessor = oldest.predecessor.ticks
            if predecessor > source.last.ticks and predecessor >= self.horizon:
                return
            del source.buffered[oldest.timestamp.ticks]
            if oldest.timestamp.ticks > source.last.ticks:
                yield self._delivered(source, oldest)

    def _delivered(self, source: Source, request: EntityRequest) -> EntityRequest:
        source.last = request.timestamp if request.timestamp.ticks >= self.horizon else NEVER
        return request
