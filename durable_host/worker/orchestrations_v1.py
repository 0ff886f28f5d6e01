"""Runs orchestrators of the 1.x SDK and keeps them alive between episodes.

A session has the SDK's executor, its context and the user's generator. It receives only new events, one by one, and
reports for each new action during which event it appeared. Code that must not be kept alive, because a replay would
continue differently (see `witness`), runs over the whole history in each episode. If an SDK cannot be driven at all,
its public `handle` runs instead (`one_shot`). All ways give the same answers.

Request: `{key, until, newFrom}` with either `payload` (the trigger payload with the whole history) or `from` and
`events` (`[[index, event], ...]`). With `once`, the session is not kept, and the answer has the `waits` for external
events (`{name, since, place}`) and the numbers of timers that are `parts` of longer ones. Answer: `{need: "history"}`,
or `{failed: raised}`, or `{state, at, first, canceled, ended, position, places, stack, raised, early, warnings, notes,
fresh, waits, parts}`: the SDK's own answer with only the actions from number `first` on, the index of the event of
each of them, newly cancelled timers as `[action, leaf]`, the index of the event during which the code ended, the
position of the code, after a replay also its position at each action (`[texts, [number of its text for each
action]]`), the traceback and the fields `{type, message, stack, file, line, hint}` if it raised, the names of early
events that waits have consumed, notes about the code (`{kind, text}`, with `position` and the index `at` of the event
during which something happened), and whether the next request must contain the whole history.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import FunctionType
from typing import Any

from . import failures
from .drivable import CannotDrive, user_code_of
from .fresh_code import reason_of
from .live_orchestration import LiveOrchestration, UserBodyFailed
from .live_sessions import SESSION_LIMIT, LiveSessions
from .one_shot import replay
from .orchestrator_errors import describe
from .sdk_warnings import leave_out_early_events

Function = Callable[..., Any]
REPLAYED, QUESTIONED = "replayed", "questioned"
ASTRAY = "it uses the context of another run, probably through a global variable"


class OrchestrationSessions:
    """The live sessions of this process by key. With more than `limit`, the least recently used is dropped.

    Thread-safe, as long as no two requests of one key run at the same time. Functions that are replayed in each episode
    run one at a time: they may rely on a global variable, which no other run may change in the meantime.
    """

    def __init__(self, limit: int = SESSION_LIMIT) -> None:
        self._sessions: LiveSessions[LiveOrchestration] = LiveSessions(limit)
        self._undrivable: set[Function] = set()
        self._fresh_code: dict[Function, str | None] = {}
        self._one_at_a_time = threading.RLock()
        self._doubted: dict[str, str] = {}
        self._reported: set[tuple[str, Function]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def handle(self, request: dict[str, Any], function: Function) -> dict[str, Any]:
        """Run one turn. `function` is the result of the SDK's decorator."""
        key: str = request["key"]
        session = self._sessions.take(key)
        if "payload" not in request:
            return self._continue(session, request, function, key)
        if session is not None:
            session.close()
        if function in self._undrivable:
            return replay(function, request["payload"])
        if self._is_fresh_code(function):
            with self._one_at_a_time:
                return self._begin(request, function, key)
        return self._begin(request, function, key)

    def _begin(self, request: dict[str, Any], function: Function, key: str) -> dict[str, Any]:
        payload: str = request["payload"]
        leave_out_early_events()
        try:
            session = LiveOrchestration(function, payload)
            if request.get("once"):
                session.record_waits()
            answer = session.begin(request["newFrom"])
        except BaseException as error:
            failure = error
        else:
            return self._begun(session, answer, request, key)
        # Outside the handler, because an error of the replay is unrelated to this one and must not be chained to it.
        if isinstance(failure, CannotDrive):
            return self._replay_from_now_on(function, payload, failure)
        return self._confirm_by_replay(failure, function, payload)

    def _begun(
        self, session: LiveOrchestration, answer: dict[str, Any], request: dict[str, Any], key: str
    ) -> dict[str, Any]:
        doubt = self._doubted.pop(key, None)
        function = session.function
        if doubt is not None and "stack" not in answer:
            self._fresh_code[function] = f"kept alive it failed ({doubt}), and in a replay it does not"
        if session.witness.has_foreign_use and self._fresh_code[function] is None:
            self._fresh_code[function] = ASTRAY
            session.close()
            with self._one_at_a_time:
                return self._begin(request, function, key)
        return self._keep(key, session, request, answer)

    def forget(self, key: str) -> None:
        """Drop a session, if there is one."""
        self._doubted.pop(key, None)
        self._sessions.forget(key)

    def _continue(
        self, session: LiveOrchestration | None, request: dict[str, Any], function: Function, key: str
    ) -> dict[str, Any]:
        if session is None:
            return {"need": "history"}
        can_go_on = (
            session.function is function
            and session.seen == request["from"]
            and session.witness.is_current
            and self._fresh_code[function] is None
        )
        answer = self._advanced(session, request, key) if can_go_on else None
        if answer is None:
            session.close()
            return {"need": "history"}
        return self._keep(key, session, request, answer)

    def _advanced(self, session: LiveOrchestration, request: dict[str, Any], key: str) -> dict[str, Any] | None:
        """The answer; None if a replay may give a different one."""
        try:
            answer = session.advance(request["events"], request["newFrom"])
        except BaseException:
            return None
        error, witness = session.own_error, session.witness
        if witness.obstacle is not None or witness.has_foreign_use:
            self._fresh_code[session.function] = witness.obstacle or ASTRAY
            return None
        if error is not None:
            self._doubted[key] = f"{type(error).__name__}: {failures.text_of(error)}"
            return None
        return answer

    def _is_fresh_code(self, function: Function) -> bool:
        """True for code that is known to rely on running from its beginning in each episode."""
        if function not in self._fresh_code:
            self._fresh_code[function] = None
            with suppress(CannotDrive, ImportError, AttributeError):
                code = user_code_of(function)
                if isinstance(code, FunctionType):
                    self._fresh_code[function] = reason_of(code)
        return self._fresh_code[function] is not None

    def _confirm_by_replay(self, error: BaseException, function: Function, payload: str) -> dict[str, Any]:
        """Check a failure of a driven orchestrator: if `handle` succeeds, this SDK cannot be driven."""
        if isinstance(error, UserBodyFailed):
            return {"failed": describe(error.error, function)}
        answer = replay(function, payload)
        return answer if "failed" in answer else self._replay_from_now_on(function, payload, error)

    def _replay_from_now_on(self, function: Function, payload: str, reason: BaseException) -> dict[str, Any]:
        self._undrivable.add(function)
        answer = replay(function, payload)
        if "failed" not in answer:
            self._note(answer, REPLAYED, function, f"it cannot be driven ({type(reason).__name__}: {reason})")
        return answer

    def _keep(
        self, key: str, session: LiveOrchestration, request: dict[str, Any], answer: dict[str, Any]
    ) -> dict[str, Any]:
        """Keep the session for the next turn, or request the whole history for it."""
        function, witness = session.function, session.witness
        if request.get("once"):
            session.close()
            return answer
        if witness.obstacle is not None and self._fresh_code[function] is None:
            self._fresh_code[function] = witness.obstacle
        reason = self._fresh_code[function]
        if reason is not None:
            self._note(answer, REPLAYED, function, reason)
        elif witness.question is not None:
            self._note(answer, QUESTIONED, function, f"it asks context.is_replaying at {witness.question}")
        if session.has_ended:
            return answer
        if reason is not None or not witness.is_current:
            session.close()
            answer["fresh"] = True
            return answer
        session.seen = request["until"]
        self._sessions.keep(key, session)
        return answer

    def _note(self, answer: dict[str, Any], kind: str, function: Function, reason: str) -> None:
        """Add a note, once for each function, about why it is replayed."""
        if (kind, function) in self._reported:
            return
        self._reported.add((kind, function))
        answer.setdefault("notes", []).append({"kind": kind, "text": reason})
