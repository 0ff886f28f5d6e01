"""Orchestrators of the 1.x SDK, kept alive between episodes.

A session is the SDK's executor with its context and the user's generator. It is fed only events that it has not seen,
one by one, and tells for each new action during which event it appeared. An SDK that cannot be driven so is run by
its public `handle` instead (`one_shot`), which replays all of history each time; both give the same answers.

Request: `{key, until, newFrom}` with either `payload` (text of the trigger payload, all of history) or `from` and
`events` (`[[index, event], ...]`). Answer: `{need: "history"}`, or `{failed: raised}`, or
`{state, at, first, canceled, ended, position, places, stack, raised, early, warnings}`: the SDK's own answer with only
the actions from number `first` on, the index of the event of each of them, timers cancelled since as `[action, leaf]`,
the index of the event during which the code ended, where the code stands, after a replay also where it stood at each
action (`[texts, [number of its text for each action]]`), the traceback and the fields `{type, message, stack, file,
line, hint}` if it raised, and the names of early events that waits have taken.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .live_orchestration import CannotDrive, LiveOrchestration, UserBodyFailed
from .one_shot import replay
from .orchestrator_errors import describe

Function = Callable[..., Any]
SESSION_LIMIT = 2000


class OrchestrationSessions:
    """The live sessions of this process by key; the least recently used goes when there are more than `limit`.

    Thread-safe, as long as no two requests of one key run at the same time.
    """

    def __init__(self, limit: int = SESSION_LIMIT) -> None:
        self._limit = limit
        self._sessions: OrderedDict[str, LiveOrchestration] = OrderedDict()
        self._lock = threading.Lock()
        self._undrivable: set[int] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def handle(self, request: dict[str, Any], function: Function) -> dict[str, Any]:
        """Run one turn. `function` is what the SDK's decorator made of the user's orchestrator."""
        key: str = request["key"]
        session = self._take(key)
        if "payload" not in request:
            return self._continue(session, request, function, key)
        payload: str = request["payload"]
        if id(function) in self._undrivable:
            return replay(function, payload)
        try:
            session = LiveOrchestration(function, payload)
            answer = session.begin(request["newFrom"])
        except CannotDrive as reason:
            return self._replay_from_now_on(function, payload, reason)
        except BaseException as error:
            return self._second_opinion(error, function, payload)
        self._keep(key, session, request)
        return answer

    def forget(self, key: str) -> None:
        """Drop a session, if there is one."""
        self._take(key)

    def _continue(
        self, session: LiveOrchestration | None, request: dict[str, Any], function: Function, key: str
    ) -> dict[str, Any]:
        if session is None or session.function is not function or session.seen != request["from"]:
            return {"need": "history"}
        try:
            answer = session.advance(request["events"], request["newFrom"])
        except BaseException:
            return {"need": "history"}
        self._keep(key, session, request)
        return answer

    def _second_opinion(self, error: BaseException, function: Function, payload: str) -> dict[str, Any]:
        """Driving failed: user code's doing if `handle` fails as well, else this SDK is not to be driven."""
        if isinstance(error, UserBodyFailed):
            return {"failed": describe(error.error, function)}
        answer = replay(function, payload)
        return answer if "failed" in answer else self._replay_from_now_on(function, payload, error)

    def _replay_from_now_on(self, function: Function, payload: str, reason: BaseException) -> dict[str, Any]:
        self._undrivable.add(id(function))
        answer = replay(function, payload)
        if "failed" not in answer:
            name = getattr(function, "__name__", "orchestrator")
            answer.setdefault("warnings", []).append(
                f"The installed azure-functions-durable does not let '{name}' be kept alive between episodes, so each "
                f"episode replays its whole history ({type(reason).__name__}: {reason})."
            )
        return answer

    def _take(self, key: str) -> LiveOrchestration | None:
        with self._lock:
            return self._sessions.pop(key, None)

    def _keep(self, key: str, session: LiveOrchestration, request: dict[str, Any]) -> None:
        if session.has_ended:
            return
        session.seen = request["until"]
        with self._lock:
            self._sessions[key] = session
            evicted = [self._sessions.popitem(last=False) for _ in range(len(self._sessions) - self._limit)]
        del evicted
