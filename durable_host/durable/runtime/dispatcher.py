"""Mailboxes and slots: at most so many work items at once, one per instance, all that has arrived in one batch."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from durable_host.clock import Clock
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.taskhub.port import ReceivedMessage

WorkItem = Callable[[InstanceSession, list[ReceivedMessage]], Awaitable[float | None]]
"""Works on a batch of one instance. Returns None when it is dealt with (consumed or given back), or the seconds after
which the same batch must be tried again. Never raises except for cancellation.
"""


class WorkItemDispatcher:
    """Feeds one kind of work item (orchestrations or entities) to its slots."""

    def __init__(
        self, name: str, slots: int, work: WorkItem, release: Callable[[InstanceSession], None], clock: Clock
    ) -> None:
        self.name = name
        self._clock = clock
        self._slots = slots
        self._work = work
        self._release = release
        self._ready: asyncio.Queue[InstanceSession] = asyncio.Queue()
        self._running: set[InstanceSession] = set()
        self._woken: set[InstanceSession] = set()
        self._none_woken = asyncio.Event()
        self._none_woken.set()
        self._stopping = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    def deliver(self, session: InstanceSession, message: ReceivedMessage) -> None:
        """Put a message into the mailbox of an instance; a slot will take it."""
        session.mailbox.append(message)
        if not session.is_scheduled:
            self._schedule(session)

    def wake(self, session: InstanceSession) -> None:
        """Let a slot work on an instance without a message: when it is loaded, its last commit is settled."""
        self._woken.add(session)
        self._none_woken.clear()
        if not session.is_scheduled:
            self._schedule(session)

    async def woken_done(self) -> None:
        """Wait until every instance that was woken has had its turn."""
        await self._none_woken.wait()

    @property
    def running(self) -> list[InstanceSession]:
        """Sessions that a slot works on now."""
        return list(self._running)

    def start_slots(self, group: asyncio.TaskGroup) -> None:
        """Start the slots as tasks of `group`."""
        for number in range(self._slots):
            group.create_task(self._slot(group), name=f"{self.name} slot {number}")

    def close_intake(self) -> None:
        """Begin nothing new from now on, not even what waits in the mailboxes."""
        self._stopping = True

    async def drain(self) -> None:
        """Wait until what runs has ended; after `close_intake`."""
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
            self._schedule(session)
        else:
            session.is_scheduled = False
            self._release(session)

    async def _later(self, session: InstanceSession, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._schedule(session)

    def _schedule(self, session: InstanceSession) -> None:
        session.is_scheduled, session.since = True, time.monotonic()
        self._ready.put_nowait(session)
