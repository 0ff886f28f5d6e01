"""Decodes actions of the 1.x protocol, which `durable-functions` for Node.js speaks as well.

Source: docs/protocol/durable-actions.md#replay-schemas, docs/protocol/durable-actions.md#kinds-of-actions
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from durable_host import timestamp
from durable_host.durable.engine.inputs import json_string
from durable_host.durable.model.actions import (
    Action,
    CallActivity,
    CallEntity,
    CallHttp,
    CallSubOrchestrator,
    ContinueAsNewAction,
    CreateTimer,
    LockEntities,
    ReleaseEntities,
    RetryPolicy,
    ScheduledTask,
    SignalEntity,
    TimerParts,
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
_LOCK, _RELEASE = 13, 14
_FIRST_SCHEMA_WITH_PARTS, _FIRST_SCHEMA_WITH_LOCKS = 2, 3
_NUMBER_BY_NAME = {name.casefold(): number for number, name in enumerate(_KINDS)}


class BadAnswer(Exception):
    """The SDK's answer cannot be read. The text is the reference's."""


class ActionRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the SDKs of the protocol do differently.

    `input` returns the stored form of the input of an action. The other fields are for SDKs that leave long timers,
    polling, or attempts after a retry timeout to the host (see `TimerParts`, `CallHttp`, `RetryPolicy`).
    """

    input: Callable[[Any], str | None]
    highest_schema: int = 2
    timer_parts: TimerParts | None = None
    poll_after: int | None = None
    counts_all_attempts: bool = False


def _text_as_json(value: Any) -> str | None:
    """Return JSON text as a JSON string: the SDK for Python sends each input as JSON text."""
    text = value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return json_string(text)


PYTHON_RULES = ActionRules(input=_text_as_json)


def decode_actions(actions: Any, schema: int, rules: ActionRules = PYTHON_RULES) -> list[Action]:
    """Return the top-level actions in order.

    Schemas from V2 on have a single list. V1 has one inner list per `yield`; its members become children of one action,
    so that they are started together and in order.
    """
    if schema not in range(rules.highest_schema + 1):
        raise BadAnswer(f'The OOProc schema of of version "{schema}" is unsupported by this durable-extension version.')
    groups: list[Any] = _as_list(actions)
    if schema > 0:
        if len(groups) != 1:
            raise BadAnswer(
                f"With OOProc schema V{schema + 1}, expected actions array to be of length 1 in outer layer but got "
                f"size: {len(groups)}"
            )
        return [decode_action(action, rules, schema) for action in _as_list(groups[0])]
    decoded = [tuple(decode_action(action, rules, schema) for action in _as_list(group)) for group in groups]
    return [group[0] if len(group) == 1 else WhenAny(group) for group in decoded]


def decode_action(action: Mapping[str, Any], rules: ActionRules = PYTHON_RULES, schema: int = 2) -> Action:
    """Return one action with its children."""
    kind = action.get("actionType")
    if kind == "Scheduled":
        number, leaf = action["task"]
        return ScheduledTask(number, leaf)
    number = _NUMBER_BY_NAME.get(kind.casefold()) if isinstance(kind, str) else kind
    match number:
        case 0 | 1:
            input = rules.input(action.get("input"))
            return CallActivity(_text(action, "functionName"), input, _retry(action, rules, number == 1))
        case 2 | 3:
            return CallSubOrchestrator(
                name=_text(action, "functionName"),
                input=rules.input(action.get("input")),
                instance_id=action.get("instanceId") or None,
                version=action.get("version"),
                retry=_retry(action, rules, number == 3),
            )
        case 4:
            return ContinueAsNewAction(rules.input(action.get("input")))
        case 5:
            return CreateTimer(_time(action), bool(action.get("isCanceled")), _parts(rules, schema))
        case 6:
            return WaitForExternalEvent(_text(action, "externalEventName"))
        case 7:
            return CallEntity(_text(action, "instanceId"), _text(action, "operation"), rules.input(action.get("input")))
        case 8:
            return _http(action.get("httpRequest"), rules, schema)
        case 9 | 10:
            due = _time(action) if number == 10 else None
            input = rules.input(action.get("input"))
            return SignalEntity(_text(action, "instanceId"), _text(action, "operation"), input, due)
        case 11:
            return WhenAny(_children(action, rules, schema))
        case 12:
            return WhenAll(_children(action, rules, schema))
        case _ if number == _LOCK and schema >= _FIRST_SCHEMA_WITH_LOCKS:
            entities = tuple(_entity(entity) for entity in _as_list(action.get("lockSet")))
            if not entities:
                raise BadAnswer("Invalid JSON. Must contain field lockSet")
            return LockEntities(_text(action, "lockRequestId"), entities)
        case _ if number == _RELEASE and schema >= _FIRST_SCHEMA_WITH_LOCKS:
            return ReleaseEntities()
        case _:
            return UnknownAction(str(kind))


def _children(action: Mapping[str, Any], rules: ActionRules, schema: int) -> tuple[Action, ...]:
    return tuple(decode_action(child, rules, schema) for child in _as_list(action.get("compoundActions")))


def _parts(rules: ActionRules, schema: int) -> TimerParts | None:
    return rules.timer_parts if schema >= _FIRST_SCHEMA_WITH_PARTS else None


def _http(request: Any, rules: ActionRules, schema: int) -> CallHttp:
    polls = isinstance(request, dict) and request.get("asynchronousPatternEnabled") is True  # pyright: ignore
    poll_after = rules.poll_after if polls and schema >= _FIRST_SCHEMA_WITH_PARTS else None
    return CallHttp(json.dumps(request, separators=(",", ":")), poll_after)


def _entity(entity: Any) -> str:
    if not isinstance(entity, dict):
        raise BadAnswer("Invalid JSON. Must contain field lockSet")
    return f"@{_text(entity, 'name').lower()}@{_text(entity, 'key')}"  # pyright: ignore[reportUnknownArgumentType]


def _retry(action: Mapping[str, Any], rules: ActionRules, is_retried: bool) -> RetryPolicy | None:
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
        counts_all=rules.counts_all_attempts,
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


def _as_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadAnswer("Out of proc orchestrators must return a valid JSON schema")
    return value  # pyright: ignore[reportUnknownVariableType]
