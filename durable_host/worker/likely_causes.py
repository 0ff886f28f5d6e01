"""Finds the likely cause, and the place, of errors whose SDK text is misleading: one sentence in addition to that text.

Source: docs/protocol/durable-failures.md#failed-orchestrators, docs/protocol/durable-payload.md#encoding-of-inputs,
    docs/protocol/durable-entities.md#operation-inputs
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from typing import Any

from . import failures
from .suspect import Suspect, short_place
from .unwritable import first_not_json

_TASKS = (
    r"(?:AtomicTask|TimerTask|LongTimerTask|RetryAbleTask|WhenAllTask|WhenAnyTask|CompoundTask|TaskBase"
    r"|CompletableTask|CancellableTask|RetryableTask)"
)
_TASK_NAMED = re.compile(rf"\b{_TASKS}\b")
_NOT_ITERABLE = re.compile(rf"'{_TASKS}' object is not iterable")
_NOT_JSON = re.compile(
    r"Object of type (?P<a>\w+) is not JSON serializable"
    r"|class <class '(?:[\w<>]+\.)*(?P<b>\w+)'> does not expose a `to_json` function"
    r"|keys must be str, int, float, bool or None, not (?P<c>\w+)"
    r"|(?P<d>Circular reference) detected"
)
_ADDRESS = re.compile(r"ipv[46]:([^\s;]+:\d+)")
_NOT_TEXT = re.compile(r"the JSON object must be str, bytes or bytearray, not (\w+)")
_NOT_A_TASK = re.compile(r"'(\w+)' object has no attribute '(?:_is_scheduled|is_played|state)'")
_JSON_NAMES = {
    "int": "a bare number",
    "float": "a bare number",
    "bool": "a bare true or false",
    "list": "an array",
    "dict": "an object",
    "NoneType": "no input",
}


def likely_cause(
    error: BaseException,
    function: Any,
    *,
    position: str | None = None,
    output: Any = None,
    event: str | None = None,
    kind: str = "function",
) -> str | None:
    """One sentence about the cause and the place; None if the error is clear.

    `function` is the user's; `kind` is `orchestrator`, `entity` or `function`. `event` is the external event that the
    SDK was reading, whose data are not JSON.
    """
    if kind == "orchestrator" and _is_failed_call(error):
        return None
    suspect = Suspect(error, function, position=position, output=output, event=event, kind=kind)
    rules = _RULES if kind in ("orchestrator", "entity") else (_no_grpc_endpoint, _not_json)
    try:
        return next((cause for rule in rules if (cause := rule(suspect)) is not None), None)
    except Exception:
        return None


def _is_failed_call(error: BaseException) -> bool:
    """Whether the SDK raised it at a `yield` for a failed call, so that its text is about other code.

    In 1.x, the text for an activity or a child is `Reason`, ` \\n ` and details; for an entity it is only the text. 2.x
    has a class for such errors.
    """
    if (type(error).__module__, type(error).__name__) == ("durabletask.task", "TaskFailedError"):
        return True
    if type(error) is not Exception:
        return False
    return " \n " in failures.text_of(error) or failures.is_raised_in_users_code(error)


def never_resumes(context: Any, task: Any) -> str | None:
    """Why an orchestrator that has yielded `task` never continues; None if it does, as far as known here."""
    what = None
    if task is None:
        what = "yields None, which is not a task,"
    elif getattr(task, "_api_name", None) == "SignalEntityAction":
        what = "yields what signal_entity returns, so that the signal is sent twice,"
    if what is None or context.will_continue_as_new:
        return None
    return (
        f"The orchestrator {what} and never continues: `yield` takes the tasks that the context's other calls return."
    )


def _async_code(suspect: Suspect) -> str | None:
    function = suspect.function
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if suspect.kind != "orchestrator" or not is_async or suspect.place is not None:
        return None
    return f"{suspect.named} is 'async def'; an orchestrator is a plain 'def' that uses 'yield' instead of 'await'."


def _not_made_by_the_sdk(suspect: Suspect) -> str | None:
    if suspect.kind != "orchestrator" or not suspect.text.startswith("Out of proc orchestrators must return"):
        return None
    return f"{suspect.named} answers the host itself: wrap it, as in `main = df.Orchestrator.create(function)`."


def _yielded_no_task(suspect: Suspect) -> str | None:
    found = _NOT_A_TASK.match(suspect.text)
    if found is None or suspect.place is not None or suspect.kind != "orchestrator":
        return None
    remedy = {
        "list": "for several tasks write `yield context.task_all([...])`",
        "tuple": "for several tasks write `yield context.task_all([...])`",
        "generator": "to run another generator write `yield from`",
        "coroutine": "call asynchronous code in an activity, `yield context.call_activity(...)`",
        "FunctionBuilder": "call the activity with `yield context.call_activity(...)`",
    }.get(found[1], "`yield` takes the tasks that the context's calls return, such as `context.call_activity(...)`")
    return f"'{suspect.name}' yields a value of type {found[1]} at {suspect.where}, which is not a task: {remedy}."


def _forgotten_yield(suspect: Suspect) -> str | None:
    """A task is used instead of its result."""
    if not _TASK_NAMED.search(suspect.text):
        return None
    if "task_all" in suspect.sdk_calls or "task_any" in suspect.sdk_calls:
        return f"task_all and task_any take one list of tasks, as in `context.task_all([a, b])`, at {suspect.where}."
    if _NOT_ITERABLE.search(suspect.text) and "yield from" in suspect.line:
        return f"Use `yield`, not `yield from`, to wait for the task at {suspect.where}."
    return (
        f"A task is used instead of its result at {suspect.where}: probably a `yield` is missing before the call that "
        "made it, as in `result = yield context.call_activity(...)`."
    )


def _bad_tasks(suspect: Suspect) -> str | None:
    if suspect.sdk_calls & {"task_all", "task_any"} and isinstance(suspect.error, (AttributeError, TypeError)):
        return f"task_all and task_any take one list of tasks, as in `context.task_all([a, b])`, at {suspect.where}."
    return None


def _bad_entity_id(suspect: Suspect) -> str | None:
    if "get_scheduler_id" in suspect.sdk_calls and isinstance(suspect.error, AttributeError):
        return f"At {suspect.where} an entity is identified by something other than `df.EntityId(name, key)`."
    return None


def _bad_retry_options(suspect: Suspect) -> str | None:
    if suspect.text.endswith("object has no attribute 'to_json'") and "add_json_attrib" in suspect.sdk_calls:
        return f"A call with retries in {suspect.named} has no `df.RetryOptions(...)` as its second argument."
    return None


def _bad_due_time(suspect: Suspect) -> str | None:
    if "create_timer" not in suspect.sdk_calls or not isinstance(suspect.error, TypeError):
        return None
    return (
        f"The due time at {suspect.where} is not a datetime with a time zone: use `context.current_utc_datetime + "
        "timedelta(...)`."
    )


def _stop_iteration(suspect: Suspect) -> str | None:
    cause = suspect.error.__cause__
    if suspect.text != "generator raised StopIteration" or cause is None:
        return None
    place = failures.place_of(cause)
    where = suspect.where if place is None else short_place(*place)
    return f"A `next(...)` at {where} finds no more items: give it a default, or handle StopIteration there."


def _bad_input(suspect: Suspect) -> str | None:
    """`get_input` of the 1.x SDK parses text. A client's start encodes twice; a plain HTTP body does not."""
    if "get_input" not in suspect.sdk_calls:
        return None
    found = _NOT_TEXT.search(suspect.text)
    if found is None and not isinstance(suspect.error, json.JSONDecodeError):
        return None
    given = _JSON_NAMES.get(found[1], f"a value of type {found[1]}") if found is not None else "text that is not JSON"
    if suspect.kind == "entity":
        if given == "no input":
            return f"The operation was sent without input, and get_input() at {suspect.where} needs one."
        return (
            f"The operation was sent, probably over HTTP, with {given}, and get_input() at {suspect.where} reads JSON "
            'inside a JSON string: send "5" in quotation marks for 5, or signal the entity with the SDK\'s client.'
        )
    return (
        f"The instance was started, probably over HTTP, with {given} as its input, and get_input() at "
        f"{suspect.where} reads objects and JSON inside a JSON string only: send an object such as "
        '{"value": 5}, or "5" in quotation marks, or start it with the SDK\'s client.'
    )


