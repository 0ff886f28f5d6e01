"""The stream of work items to one worker."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping

from durable_host.durable.proto import pb
from durable_host.durable.sidecar.statuses import CallRefused
from durable_host.durable.sidecar.workers.filters import WorkFilters, filters_of
from durable_host.durable.sidecar.workers.work import Kind, Work
from durable_host.grpc_port import StatusCode

PING_SECONDS = 25.0
_STREAMED_FROM = 1024 * 1024
"""In bytes: a worker that can stream histories fetches past events that are larger than this."""
_ROOM_FOR_TOKEN = 64
_PING = pb.WorkItem(healthPing=pb.HealthPing()).SerializeToString()


class WorkStream:
    """The stream of one worker. `open` are the items that the worker has, by token.

    `limits` are the numbers of items of each kind that it accepts; 0 means any number. `size_limit` is the longest
    message, in bytes, that it accepts; None means any length. `is_silent` is true if it has left an item unanswered for
    too long: it gets no more work until it answers something. `reserved_for` is a suspect that runs here alone.
    """

    def __init__(self, request: pb.GetWorkItemsRequest, *, size_limit: int | None) -> None:
        self.limits: Mapping[Kind, int] = {
            "orchestration": request.maxConcurrentOrchestrationWorkItems,
            "activity": request.maxConcurrentActivityWorkItems,
            "entity": request.maxConcurrentEntityWorkItems,
        }
        self.filters: WorkFilters = filters_of(request)
        self.streams_history = pb.WORKER_CAPABILITY_HISTORY_STREAMING in request.capabilities
        self.open: dict[str, Work] = {}
        self.is_silent = False
        self.has_answered = False
        self.reserved_for: Work | None = None
        self.size_limit = size_limit
        self._counts: dict[Kind, int] = {"orchestration": 0, "activity": 0, "entity": 0}
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._reader: asyncio.Future[bool] | None = None
        self._ended: str | None = None

    def end(self, reason: str) -> None:
        """End the stream with an error. A stream that ended without one would be opened again at once."""
        self._ended = reason
        self._wake()

    def has_room(self, kind: Kind) -> bool:
        return self.reserved_for is None and self._is_below_limit(kind)

    def has_room_for_suspect(self, kind: Kind) -> bool:
        """Return True if the worker has nothing else."""
        return not self.open and self._is_below_limit(kind)

    def has_room_for(self, work: Work) -> bool:
        return self.has_room(work.kind) and self.filters.take(work)

    def _is_below_limit(self, kind: Kind) -> bool:
        limit = self.limits[kind]
        return not self.is_silent and (limit <= 0 or self._counts[kind] < limit)

    def excess_of(self, work: Work) -> int:
        """Return by how many bytes the message exceeds what the worker can receive. At most 0 means that it fits."""
        if self.size_limit is None:
            return 0
        past = 0 if self._streams_past_of(work) else len(work.past)
        return len(work.request) + past + _ROOM_FOR_TOKEN - self.size_limit

    def answered(self) -> None:
        """Record that the worker has answered or abandoned an item."""
        self.is_silent = False
        self.has_answered = True

    @property
    def unsent(self) -> set[str]:
        """The tokens of items that the worker has not received."""
        return {token for token, _ in self._outgoing}

    def hand_out(self, work: Work, token: str) -> None:
        """Send the work."""
        self.open[token] = work
        self._counts[work.kind] += 1
        self._outgoing.append((token, work.message(token, streams_past=self._streams_past_of(work))))
        self._wake()

    def take_back(self, token: str) -> Work | None:
        """Remove and return an item, or return None if the worker does not have it."""
        work = self.open.pop(token, None)
        if work is not None:
            self._counts[work.kind] -= 1
        return work

    async def items(self) -> AsyncGenerator[bytes]:
        """Yield encoded items that are not done yet, and pings in between when there is nothing to send."""
        yield _PING
        while True:
            if self._ended is not None:
                raise CallRefused(StatusCode.NOT_FOUND, self._ended)
            while self._outgoing:
                token, message = self._outgoing.popleft()
                if token in self.open:
                    yield message
            if not await self._more():
                yield _PING

    async def _more(self) -> bool:
        """Wait for an item. Return False if none came for `PING_SECONDS`."""
        loop = asyncio.get_running_loop()
        reader = self._reader = loop.create_future()
        timer = loop.call_later(PING_SECONDS, lambda: reader.done() or reader.set_result(False))
        try:
            return await reader
        finally:
            timer.cancel()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(True)

    def _streams_past_of(self, work: Work) -> bool:
        return self.streams_history and len(work.past) > _STREAMED_FROM
