"""Orchestrators of the 2.x SDK, kept alive between turns.

A session is the SDK's executor with its context and the user's generator. It is fed the events that it has not seen and
gives the same actions as a replay of the whole history. Where the SDK is not the one that this was written for, or the
code relies on being run from its beginning each time, the SDK's public handle runs it, which replays.

Request: `{key, payload}`, the payload an OrchestratorRequest (base64) with all of history, and with `from` one that
leaves out the first so many events. `until` is the number of events that the history has then. Answer: `{need:
"history"}`, or `{failed: raised}`, or `{response, stuck, position, raised, notes, warnings, fresh}`: the
OrchestratorResponse (base64); whether the code has ended without being able to say so, because it ended while it
replayed; where the code stands; what it raised as `{type, message, stack, file, line, hint}`; notes on the code
(`{kind, text}`), and whether the next request has to bring all of history.

Source: docs/protocol/durable-v2.md#kept-alive-between-turns
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FunctionType
from typing import Any

from . import failures
from .drivable import CannotDrive
from .driving_v2 import Driver, LiveTurns
from .fresh_code import reason_of
from .live_sessions import SESSION_LIMIT, LiveSessions
from .loaded import LoadedFunction
from .orchestrator_errors import describe

REPLAYED = "replayed"
OnLoop = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]
"""Runs a coroutine on the worker's event loop and waits for its result."""


class NumberedSessions:
    """The live sessions of this process by key; the least recently used goes when there are more than `limit`.

    Thread-safe, as long as no two requests of one key run at the same time.
    """

    def __init__(self, on_loop: OnLoop, limit: int = SESSION_LIMIT) -> None:
        self._on_loop = on_loop
        self._sessions: LiveSessions[LiveTurns] = LiveSessions(limit)
        self._drivers: dict[Any, Driver | None] = {}
        self._undrivable: dict[Any, str] = {}
        self._afresh: dict[Any, str] = {}
        self._reported: set[Any] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def handle(self, request: dict[str, Any], function: LoadedFunction) -> dict[str, Any]:
        """Run one turn."""
        key: str = request["key"]
        session = self._sessions.take(key)
        data = base64.b64decode(request["payload"])
        if "from" in request:
            if session is None or session.function is not function or session.seen != request["from"]:
                return {"need": "history"}
            answer = session.run(data)
            # A failure may come from having been kept alive: a replay has the last word.
            return {"need": "history"} if session.has_failed else self._keep(key, session, request, answer)
        driver = self._driver(function)
        if driver is None:
            return self._by_handle(request, function)
        try:
            session = driver.open(function, data)
        except CannotDrive as reason:
            self._undrivable[function.function] = str(reason)
            session = None
        if session is None:
            return self._by_handle(request, function)
        return self._keep(key, session, request, session.run(data))

    def forget(self, key: str) -> None:
        """Drop a session, if there is one."""
        self._sessions.forget(key)

    def _driver(self, function: LoadedFunction) -> Driver | None:
        """None for code that cannot be driven."""
        code = function.function
        if code not in self._drivers:
            self._drivers[code] = None
            user_code = getattr(code, "orchestrator_function", None)
            with suppress(AttributeError, ImportError, TypeError):
                reason = reason_of(user_code) if isinstance(user_code, FunctionType) else None
                if reason is not None:
                    self._afresh[code] = reason
            try:
                self._drivers[code] = Driver()
            except CannotDrive as reason:
                self._undrivable[code] = str(reason)
        return None if code in self._undrivable else self._drivers[code]

    def _by_handle(self, request: dict[str, Any], function: LoadedFunction) -> dict[str, Any]:
        """The SDK's own way, which replays everything."""
        code = function.function
        parameter = next(iter(function.signature.inputs))
        try:
            response: str = self._on_loop(lambda: code(**{parameter: request["payload"]}))
        except Exception as error:
            return {"failed": failures.describe(error)}
        answer: dict[str, Any] = {"response": response, "fresh": True}
        reason = self._undrivable.get(code)
        if reason is not None:
            self._note(answer, code, f"it cannot be driven ({reason})")
        return answer

    def _keep(self, key: str, session: LiveTurns, request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """Keep the session for the next turn, or have the next turn bring all of history."""
        code = session.function.function
        if session.error is not None:
            answer["raised"] = describe(session.error, code)
        reason = self._afresh.get(code)
        if reason is not None:
            answer["fresh"] = True
            self._note(answer, code, reason)
        if session.has_ended or reason is not None:
            session.close()
            return answer
        session.seen = request["until"]
        self._sessions.keep(key, session)
        return answer

    def _note(self, answer: dict[str, Any], code: Any, reason: str) -> None:
        """Say once for each function why it is replayed."""
        if code not in self._reported:
            self._reported.add(code)
            answer["notes"] = [{"kind": REPLAYED, "text": reason}]
