"""Decodes the worker's answer to a turn of an orchestrator.

Source: docs/protocol/durable-actions.md#the-answer
"""

import json
from contextlib import suppress
from typing import Any

import msgspec

from durable_host.durable.sdk.v1_actions import PYTHON_RULES, ActionRules, BadAnswer, decode_actions
from durable_host.durable.user_code import CodeNote, OrchestratorAnswer, Step, event_waits_in
from durable_host.invocation.code_failure import CodeFailure, read_code_failure

NOT_JSON = "Out of proc orchestrators must return a valid JSON schema"


class _State(msgspec.Struct, rename="camel"):
    """The SDK's answer. Values that are stored as text are not decoded."""

    is_done: bool = False
    schema_version: int = 0
    actions: Any = None
    output: msgspec.Raw | None = None
    error: str | None = None
    custom_status: msgspec.Raw | None = None


_decoder = msgspec.json.Decoder(_State)


def decode_answer(frame: dict[str, Any], rules: ActionRules = PYTHON_RULES) -> OrchestratorAnswer:
    """Decode the worker's answer `frame` (see `worker/orchestrations_v1.py`)."""
    failed: dict[str, Any] | None = frame.get("failed")
    if failed is not None:
        return plain_failure(f"{failed['type']}: {failed['message']}", failed.get("stack"), read_code_failure(failed))
    try:
        state = _decode_state(frame.get("state") or "")
        actions = decode_actions(state.actions, state.schema_version, rules)
    except BadAnswer as bad:
        return plain_failure(str(bad), None)
    return OrchestratorAnswer(
        steps=[
            Step(index, action, position)
            for index, action, position in zip(frame["at"], actions, _positions(frame, len(actions)), strict=True)
        ],
        first_action=frame["first"],
        canceled_timers=[(number, leaf) for number, leaf in frame.get("canceled", ())],
        is_done=state.is_done,
        ended_at=frame.get("ended"),
        output=_compact(state.output),
        error=state.error or _raised(frame.get("stack")),
        error_details=frame.get("stack"),
        custom_status=_compact(state.custom_status),
        warnings=tuple(frame.get("warnings", ())),
        notes=[
            CodeNote(note["kind"], note["text"], note.get("position"), note.get("at"))
            for note in frame.get("notes", ())
        ],
        position=frame.get("position"),
        consumed_early_events=tuple(frame.get("early", ())),
        failure=read_code_failure(frame["raised"]) if frame.get("raised") else None,
        event_waits=event_waits_in(frame),
        timer_parts=frame.get("parts", ()),
    )


def _raised(stack: str | None) -> str | None:
    """Return the last line of the traceback, because old SDKs omit the error if the exception has no text."""
    return None if stack is None else stack.strip().rpartition("\n")[2] or "Exception"


def _positions(frame: dict[str, Any], count: int) -> list[str | None]:
    places = frame.get("places")
    if not places:
        return [None] * count
    texts, numbers = places
    return [texts[number] for number in numbers]


def plain_failure(error: str, stack: str | None, failure: CodeFailure | None = None) -> OrchestratorAnswer:
    """Return the answer for code that failed outside the protocol. `error` is `Type: message`."""
    return OrchestratorAnswer(steps=(), error=error, error_details=stack, is_plain_failure=True, failure=failure)


def _decode_state(text: str) -> _State:
    try:
        return _decoder.decode(text)
    except msgspec.MsgspecError:
        return _decode_leniently(text)


def _decode_leniently(text: str) -> _State:
    """Decode a state with `NaN`, `Infinity` or lone surrogates, which Python writes although they are not JSON."""
    try:
        frame: Any = json.loads(text)
        fields: dict[str, Any] = dict(frame)
    except (ValueError, TypeError):
        raise BadAnswer(NOT_JSON) from None
    return _State(
        is_done=bool(fields.get("isDone")),
        schema_version=fields.get("schemaVersion") or 0,
        actions=fields.get("actions"),
        output=_raw(fields.get("output")),
        error=fields.get("error"),
        custom_status=_raw(fields.get("customStatus")),
    )


def _raw(value: Any) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(json.dumps(value, separators=(",", ":")).encode())


def _compact(raw: msgspec.Raw | None) -> str | None:
    """Return JSON text without whitespace between tokens, or None for an absent value or `null`."""
    if raw is None:
        return None
    data = bytes(raw)
    with suppress(msgspec.MsgspecError):
        data = msgspec.json.format(data, indent=-1)
    text = data.decode()
    return None if text == "null" else text
