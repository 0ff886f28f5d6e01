"""The stream of work items to one worker."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from durable_host.durable.proto import pb
from durable_host.durable.sidecar.workers.filters import WorkFilters, filters_of
from durable_host.durable.sidecar.workers.work import Kind, Work

PING_SECONDS = 25.0
_STREAMED_FROM = 1024 * 1024
"""In bytes: a worker that can stream histories fetches past events that are larger than this."""
_ROOM_FOR_TOKEN = 64


class WorkStream:
    """The stream of one worker. `open` are the items that the worker has, by token.

    `limits` are the numbers of items of each kind that it accepts; 0 means any number. `size_limit` is the longest
    message, in bytes, that it accepts; None means any length. `is_silent` is true if it has left an item unanswered for
    too long: it gets no more work until it answers something.
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
        self._size_limit = size_limit
        self._counts: dict[Kind, int] = {"orchestration": 0, "activity": 0, "entity": 0}
        self._outgoing: asyncio.Queue[pb.WorkItem] = asyncio.Queue()

    def has_room(self, kind: Kind) -> bool:
        limit = self.limits[kind]
        return not self.is_silent and (limit <= 0 or self._counts[kind] < limit)

    def has_room_for(self, work: Work) -> bool:
        return self.has_room(work.kind) and self.filters.take(work)

    def answered(self) -> None:
        """Record that the worker has answered or abandoned an item."""
        self.is_silent = False
        self.has_answered = True

    def hand_out(self, work: Work, token: str) -> None:
        """Send the work. Work that the worker cannot receive fails for good."""
        item = pb.WorkItem()
        item.CopyFrom(work.request)
        item.completionToken = token
        past_size = sum(event.ByteSize() for event in work.past)
        if work.kind == "orchestration":
            if self.streams_history and past_size > _STREAMED_FROM:
                item.orchestratorRequest.requiresHistoryStreaming = True
            else:
                item.orchestratorRequest.pastEvents.extend(work.past)
        size = item.ByteSize() + _ROOM_FOR_TOKEN
        if self._size_limit is not None and size > self._size_limit:
            work.refuse(
                f"The {work.kind} '{work.name}' of '{work.instance_id}' needs a message of {size} bytes, but "
                f"the limit is {self._size_limit}. Keep inputs, results and histories small (continue as new), "
                "or raise the limit on both sides."
            )
            return
        self.open[token] = work
        self._counts[work.kind] += 1
        self._outgoing.put_nowait(item)

    def take_back(self, token: str) -> Work | None:
        """Remove and return an item, or return None if the worker does not have it."""
        work = self.open.pop(token, None)
        if work is not None:
            self._counts[work.kind] -= 1
        return work

    async def items(self) -> AsyncIterator[pb.WorkItem]:
        """Yield outgoing items that are not done yet, and pings in between when there is nothing to send."""
        yield _ping()
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    item = await self._outgoing.get()
            except TimeoutError:
                yield _ping()
                continue
            if item.completionToken in self.open:
                yield item


def _ping() -> pb.WorkItem:
    return pb.WorkItem(healthPing=pb.HealthPing())
