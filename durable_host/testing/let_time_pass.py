"""Lets time pass until an instance is where a test wants it to be."""

from collections.abc import Callable
from datetime import timedelta

from durable_host.testing.app_backend import AppBackend, InstanceView
from durable_host.testing.history_row import history_rows
from durable_host.testing.instance_record import Instance, StillRunning
from durable_host.testing.instance_report import view_report
from durable_host.testing.instance_wait import as_instance_wait
from durable_host.testing.time_span import checked_span
from durable_host.testing.wait_condition import TERMINAL, WaitCondition

__tracebackhide__ = True


def let_time_pass(
    backend: AppBackend,
    instance_id: str,
    condition: WaitCondition,
    also: Callable[[], bool] | None,
    limit: timedelta | None,
) -> None:
    """Return when the condition is met and `also()` is true. Raises StillRunning if that does not happen."""
    waiting = _Waiting(backend, instance_id, condition)
    longest = checked_span("limit", limit)
    end = backend.now + (longest if longest is not None else backend.longest_wait)
    steps = 0
    while True:
        backend.settle()
        one = backend.instance(instance_id)
        is_met = waiting.is_met(one)
        if is_met and (also is None or also()):
            return
        steps += 1
        if not is_met and one is not None and one.status in TERMINAL:
            reason = "it has ended"
        elif steps % backend.looks_after == 0 and one is not None and not may_continue_by_itself(backend, instance_id):
            reason = f"{steps} other things became due meanwhile, and none has continued it"
        elif steps == backend.looks_after and one is None and limit is None:
            reason = f"{steps} things became due meanwhile, and none has started it; give a limit to wait longer"
        else:
            reason = backend.pass_time(end)
        if reason is not None:
            raise StillRunning(waiting.failure(one, reason))


def may_continue_by_itself(backend: AppBackend, instance_id: str) -> bool:
    """Whether the instance waits for something other than external events."""
    return any(wait.kind != "event" for wait in backend.view(instance_id).waits)


class _Waiting:
    """One wait. It remembers what the instance has waited for until now."""

    def __init__(self, backend: AppBackend, instance_id: str, condition: WaitCondition) -> None:
        self._backend = backend
        self._id = instance_id
        self._condition = condition
        self._seen: dict[str, None] = {}

    def is_met(self, one: Instance | None) -> bool:
        if one is None or not self._condition.needs_history:
            return one is not None and self._condition.is_met_by(one)
        view = self._backend.view(self._id)
        waits = [as_instance_wait(wait) for wait in view.waits]
        self._seen |= dict.fromkeys(wait.name for wait in waits if wait.kind != "timer")
        rows = history_rows(view.events, encodes_twice=view.encodes_inputs_twice)
        return self._condition.is_met_by(one) and self._condition.is_met_in(waits, rows)

    def failure(self, one: Instance | None, reason: str) -> str:
        goal = str(self._condition) or "to meet the condition of the test"
        headline = f"The instance '{self._id}' was expected {goal}, but {reason}."
        if one is None:
            names = ", ".join(f"'{other.instance_id}' ({other.name})" for other in self._backend.instances(None, None))
            return f"{headline}\nIt does not exist. The task hub has {names or 'no instances'}."
        view = self._backend.view(self._id)
        return "\n\n".join(filter(None, (headline, view_report(one, view), self._advice(one, view))))

    def _advice(self, one: Instance, view: InstanceView) -> str | None:
        wanted = self._condition.waiting_for
        if wanted is not None and not view.waits_are_known:
            return "Give wait_until custom_status=, calls= or condition= instead of waiting_for=."
        if wanted is not None and self._seen and wanted not in self._seen:
            names = ", ".join(f"'{name}'" for name in self._seen)
            return f"Until now it has waited for {names}, not for '{wanted}'."
        if one.status == "Suspended":
            return "It is suspended: call resume() to continue it."
        is_stuck = self._condition.has_ended and one.status not in TERMINAL
        return "Raise the event that it waits for, or give a longer limit." if is_stuck else None
