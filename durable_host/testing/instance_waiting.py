"""Lets time pass until an instance is where a test wants it to be."""

from collections.abc import Callable
from datetime import timedelta

from durable_host.testing.app_backend import AppBackend
from durable_host.testing.history_row import history_rows
from durable_host.testing.instance_record import Instance, StillRunning
from durable_host.testing.instance_report import instance_report
from durable_host.testing.instance_wait import as_instance_wait
from durable_host.testing.wait_condition import TERMINAL, WaitCondition

_LOOKS_AFTER = 1000
"""After so many steps of time, it is checked whether time alone can continue the instance."""


def let_time_pass(
    backend: AppBackend,
    instance_id: str,
    condition: WaitCondition,
    also: Callable[[], bool] | None,
    limit: timedelta | None,
) -> None:
    """Return when the condition is met and `also()` is true. Raises StillRunning if that does not happen."""
    __tracebackhide__ = True
    end = backend.now + (limit if limit is not None else backend.longest_wait)
    steps = 0
    while True:
        backend.settle()
        one = backend.instance(instance_id)
        is_met = one is not None and condition.is_met_by(one) and _is_met_in_history(backend, instance_id, condition)
        if is_met and (also is None or also()):
            return
        if not is_met and one is not None and one.status in TERMINAL:
            _fail(backend, instance_id, one, condition, "it has ended")
        steps += 1
        if steps % _LOOKS_AFTER == 0 and one is not None and not _may_continue_by_itself(backend, instance_id):
            why = f"{steps} other things became due meanwhile, and none has continued it"
            _fail(backend, instance_id, one, condition, why)
        reason = backend.pass_time(end)
        if reason is not None:
            _fail(backend, instance_id, one, condition, reason)


def _is_met_in_history(backend: AppBackend, instance_id: str, condition: WaitCondition) -> bool:
    if not condition.needs_history:
        return True
    view = backend.view(instance_id)
    return condition.is_met_in([as_instance_wait(wait) for wait in view.waits], history_rows(view.events))


def _may_continue_by_itself(backend: AppBackend, instance_id: str) -> bool:
    """Whether the instance waits for something other than external events."""
    return any(wait.kind != "event" for wait in backend.view(instance_id).waits)


def _fail(backend: AppBackend, instance_id: str, one: Instance | None, condition: WaitCondition, why: str) -> None:
    __tracebackhide__ = True
    goal = str(condition) or "to meet the condition of the test"
    headline = f"The instance '{instance_id}' was expected {goal}, but {why}."
    if one is None:
        names = ", ".join(f"'{other.instance_id}' ({other.name})" for other in backend.instances(None, None))
        raise StillRunning(f"{headline}\nIt does not exist. The task hub has {names or 'no instances'}.")
    view = backend.view(instance_id)
    report = instance_report(
        one,
        [as_instance_wait(wait) for wait in view.waits],
        history_rows(view.events),
        waits_are_known=view.waits_are_known,
    )
    raise StillRunning(f"{headline}\n\n{report}\n\n{_advice(condition, one)}".rstrip())


def _advice(condition: WaitCondition, one: Instance) -> str:
    if one.status in TERMINAL:
        return ""
    if one.status == "Suspended":
        return "It is suspended: call resume() to continue it."
    return "Raise the event it waits for, or give a longer limit=." if condition.has_ended else ""
