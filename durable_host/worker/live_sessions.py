"""The live sessions of this process: orchestrations whose code stays alive between turns."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

SESSION_LIMIT = 2000


class LiveSession(Protocol):
    def close(self) -> object: ...


Session = TypeVar("Session", bound=LiveSession)


class LiveSessions(Generic[Session]):
    """Sessions by key. With more than `limit`, the oldest is dropped. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def take(self, key: str) -> Session | None:
        """Remove and return a session for its next turn."""
        with self._lock:
            return self._sessions.pop(key, None)

    def keep(self, key: str, session: Session) -> None:
        """Keep a session for its next turn."""
        with self._lock:
            self._sessions[key] = session
            evicted = [self._sessions.popitem(last=False)[1] for _ in range(len(self._sessions) - self._limit)]
        for old in evicted:
            old.close()

    def forget(self, key: str) -> None:
        """Drop a session, if there is one."""
        session = self.take(key)
        if session is not None:
            session.close()
