"""Texts about a closed gate: what it waits for, why, and how the code can avoid the wait."""

from durable_host import timestamp
from durable_host.config.gates_setting import SETTING
from durable_host.durable.engine.gates import Gate
from durable_host.durable.model.actions import (
    Action,
    CallActivity,
    CallEntity,
    CallHttp,
    CallSubOrchestrator,
    CreateTimer,
    LockEntities,
    SignalEntity,
    WaitForExternalEvent,
    WhenAll,
    WhenAny,
)
from durable_host.durable.user_code import CodeDialect

_MAX_LISTED = 3
_SWITCH = (
    f"Azure waits just as long, and does not log it. {SETTING}=lift removes such waits, for task hubs that no host in "
    "Azure will ever use."
)


def waits_for_timers_only(gate: Gate) -> bool:
    return all(isinstance(blocker.action, CreateTimer) for blocker in gate.blockers())


def wait_text(gate: Gate, dialect: CodeDialect) -> str:
    """Return what the closed `gate` waits for, why, and how to avoid it, in a few sentences."""
    place = f" of {gate.position}" if gate.position else ""
    blockers = [name_of(blocker.action) for blocker in gate.blockers()]
    listed = ", ".join(blockers[:_MAX_LISTED])
    if len(blockers) > _MAX_LISTED:
        listed += f" and {len(blockers) - _MAX_LISTED} more"
    if len(blockers) > 1 and isinstance(gate.action, WhenAny):
        listed = f"one of {listed}"
    return f"it waits for {listed}. {_reason(gate, place, dialect)} {_advice(gate, dialect)} {_SWITCH}"


def name_of(action: Action) -> str:
    """Return a short description of an action. A compound action is described by its first member."""
    match action:
        case CallActivity():
            return f"the activity '{action.name}'"
        case CallSubOrchestrator():
            return f"the sub-orchestration '{action.name}'"
        case CallHttp():
            return "the HTTP call"
        case CreateTimer():
            return f"the timer due at {seconds(action.fire_at)}"
        case WaitForExternalEvent():
            return f"the event '{action.name}'"
        case LockEntities():
            return f"the lock of {', '.join(repr(entity) for entity in action.entities)}"
        case CallEntity() | SignalEntity():
            kind = "call" if isinstance(action, CallEntity) else "signal"
            return f"the {kind} '{action.operation}' of the entity '{action.instance_id}'"
        case WhenAll() | WhenAny() if len(action.children) == 1:
            return name_of(action.children[0])
        case WhenAll() | WhenAny() if action.children:
            return f"{name_of(action.children[0])} and {len(action.children) - 1} more"
        case _:
            return "the next generation"


def seconds(ticks: int) -> str:
    """Return a time as text, without fractions of a second."""
    return f"{timestamp.to_text(ticks)[:19]}Z"


def _reason(gate: Gate, place: str, dialect: CodeDialect) -> str:
    task_all, task_any = dialect.task_all, dialect.task_any
    match gate.action:
        case WhenAll():
            return f"The {task_all}{place} failed at its first error, but the next step waits for all of its tasks."
        case WhenAny() if _has_failed_members(gate):
            return (
                f"A {task_all} in the {task_any}{place} failed at its first error, but ends with the last of its tasks."
            )
        case WhenAny():
            return (
                f"The {task_any}{place} ended with a task of an earlier step, but the next step waits for one of the "
                "tasks that are new in it."
            )
        case WaitForExternalEvent():
            return (
                f"The wait{place} received an event that an earlier wait had already received, but the next step waits "
                "for another one."
            )
        case CreateTimer():
            return f"It is a part{place} of a timer longer than six days, and each part is a step."
        case _:
            return f"The next step waits for the step{place} before it."


def _has_failed_members(gate: Gate) -> bool:
    """True when an all-task in an any-task has ended although some of its tasks are open."""
    inner = [member for member in gate.members if isinstance(member.action, WhenAll)]
    return any(leaf.is_open for member in inner for leaf in member.leaves())


def _advice(gate: Gate, dialect: CodeDialect) -> str:
    task_all, task_any = dialect.task_all, dialect.task_any
    actions = [blocker.action for blocker in gate.blockers()]
    has_timer = any(isinstance(action, CreateTimer) for action in actions)
    match gate.action:
        case WhenAll():
            advice = (
                f"To continue at the first error, yield {dialect.task_any_call} of the tasks, and again of those that "
                f"are left, instead of {task_all}; or await the open tasks before the next step."
            )
            if any(isinstance(action, CallActivity | CallSubOrchestrator) and action.retry for action in actions):
                advice += " Do so in any case: with retries among the open tasks, Azure may mix up results."
            return f"{advice} Cancel timers that are no longer needed (timer.cancel())." if has_timer else advice
        case WhenAny() if _has_failed_members(gate):
            return f"Replace that {task_all} with a sub-orchestration that handles the error."
        case WhenAny() if has_timer:
            return "Cancel the new timer when another task has won (timer.cancel())."
        case WhenAny() if any(isinstance(action, WaitForExternalEvent) for action in actions):
            return (
                f"Create a new timer with the same due time for each {task_any}, and cancel it when another task has "
                "won, instead of using one timer again."
            )
        case WhenAny():
            return (
                f"To limit parallel work, await groups with {task_all}, or give each sub-orchestration a share of it."
            )
        case WaitForExternalEvent():
            return "Wait once for each event, or start waiting before the event is raised."
        case CreateTimer():
            return "Wait in a loop of timers of at most six days."
        case _:
            return "Await it before the next step."
