"""The sessions of a runtime by instance. Sessions are dropped when idle for long, or when there are too many.

A session outlives an episode, so that the next one needs neither the stored history nor a replay. The checkpoint of the
last commit guards it: if another host has committed since, the session is dropped and loaded again.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from itertools import islice

from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.runtime.live_instances import LiveInstances
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.taskhub.port import TaskHub
from durable_host.durable.user_code import UserCode

_log = logging.getLogger("Host.Triggers.DurableTask")

DEFAULT_CAPACITY = 500
IDLE_SECONDS = 900.0
TOUCH_AFTER_SECONDS = 1.0
_EVICTION_CANDIDATES = 16


class SessionCache:
    """Sessions, least recently used first. Also writes the LastUpdatedTime that commits deferred, once a session is
    quiet.
    """

    def __init__(self, hub: TaskHub, code: UserCode, live: LiveInstances, capacity: int = DEFAULT_CAPACITY) -> None:
        self._hub = hub
        self._code = code
        self._live = live
        self._capacity = capacity
        self._sessions: OrderedDict[str, InstanceSession] = OrderedDict()
        self._untouched: set[InstanceSession] = set()
        self._has_work = asyncio.Event()
        live.when_removed(self._forget_removed)

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, instance_id: str) -> InstanceSession:
        """Return the session of an instance. A new one has no state."""
        session = self._sessions.get(instance_id)
        if session is None:
            if len(self._sessions) >= self._capacity:
                self._make_room()
            session = self._sessions[instance_id] = InstanceSession(instance_id)
        else:
            self._sessions.move_to_end(instance_id)
        return session

    def all(self) -> list[InstanceSession]:
        return list(self._sessions.values())

    def loaded(self, session: InstanceSession, last_updated: int) -> None:
        """Record that the history of an instance that has not ended was loaded."""
        self._live.opened(session.instance_id, last_updated)

    def committed(self, session: InstanceSession, update: InstanceUpdate, *, is_written: bool) -> None:
        """Record a commit that did not end the instance. `is_written` is true when it wrote the instance row."""
        last_updated = update.last_updated_time
        self._live.opened(session.instance_id, last_updated)
        self._live.changed(session.instance_id, update)
        if is_written:
            session.pending_touch = None
            return
        session.pending_touch = last_updated
        self._untouched.add(session)
        self._has_work.set()

    def drop_state(self, session: InstanceSession) -> None:
        """Forget the state in memory, so that the next work item loads the history again."""
        state, session.state, session.entity, session.checkpoint = session.state, None, None, None
        session.timers = set()
        self._live.closed(session.instance_id)
        if state is not None and state.execution_id is not None:
            self._code.forget(session.instance_id, state.execution_id)

    def ended(self, session: InstanceSession, update: InstanceUpdate | None) -> None:
        """Record that the end of the instance was committed, with this update of its row."""
        session.pending_touch = None
        self._untouched.discard(session)
        self.drop_state(session)
        self._live.ended(session.instance_id)
        if update is not None:
            self._live.changed(session.instance_id, update)

    def release(self, session: InstanceSession) -> None:
        """End a work item. A session that has nothing to keep is removed."""
        session.last_used = time.monotonic()
        keeps_nothing = not session.has_state and session.is_idle and session.pending_touch is None
        if keeps_nothing and self._sessions.get(session.instance_id) is session:
            del self._sessions[session.instance_id]

    async def write_deferred_times(self) -> None:
        """Write the LastUpdatedTime of sessions that have become quiet, until cancelled."""
        while True:
            await self._has_work.wait()
            await asyncio.sleep(TOUCH_AFTER_SECONDS)
            await self.flush(quiet_for=TOUCH_AFTER_SECONDS)

    async def sweep_idle(self) -> None:
        """Drop sessions that have been idle for long, until cancelled."""
        while True:
            await asyncio.sleep(IDLE_SECONDS / 10)
            self._drop_idle(time.monotonic() - IDLE_SECONDS)

    async def flush(self, *, quiet_for: float = 0.0) -> None:
        """Write the deferred times of sessions that have been idle for `quiet_for` seconds."""
        limit = time.monotonic() - quiet_for
        for session in [one for one in self._untouched if one.is_idle and one.last_used <= limit]:
            self._untouched.discard(session)
            pending, session.pending_touch = session.pending_touch, None
            if pending is None:
                continue
            try:
                await self._hub.touch_instance(session.instance_id, pending)
            except Exception as error:
                _log.debug("LastUpdatedTime of '%s' was not written: %s", session.instance_id, error)
            self.release(session)
        if not self._untouched:
            self._has_work.clear()

    def _make_room(self) -> None:
        """Make room for a new session. It must not be evicted itself, although it is idle until its first message."""
        excess = len(self._sessions) + 1 - self._capacity
        oldest = islice(self._sessions.values(), excess + _EVICTION_CANDIDATES)
        for session in [one for one in oldest if self._can_evict(one)][:excess]:
            self._evict(session)

    def _drop_idle(self, limit: float) -> None:
        for session in [one for one in self._sessions.values() if one.last_used < limit and self._can_evict(one)]:
            self._evict(session)

    def _forget_removed(self, instance_id: str) -> None:
        session = self._sessions.get(instance_id)
        if session is not None and session.is_idle:
            session.pending_touch = None
            self._untouched.discard(session)
            self._evict(session)

    def _can_evict(self, session: InstanceSession) -> bool:
        return session.is_idle and session.pending_touch is None

    def _evict(self, session: InstanceSession) -> None:
        self.drop_state(session)
        del self._sessions[session.instance_id]
