"""Live sessions of 2.x orchestrators: one that does not fit the request is closed, so that the user's code ends."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from durable_host.worker.orchestrations_v2 import NumberedSessions

PAYLOAD = base64.b64encode(b"").decode()


class Turns:
    """Stands in for the SDK's executor with the user's generator."""

    def __init__(self, function: Any, *, has_failed: bool = False) -> None:
        self.function = function
        self.seen = 3
        self.has_failed = has_failed
        self.has_ended = False
        self.error = None
        self.is_closed = False

    def run(self, data: bytes) -> dict[str, Any]:
        return {"response": ""}

    def close(self) -> None:
        self.is_closed = True


class Function:
    """Stands in for a loaded function that the SDK cannot drive."""

    def __init__(self) -> None:
        self.function: Callable[..., Any] = lambda **_: ""
        self.signature = type("Signature", (), {"inputs": {"context": None}})


def handled(session: Turns, request: dict[str, Any], function: Any) -> tuple[dict[str, Any], NumberedSessions]:
    sessions = NumberedSessions(lambda run: "replayed")
    sessions._sessions.keep("k", session)  # type: ignore[arg-type]
    return sessions.handle({"key": "k", "payload": PAYLOAD, "until": 5, **request}, function), sessions


def test_a_session_that_fits_is_kept() -> None:
    function = Function()
    session = Turns(function)
    answer, sessions = handled(session, {"from": 3}, function)
    assert answer == {"response": ""}
    assert (session.is_closed, session.seen, len(sessions)) == (False, 5, 1)


@pytest.mark.parametrize(
    ("request_", "is_reloaded", "has_failed"),
    [({"from": 2}, False, False), ({"from": 3}, True, False), ({"from": 3}, False, True)],
    ids=["behind", "of reloaded code", "failed"],
)
def test_a_session_that_does_not_fit_is_closed(request_: dict[str, Any], is_reloaded: bool, has_failed: bool) -> None:
    function = Function()
    session = Turns(Function() if is_reloaded else function, has_failed=has_failed)
    answer, sessions = handled(session, request_, function)
    assert answer == {"need": "history"}
    assert (session.is_closed, len(sessions)) == (True, 0)


def test_a_session_is_closed_when_its_history_comes_again() -> None:
    function = Function()
    session = Turns(function)
    answer, sessions = handled(session, {}, function)
    assert answer["response"] == "replayed"
    assert (session.is_closed, len(sessions)) == (True, 0)
