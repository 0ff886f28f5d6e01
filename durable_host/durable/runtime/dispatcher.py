"""Mailboxes and slots: runs a limited number of work items at once, one per instance, with all messages so far."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from durable_host.clock import Clock
from durable_host.durable.runtime.gathering import Gathering, gathering_of
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.taskhub.port import ReceivedMessage

RunWorkItem = Callable[[InstanceSession, list[ReceivedMessage]], Awaitable[float | None]]
"""Processes a batch of one instance.

Returns None when the batch was consumed or released, or the seconds after which to retry it. Raises only on
cancellation.
"""


class WorkItemDispatcher:
    """Passes one kind of work item (orchestrations or entities) to its slots.

    With `gathers`, results wait shortly for other results of the same instance (see `gathering`).
    """

    def __init__(
        self,
        name: str,
        slots: int,
        work: RunWorkItem,
        release: Callable[[InstanceSession], None],
        clock: Clock,
        *,
        gathers: bool = False,
    ) -> None:
        self.name = name
        self._gathers = gathers
        self._clock = clock
        self._slots = slots
        self._started = 0
        self._work = work
        self._release = release
        self._ready: asyncio.Queue[InstanceSession] = asyncio.Queue()
        self._running: set[InstanceSession] = set()
        self._woken: set[InstanceSession] = set()
        self._none_woken = asyncio.Event()
        self._none_woken.set()
        self._group: asyncio.TaskGroup | None = None
        self._stopping = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    def deliver(self, session: InstanceSession, message: ReceivedMessage) -> None:
        """Add a message to the mailbox of an instance and schedule the instance for a slot."""
        session.mailbox.append(message)
        if session.is_scheduled:
            return
        if session.gathering is None:
            self._gather_or_schedule(session)
        elif not session.gathering.keeps_waiting(session.mailbox, time.monotonic()):
            self._schedule(session)

    def wake(self, session: InstanceSession) -> None:
        """Schedule an instance without a message, so that it is loaded and its last commit is settled."""
        self._woken.add(session)
        self._none_woken.clear()
        if not session.is_scheduled:
            self._schedule(session)

    async def woken_processed(self) -> None:
        """Wait until every woken instance has been processed."""
        await self._none_woken.wait()

    @property
    def running(self) -> list[InstanceSession]:
        """The sessions that are being processed."""
        return list(self._running)

    def start_slots(self, group: asyncio.TaskGroup) -> None:
        """Process work items in tasks of `group`. A slot starts when there is work for it: there may be thousands."""
        self._group = group
        for _ in range(self._ready.qsize()):
            self._start_slot_if_needed()

    def close_intake(self) -> None:
        """Start no more work items, even if mailboxes are not empty."""
        self._stopping = True

    async def drain(self) -> None:
        """Wait until all running work items have ended. Call `close_intake` first."""
        await self._quiet.wait()

    async def _slot(self, group: asyncio.TaskGroup) -> None:
        while True:
            session = await self._ready.get()
            if self._stopping:
                continue
            self._running.add(session)
            self._quiet.clear()
            try:
                await self._turn(session, group)
            finally:
                self._running.discard(session)
                self._woken.discard(session)
                if not self._woken:
                    self._none_woken.set()
                if not self._running:
                    self._quiet.set()

    async def _turn(self, session: InstanceSession, group: asyncio.TaskGroup) -> None:
        batch, session.mailbox = session.mailbox, []
        session.is_running, session.since = True, time.monotonic()
        retry_after = await self._work(session, batch)
        session.is_running = False
        if retry_after is not None:
            session.mailbox[:0] = batch
            group.create_task(self._later(session, retry_after))
        elif session.mailbox:
            self._gather_or_schedule(session)
        else:
            session.is_scheduled = False
            self._release(session)

    async def _later(self, session: InstanceSession, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._schedule(session)

    def _gather_or_schedule(self, session: InstanceSession) -> None:
        gathering = gathering_of(session.state, session.mailbox, time.monotonic()) if self._gathers else None
        if gathering is None or self._group is None:
            self._schedule(session)
            return
        session.is_scheduled, session.gathering = False, gathering
        self._group.create_task(self._gather(session, gathering))

    async def _gather(self, session: InstanceSession, gathering: Gathering) -> None:
        while session.gathering is gathering and (seconds := gathering.due - time.monotonic()) > 0:
            await self._clock.sleep(seconds)
        if session.gathering is gathering:
            self._schedule(session)

    def _schedule(self, session: InstanceSession) -> None:
        session.gathering = None
        session.is_scheduled, session.since = True, time.monotonic()
        self._ready.put_nowait(session)
        self._start_slot_if_needed()

    def _start_slot_if_needed(self) -> None:
        waiting = self._started - len(self._running)
        if self._group is not None and waiting < self._ready.qsize() and self._started < self._slots:
            self._group.create_task(self._slot(self._group), name=f"{self.name} slot {self._started}")
            self._started += 1