def _bad_event_data(suspect: Suspect) -> str | None:
    if suspect.event is None or not isinstance(suspect.error, json.JSONDecodeError):
        return None
    return (
        f"The data of the event '{suspect.event}' is not JSON. Its sender must write JSON text, such as \"yes\" with "
        "its quotation marks for the text yes; HTTP, 'func durable' and the SDK's client do."
    )


def _no_grpc_endpoint(suspect: Suspect) -> str | None:
    """The client of the 2.x SDK cannot connect. The error shows only the text of gRPC."""
    error = suspect.error
    if not any(one.__name__ == "RpcError" and one.__module__.startswith("grpc") for one in type(error).__mro__):
        return None
    said = str(error)
    if "UNAVAILABLE" not in said or "connect" not in said or not failures.is_raised_through_sdk(error):
        return None
    address = _ADDRESS.search(said)
    at = f" at {address[1]}" if address is not None else ""
    return (
        f"The durable client did not reach the gRPC endpoint of the host{at}. 'func start --grpc-port 0' disables it: "
        "start the host without this option. A client kept from an earlier start of the host has an old address."
    )


def _not_json(suspect: Suspect) -> str | None:
    found = _NOT_JSON.search(suspect.text)
    if found is None:
        return None
    kind = next(group for group in found.groups() if group)
    if suspect.output is not None:
        path = first_not_json(suspect.output)
        holds = f"{path} is of type {kind}" if path is not None else f"it has a {kind.lower()}"
        if kind == "generator":
            holds = "it is a generator; to run one write `yield from`"
        if kind == "coroutine":
            holds = "it is a coroutine that nobody awaits; call asynchronous code in an activity"
        return f"The value that {suspect.returning} returns cannot be written as JSON: {holds}."
    if suspect.place is not None and "to_json" not in suspect.text:
        return None  # the app's own `json.dumps`
    if suspect.place is not None:
        return f"The value given at {suspect.where} cannot be written as JSON: it has a value of type {kind}. {_REMEDY}"
    what = {"orchestrator": "custom status or a call's argument", "entity": "state or result"}.get(suspect.kind)
    value = f"The {what} of {suspect.named}" if what else f"The value that {suspect.returning} returns"
    return f"{value} cannot be written as JSON: it has a value of type {kind}. {_REMEDY}"


_REMEDY = "Give text, numbers, lists and dicts, or an object with to_json and from_json."

_RULES: tuple[Callable[[Suspect], str | None], ...] = (
    _async_code,
    _not_made_by_the_sdk,
    _yielded_no_task,
    _forgotten_yield,
    _bad_tasks,
    _bad_entity_id,
    _bad_retry_options,
    _bad_due_time,
    _bad_input,
    _bad_event_data,
    _stop_iteration,
    _no_grpc_endpoint,
    _not_json,
)
