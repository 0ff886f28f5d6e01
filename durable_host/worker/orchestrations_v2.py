"""Runs orchestrators of the 2.x SDK and keeps them alive between turns.

A session has the SDK's executor, its context and the user's generator. It receives only new events and gives the same
actions as a replay of the whole history. If the SDK is not a supported one, or if the code relies on running from its
beginning each time, the SDK's public handle runs it with a replay.

Request: `{key, payload}`, where the payload is an OrchestratorRequest (base64) with the whole history, or, with
`from`, without that many first events. `until` is the number of events in the history after the turn. With `once`, the
session is not kept, and the answer has the `waits` for external events (`{name, since, place, canceled}`) and the
numbers of `open` tasks and of timers that are `parts` of longer ones. Answer: `{need: "history"}`, or `{failed:
raised}`, or `{response, stuck, position, raised, notes, warnings, fresh, waits, open, parts}`: the
OrchestratorResponse (base64); whether the code ended during a replay, so that the response does not show it; the
position of the code; its exception as `{type, message, stack, file, line, hint}`; notes about the code (`{kind,
text}`), and whether the next request must contain the whole history.

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
    """The live sessions of this process by key. With more than `limit`, the least recently used is dropped.

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
            return self._continue(session, request, function, data)
        if session is not None:
            session.close()
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
        if request.get("once"):
            session.record_waits()
        return self._keep(key, session, request, session.run(data))

    def forget(self, key: str) -> None:
        """Drop a session, if there is one."""
        self._sessions.forget(key)

    def _continue(
        self, session: LiveTurns | None, request: dict[str, Any], function: LoadedFunction, data: bytes
    ) -> dict[str, Any]:
        """Run a turn with new events only; without a session that fits, request the whole history."""
        if session is None:
            return {"need": "history"}
        if session.function is function and session.seen == request["from"]:
            answer = session.run(data)
            # The code may have failed because it was kept alive, so the replay decides.
            if not session.has_failed:
                return self._keep(request["key"], session, request, answer)
        session.close()
        return {"need": "history"}

    def _driver(self, function: LoadedFunction) -> Driver | None:
        """The driver; None for code that cannot be driven."""
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
        """Run the SDK's handle, which replays the whole history."""
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
        """Keep the session for the next turn, or request the whole history for it."""
        code = session.function.function
        if session.error is not None:
            answer["raised"] = describe(session.error, code)
        if request.get("once"):
            session.close()
            return answer
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
        """Add a note, once for each function, about why it is replayed."""
        if code not in self._reported:
            self._reported.add(code)
            answer["notes"] = [{"kind": REPLAYED, "text": reason}]
