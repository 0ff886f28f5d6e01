"""Assigns work to workers, and takes it back when a worker disconnects.

Source: docs/protocol/durable-grpc.md#workers
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from durable_host.durable.sidecar.workers.work import Kind, Work
from durable_host.durable.sidecar.workers.work_stream import WorkStream
from durable_host.durable.user_code import LostRun

TURN_PATIENCE = 20.0
"""Seconds until another worker also gets a turn of an orchestration, or a batch of an entity, that was not answered."""

ACTIVITY_PATIENCE = 120.0
"""Seconds until another worker also gets an activity, if the worker that has it has never answered anything. Other
workers may take any time while they are connected."""
MAX_REMEMBERED = 10_000
TOO_LARGE = "MessageTooLarge"


class UnknownToken(Exception):
    """No work item has this completion token, or it is of a different kind."""

    def __init__(self, token: str) -> None:
        super().__init__(f"There is no work item with the completion token '{token}'.")


class WorkBoard:
    """The work that waits for a worker, in order, and the streams of the connected workers.

    `version_of` returns the version of an instance. Work without a version of its own is matched by it.
    """

    def __init__(self, version_of: Callable[[str], Awaitable[str | None]]) -> None:
        self._version_of = version_of
        self._waiting: dict[Kind, OrderedDict[Work, None]] = {
            "orchestration": OrderedDict(),
            "entity": OrderedDict(),
            "activity": OrderedDict(),
        }
        self._streams: list[WorkStream] = []
        self._holders: dict[str, tuple[Work, WorkStream]] = {}
        self._done: OrderedDict[str, None] = OrderedDict()

    @property
    def worker_count(self) -> int:
        return len(self._streams)

    async def run(self, work: Work) -> Any:
        """Return the worker's answer. Raises WorkFailed. On cancellation, the work is withdrawn."""
        if work.kind == "activity" and not work.version:
            work.version = await self._version_of(work.instance_id)
        patience = ACTIVITY_PATIENCE if work.kind == "activity" else TURN_PATIENCE
        loop = asyncio.get_running_loop()

        def look_for_another() -> None:
            nonlocal timer
            timer = loop.call_later(patience, look_for_another)
            self._look_for_another(work)

        timer = loop.call_later(patience, look_for_another)
        try:
            self._offer(work)
            return await work.answer
        finally:
            timer.cancel()
            self._forget(work)

    def connect(self, stream: WorkStream) -> None:
        """Add the stream of a worker that has connected."""
        self._streams.append(stream)
        self._assign()

    def disconnect(self, stream: WorkStream) -> None:
        """Remove the stream of a worker. Its unfinished work returns to the front of the queue, or fails after a few
        times.
        """
        if stream in self._streams:
            self._streams.remove(stream)
        unsent = stream.unsent
        was_alone = len(stream.open) == 1
        for token in reversed(list(stream.open)):
            self._holders.pop(token, None)
            work = stream.take_back(token)
            if work is not None and not work.is_done and token not in unsent:
                work.lose(LostRun("its worker disconnected", is_certain=was_alone))
            if work is not None and not work.is_done and not self._is_held(work):
                self._waiting[work.kind][work] = None
                self._waiting[work.kind].move_to_end(work, last=False)
        self._assign()

    def end(self, reason: str) -> None:
        """Disconnect all workers, which get `reason`."""
        for stream in list(self._streams):
            stream.end(reason)

    def work_of(self, token: str, kind: Kind) -> Work | None:
        """Return the work with this token, or None if it was already done. Raises UnknownToken."""
        held = self._holders.get(token)
        if held is None:
            if token in self._done:
                return None
            raise UnknownToken(token)
        if held[0].kind != kind:
            raise UnknownToken(token)
        return held[0]

    def complete(self, token: str, kind: Kind, answer: object) -> None:
        """Record a worker's answer. A repeated answer is ignored. Raises UnknownToken."""
        work = self.work_of(token, kind)
        if work is None:
            return
        work.finish(answer)
        self._holders[token][1].answered()

    def abandon(self, token: str, kind: Kind) -> Work | None:
        """Take work back from a worker that does not do it. Returns the work for `put_back`, or None for an unknown
        token.
        """
        held = self._holders.get(token)
        if held is None or held[0].kind != kind:
            return None
        work, stream = held
        del self._holders[token]
        stream.take_back(token)
        work.abandoned_by[stream] = work.abandoned_by.get(stream, 0) + 1
        self._end_reservation(work)
        stream.answered()
        self._assign()
        return work

    def put_back(self, work: Work) -> None:
        """Offer abandoned work to all workers again."""
        if not work.is_done and not self._is_held(work) and work not in self._waiting[work.kind]:
            self._offer(work)

    def turn_of(self, instance_id: str) -> Work | None:
        """Return the turn of the instance that a worker currently has."""
        for work, _ in self._holders.values():
            if work.kind == "orchestration" and work.instance_id == instance_id and not work.is_done:
                return work
        return None

    def _look_for_another(self, work: Work) -> None:
        """Offer work to another worker, because the one that has it is silent. If that one answers after all, its
        answer counts.

        If there is no other worker, the same worker gets it again, because it may have lost the work.
        """
        holders = [stream for held, stream in self._holders.values() if held is work]
        if work.is_suspect and not holders:
            work.may_share_worker = True
            self._end_reservation(work)
            self._assign()
        if not holders or work.is_done:
            return
        if work in self._waiting[work.kind]:
            for stream in self._streams:
                stream.is_silent = False
            self._assign()
            return
        if work.kind == "activity":
            others = [stream for stream in self._streams if stream not in holders and stream.has_room_for(work)]
            if not others or any(stream.has_answered for stream in holders):
                return
        for stream in holders:
            stream.is_silent = True
        self._offer(work)

    def _offer(self, work: Work) -> None:
        self._waiting[work.kind][work] = None
        self._assign()

    def _assign(self) -> None:
        """Assign work to workers with room for it. Other work keeps its order."""
        for kind, waiting in self._waiting.items():
            passed_over: list[Work] = []
            while waiting and self._has_room(kind):
                work, _ = waiting.popitem(last=False)
                if work.is_done:
                    continue
                stream = self._stream_for(work)
                if stream is not None:
                    self._hand_out(work, stream)
                elif not work.is_done:
                    passed_over.append(work)
            for work in reversed(passed_over):
                waiting[work] = None
                waiting.move_to_end(work, last=False)

    def _has_room(self, kind: Kind) -> bool:
        return any(one.has_room(kind) or (one.reserved_for and one.has_room_for_suspect(kind)) for one in self._streams)

    def _hand_out(self, work: Work, stream: WorkStream) -> None:
        token = str(uuid.uuid4())
        stream.hand_out(work, token)
        work.tokens.add(token)
        self._holders[token] = (work, stream)

    def _stream_for(self, work: Work) -> WorkStream | None:
        """Return the stream with the least work, or None if there is no room. Fail work that no worker can receive."""
        takers = [stream for stream in self._streams if stream.filters.take(work)]
        able = [stream for stream in takers if stream.excess_of(work) <= 0]
        if takers and not able:
            self._too_large(work, takers)
        if work.is_suspect and not work.may_share_worker:
            return self._reserved_for(work, able)
        fitting = [stream for stream in able if stream.has_room(work.kind)]

        def preference(stream: WorkStream) -> tuple[int, int]:
            return work.abandoned_by.get(stream, 0), len(stream.open)

        return min(fitting, key=preference) if fitting else None

    def _reserved_for(self, work: Work, able: list[WorkStream]) -> WorkStream | None:
        """Return a worker that has nothing else, or None while the one with the least work finishes that."""
        free = [stream for stream in able if stream.reserved_for in (None, work)]
        if not free:
            return None
        idle = [stream for stream in free if stream.has_room_for_suspect(work.kind)]
        stream = idle[0] if idle else min(free, key=lambda stream: (stream.reserved_for is None, len(stream.open)))
        self._end_reservation(work)
        stream.reserved_for = work
        return stream if idle else None

    def _end_reservation(self, work: Work) -> None:
        for stream in self._streams:
            if stream.reserved_for is work:
                stream.reserved_for = None

    @staticmethod
    def _too_large(work: Work, takers: list[WorkStream]) -> None:
        nearest = min(takers, key=lambda stream: stream.excess_of(work))
        limit = nearest.size_limit or 0
        work.fail(
            TOO_LARGE,
            f"The {work.kind} '{work.name}' of '{work.instance_id}' needs a message of "
            f"{limit + nearest.excess_of(work)} bytes, but the limit is {limit}. Keep inputs, results and histories "
            "small (continue as new), or raise the limit on both sides.",
        )

    def _is_held(self, work: Work) -> bool:
        return any(token in self._holders for token in work.tokens)

    def _forget(self, work: Work) -> None:
        """Forget work that is done or no longer wanted."""
        for token in work.tokens:
            held = self._holders.pop(token, None)
            if held is not None:
                held[1].take_back(token)
            self._done[token] = None
        while len(self._done) > MAX_REMEMBERED:
            self._done.popitem(last=False)
        if not work.answer.done():
            work.answer.cancel()
        self._waiting[work.kind].pop(work, None)
        self._end_reservation(work)
        self._assign()
