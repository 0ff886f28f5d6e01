"""Decodes actions of the 1.x protocol.

Source: docs/protocol/durable-actions.md#replay-schemas, docs/protocol/durable-actions.md#kinds-of-actions
"""

import json
from collections.abc import Mapping
from typing import Any

from durable_host import timestamp
from durable_host.durable.model.actions import (
    Action,
    CallActivity,
    CallEntity,
    CallHttp,
    CallSubOrchestrator,
    ContinueAsNewAction,
    CreateTimer,
    RetryPolicy,
    SignalEntity,
    UnknownAction,
    WaitForExternalEvent,
    WhenAll,
    WhenAny,
)

TICKS_PER_MILLISECOND = 10_000
_KINDS = (
    "CallActivity",
    "CallActivityWithRetry",
    "CallSubOrchestrator",
    "CallSubOrchestratorWithRetry",
    "ContinueAsNew",
    "CreateTimer",
    "WaitForExternalEvent",
    "CallEntity",
    "CallHttp",
    "SignalEntity",
    "ScheduledSignalEntity",
    "WhenAny",
    "WhenAll",
)
_NUMBER_BY_NAME = {name.casefold(): number for number, name in enumerate(_KINDS)}


class BadAnswer(Exception):
    """The SDK's answer cannot be read. The text is the reference's."""


def decode_actions(actions: Any, schema: int) -> list[Action]:
    """Return the top-level actions in order.

    Schemas V2 and V3 have a single list. V1 has one inner list per `yield`; its members become children of one action,
    so that they are started together and in order.
    """
    if schema not in {0, 1, 2}:
        raise BadAnswer(f'The OOProc schema of of version "{schema}" is unsupported by this durable-extension version.')
    groups: list[Any] = _as_list(actions)
    if schema > 0:
        if len(groups) != 1:
            raise BadAnswer(
                f"With OOProc schema V{schema + 1}, expected actions array to be of length 1 in outer layer but got "
                f"size: {len(groups)}"
            )
        return [decode_action(action) for action in _as_list(groups[0])]
    decoded = [tuple(decode_action(action) for action in _as_list(group)) for group in groups]
    return [group[0] if len(group) == 1 else WhenAny(group) for group in decoded]


def decode_action(action: Mapping[str, Any]) -> Action:
    """Return one action with its children."""
    kind = action.get("actionType")
    number = _NUMBER_BY_NAME.get(kind.casefold()) if isinstance(kind, str) else kind
    match number:
        case 0 | 1:
            return CallActivity(_text(action, "functionName"), _input(action), _retry(action, number == 1))
        case 2 | 3:
            return CallSubOrchestrator(
                name=_text(action, "functionName"),
                input=_input(action),
                instance_id=action.get("instanceId") or None,
                version=action.get("version"),
                retry=_retry(action, number == 3),
            )
        case 4:
            return ContinueAsNewAction(_input(action))
        case 5:
            return CreateTimer(_time(action), bool(action.get("isCanceled")))
        case 6:
            return WaitForExternalEvent(_text(action, "externalEventName"))
        case 7:
            return CallEntity(_text(action, "instanceId"), _text(action, "operation"), _input(action))
        case 8:
            return CallHttp(json.dumps(action.get("httpRequest"), separators=(",", ":")))
        case 9 | 10:
            due = _time(action) if number == 10 else None
            return SignalEntity(_text(action, "instanceId"), _text(action, "operation"), _input(action), due)
        case 11:
            return WhenAny(_children(action))
        case 12:
            return WhenAll(_children(action))
        case _:
            return UnknownAction(str(kind))


def _children(action: Mapping[str, Any]) -> tuple[Action, ...]:
    return tuple(decode_action(child) for child in _as_list(action.get("compoundActions")))


def _retry(action: Mapping[str, Any], is_retried: bool) -> RetryPolicy | None:
    if not is_retried:
        return None
    options: Any = action.get("retryOptions") or {}
    for required in ("firstRetryIntervalInMilliseconds", "maxNumberOfAttempts"):
        if options.get(required) is None:
            raise BadAnswer(f"Invalid JSON. Must contain field {required}")
    return RetryPolicy(
        first_interval=_ticks(options["firstRetryIntervalInMilliseconds"]),
        max_attempts=int(options["maxNumberOfAttempts"]),
        backoff_coefficient=float(options.get("backoffCoefficient") or 1.0),
        max_interval=_optional_ticks(options.get("maxRetryIntervalInMilliseconds")),
        timeout=_optional_ticks(options.get("retryTimeoutInMilliseconds")),
    )


def _optional_ticks(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else _ticks(milliseconds)


def _ticks(milliseconds: float) -> int:
    return round(milliseconds * TICKS_PER_MILLISECOND)


def _time(action: Mapping[str, Any]) -> int:
    text = _text(action, "fireAt")
    year, dash, rest = text.partition("-")
    try:
        return timestamp.parse(f"{year.zfill(4)}{dash}{rest}")
    except ValueError:
        raise BadAnswer(f"The time '{text}' of a timer is not a timestamp") from None


def _text(action: Mapping[str, Any], field: str) -> str:
    value = action.get(field)
    if not isinstance(value, str):
        raise BadAnswer(f"Invalid JSON. Must contain field {field}")
    return value


def _input(action: Mapping[str, Any]) -> str | None:
    value = action.get("input")
    return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _as_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadAnswer("Out of proc orchestrators must return a valid JSON schema")
    return value  # pyright: ignore[reportUnknownVariableType]
