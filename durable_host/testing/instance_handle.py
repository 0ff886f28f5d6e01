"""One orchestration of an app under test."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self

from durable_host.dashboard.views.waits import OpenWait
from durable_host.durable.api.errors import InstanceNotFound
from durable_host.durable.model.status import TERMINAL_STATUSES
from durable_host.testing.app_backend import AppBackend
from durable_host.testing.instance_record import Instance, StillRunning
from durable_host.testing.settled import Settled

_TERMINAL = frozenset(status.name for status in TERMINAL_STATUSES)


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
    def waits(self) -> list[OpenWait]:
        """What it waits for: events, timers with their due times, activities, children, entities, locks."""
        return list(self._backend.view(self.id).waits)

    @property
    def children(self) -> list["InstanceHandle"]:
        """The sub-orchestrations of the current execution, in the order of the calls."""
        return [InstanceHandle(self._backend, child) for child in self._backend.view(self.id).children]

    def wait(self, limit: timedelta | None = None) -> Self:
        """Let the time pass until the instance has ended."""
        return self._wait_until(lambda: self.exists and self.status in _TERMINAL, "to end", limit)

    def wait_until(
        self,
        *,
        status: str | None = None,
        waiting_for: str | None = None,
        custom_status: Any = None,
        calls: str | None = None,
        condition: Callable[[Self], bool] | None = None,
        limit: timedelta | None = None,
    ) -> Self:
        """Let the time pass until everything that is given is true at the same time."""

        def is_met() -> bool:
            if not self.exists:
                return False
            if status is not None and self.status != status:
                return False
            if custom_status is not None and self.custom_status != custom_status:
                return False
            if waiting_for is not None and all(wait.name != waiting_for for wait in self.waits):
                return False
            return condition is None or condition(self)

        return self._wait_until(is_met, "", limit)

    def raise_event(self, name: str, data: Any = None) -> Self:
        """Send an event, like a JSON body posted to `sendEventPostUri`."""
        self._backend.raise_event(self.id, name, data)
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
        """Start the same orchestrator with the same input, under a new ID unless `new_id` names one."""
        return InstanceHandle(self._backend, self._backend.restart(self.id, new_id))

    def purge(self) -> Self:
        """Delete the instance, which must have ended."""
        self._backend.purge(self.id)
        return self

    def __repr__(self) -> str:
        return f"<instance '{self.id}'>"

    def _read(self) -> Instance:
        one = self._backend.instance(self.id)
        if one is None:
            raise InstanceNotFound(self.id)
        return one

    def _wait_until(self, is_met: Callable[[], bool], goal: str, limit: timedelta | None) -> Self:
        limit = limit if limit is not None else self._backend.longest_wait
        end = self._backend.now + limit
        while True:
            self._backend.settle()
            if is_met():
                return self
            reason = self._backend.pass_time(end)
            if reason is not None:
                raise StillRunning(f"'{self.id}' {goal}: {reason}")
