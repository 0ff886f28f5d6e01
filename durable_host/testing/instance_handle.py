"""One orchestration of an app under test."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self

from durable_host.durable.api.errors import InstanceNotFound
from durable_host.testing.app_backend import AppBackend
from durable_host.testing.argument_values import check_text
from durable_host.testing.event_ledger import EventLedger, external_event
from durable_host.testing.history_assertions import InstanceHistory
from durable_host.testing.history_row import history_rows
from durable_host.testing.instance_record import Instance
from durable_host.testing.instance_report import title_of, view_report
from durable_host.testing.instance_wait import InstanceWait, as_instance_wait
from durable_host.testing.let_time_pass import let_time_pass
from durable_host.testing.settled import Settled
from durable_host.testing.wait_condition import ANY, WaitCondition, status_name

__tracebackhide__ = True


class InstanceHandle(Settled):
    """The instance `id`. It need not exist yet. Its properties are read again each time.

    Properties and methods raise InstanceNotFound while it does not exist; `exists` and the waits do not.
    """

    def __init__(self, backend: AppBackend, instance_id: str) -> None:
        self._backend = backend
        self.id = instance_id

    @property
    def exists(self) -> bool:
        return self._backend.instance(self.id) is not None

    @property
    def name(self) -> str:
        """The name of the orchestrator."""
        return self._read().name

    @property
    def status(self) -> str:
        """Pending, Running, Suspended, Completed, Failed, Terminated or Canceled."""
        return self._read().status

    @property
    def input(self) -> Any:
        """What `context.get_input()` returns."""
        return self._read().input

    @property
    def output(self) -> Any:
        """The result; None while it runs. That of a failed instance is the text of the error."""
        return self._read().output

    @property
    def error(self) -> str | None:
        """The text of the error of a failed instance, otherwise None."""
        one = self._read()
        return str(one.output) if one.status == "Failed" else None

    @property
    def custom_status(self) -> Any:
        return self._read().custom_status

    @property
    def created(self) -> datetime:
        return self._read().created

    @property
    def last_updated(self) -> datetime:
        return self._read().last_updated

    @property
    def waits(self) -> list[InstanceWait]:
        """What it waits for: events, timers with their due times, activities, children, entities, locks."""
        return [as_instance_wait(wait) for wait in self._backend.view(self.id).waits]

    @property
    def history(self) -> InstanceHistory:
        """The history of the current execution, as it is now."""
        view = self._backend.view(self.id)
        rows = history_rows(view.events, encodes_twice=view.encodes_inputs_twice)
        return InstanceHistory(title_of(self._read()), rows, view.events)

    @property
    def ledger(self) -> EventLedger:
        """What became of each external event of the current execution, as it is now."""
        events = [external_event(event) for event in self._backend.view(self.id).ledger]
        return EventLedger(title_of(self._read()), events)

    @property
    def children(self) -> list["InstanceHandle"]:
        """The sub-orchestrations of the current execution, in the order of the calls."""
        return [InstanceHandle(self._backend, child) for child in self._backend.view(self.id).children]

    def wait(self, limit: timedelta | None = None) -> Self:
        """Let time pass until the instance has ended, in whatever way: time jumps from one due time to the next.

        `limit` is 366 days by default. Raises StillRunning, an AssertionError that describes the instance.
        """
        let_time_pass(self._backend, self.id, WaitCondition(has_ended=True), None, limit)
        return self

    def wait_until(
        self,
        *,
        status: Any = None,
        waiting_for: str | None = None,
        custom_status: Any = ANY,
        calls: str | None = None,
        condition: Callable[[Self], bool] | None = None,
        limit: timedelta | None = None,
    ) -> Self:
        """Let time pass until everything that is given is true at the same time.

        `status` is a name such as "Running", or a member of the SDK's enumeration. `waiting_for` is the name of an
        external event, activity, sub-orchestrator or entity that the instance waits for. `calls` is the name of an
        activity, sub-orchestrator or entity that it has called in its current execution. `condition` gets the instance.
        See `wait` for the limit. Raises StillRunning, TypeError if nothing is given, ValueError for an unknown status.
        """
        wanted = WaitCondition(
            status=None if status is None else status_name(status),
            waiting_for=waiting_for,
            custom_status=custom_status,
            calls=calls,
        )
        if wanted == WaitCondition() and condition is None:
            raise TypeError("wait_until needs a status, waiting_for, custom_status, calls or a condition.")
        also = None if condition is None else lambda: condition(self)
        let_time_pass(self._backend, self.id, wanted, also, limit)
        return self

    def raise_event(self, name: str, data: Any = None) -> Self:
        """Send an event, like a JSON body posted to `sendEventPostUri`. Raises ValueError for an empty name."""
        check_text("name", name)
        if not name:
            raise ValueError("An event needs a name.")
        self._backend.raise_event(self.id, name, self._backend.doubles.as_event(data))
        return self

    def terminate(self, reason: str | None = None) -> Self:
        self._backend.terminate(self.id, reason)
        return self

    def suspend(self, reason: str | None = None) -> Self:
        self._backend.suspend(self.id, reason)
        return self

    def resume(self, reason: str | None = None) -> Self:
        self._backend.resume(self.id, reason)
        return self

    def rewind(self, reason: str | None = None) -> Self:
        """Run a failed instance again from where it failed."""
        self._backend.rewind(self.id, reason)
        return self

    def restart(self, *, new_id: str | None = None) -> "InstanceHandle":
        """Start the same orchestrator with the same input, under a new ID unless `new_id` names one.

        The instance's own ID starts it again in its place.
        """
        if new_id is not None:
            check_text("new_id", new_id)
        return InstanceHandle(self._backend, self._backend.restart(self.id, new_id))

    def purge(self) -> Self:
        """Delete the instance, which must have ended."""
        if not self._backend.purge(self.id):
            raise InstanceNotFound(self.id)
        return self

    def report(self) -> str:
        """The state, the waits and the end of the history, as failures show them."""
        one, view = self._read(), self._backend.view(self.id)
        return view_report(one, view)

    def __repr__(self) -> str:
        one = self._backend.instance(self.id)
        return f"<instance '{self.id}', which does not exist>" if one is None else f"<{title_of(one)}: {one.status}>"

    def _read(self) -> Instance:
        one = self._backend.instance(self.id)
        if one is None:
            raise InstanceNotFound(self.id)
        return one
